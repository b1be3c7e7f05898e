from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.process.engine import Engine
from exporter.process.kept_lines import EVERY, KeptLines
from exporter.publishing.kept import NOTHING
from exporter.system.logs import Logger
from tests.publishing.test_store import SLUGS, of, scraped
from tests.samples import NOW


class Running:
    """An engine on a state file, what it keeps beside it, and a clock that is moved by hand."""

    def __init__(self, path: Path | None) -> None:
        config = parse(f"state: {{path: {path or 'null'}}}\nprojects: [{SLUGS[0]}]")
        self.now = 50.0
        self.engine = Engine(config, cast("Logger", CapturingLogger()), environ={"CIRCLECI_TOKEN": "t"})
        self.lines = KeptLines(self.engine, path, monotonic=lambda: self.now)

    def close(self) -> None:
        self.engine.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def running(path: Path) -> Running:
    found = Running(path)
    found.engine.store.publish([of(slug) for slug in SLUGS], NOW)
    return found


def file(path: Path) -> Path:
    return Path(f"{path}.lines")


def test_the_next_process_finds_what_this_one_showed(running: Running, path: Path) -> None:
    running.lines.write()
    running.close()
    after = Running(path)
    after.engine.store.adopt(after.lines.read())
    after.engine.store.publish([of(slug) for slug in SLUGS], NOW)
    after.engine.store.release()
    assert after.lines.read().sections.keys() == set(SLUGS)
    assert scraped(after.engine.store.exposition) == scraped(running.engine.store.exposition)
    after.close()


def test_they_are_written_when_something_was_packed_and_then_each_hour(running: Running, path: Path) -> None:
    written = []
    for later in (0.0, 1.0, EVERY - 2.0, 1.0, EVERY):
        running.now += later
        running.lines.write_hourly()
        written.append(file(path).exists())
        file(path).unlink(missing_ok=True)
    assert written == [True, False, False, True, True]
    running.close()


def test_without_a_state_file_there_are_none() -> None:
    memory = Running(None)
    memory.lines.write()
    assert memory.lines.read() is NOTHING
    memory.close()
