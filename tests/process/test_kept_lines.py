from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from exporter.process.fixed import Options
from exporter.process.kept_lines import EVERY, KeptLines, settings_of
from exporter.publishing.kept import NOTHING, STARTING
from exporter.state import project_tables
from exporter.system.logs import Logger
from tests.publishing.test_store import SLUGS, of, scraped
from tests.samples import NOW

if TYPE_CHECKING:
    from exporter.publishing.kept import Kept


class Running:
    """An engine on a state file, what it keeps beside it, and clocks that are moved by hand."""

    def __init__(self, path: Path | None, settings: str = "these", at: float = NOW) -> None:
        config = parse(f"state: {{path: {path or 'null'}}}\nprojects: [{SLUGS[0]}]")
        self.now = 50.0
        self.engine = Engine(
            config,
            cast("Logger", CapturingLogger()),
            environ={"CIRCLECI_TOKEN": "t"},
            clocks=Clocks(lambda: at, lambda: self.now),
        )
        self.is_as_at_a_start = True
        self.lines = KeptLines(self.engine, lambda: self.is_as_at_a_start, path, settings, monotonic=lambda: self.now)

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


def whole_after(path: Path, settings: str = "these", at: float = NOW) -> bool:
    """Whether the next process may show all of the lines at once."""
    after = Running(path, settings, at)
    found = after.lines.read()
    after.close()
    assert found.sections.keys() == set(SLUGS)
    return found.whole is not None


def test_lines_are_whole_for_a_process_that_would_show_the_same(running: Running, path: Path) -> None:
    running.lines.write()
    running.close()
    (expires_at, *_) = sorted(each.expires_at or 0.0 for _, each in running.engine.store.published.values())
    assert whole_after(path)
    assert whole_after(path, at=expires_at - STARTING - 1)
    assert not whole_after(path, at=expires_at - STARTING), "some would be too old before the end of the start"
    assert not whole_after(path, at=NOW - 1), "the clock was set back"
    assert not whole_after(path, settings="others")
    assert not whole_after(path, settings=""), "there is more to show than these lines"


def test_lines_are_not_whole_after_a_commit_that_they_may_lack(running: Running, path: Path) -> None:
    running.lines.write()
    running.engine.state.commit(of(SLUGS[0]), (), ())
    running.close()
    assert not whole_after(path)


def test_lines_are_not_whole_if_there_was_a_commit_while_they_were_collected(
    running: Running, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, state = running.engine.store, running.engine.state
    shown = store.shown

    def slow(*origin: Any) -> Kept:
        found = shown(*origin)
        state.commit(of(SLUGS[0]), (), ())
        return found

    monkeypatch.setattr(store, "shown", slow)
    running.lines.write()
    running.close()
    assert not whole_after(path)


def test_lines_are_not_whole_if_the_settings_changed_while_they_were_collected(
    running: Running, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = running.engine.store
    shown = store.shown

    def reloaded(*origin: Any) -> Kept:
        running.lines.settings = "others"
        return shown(*origin)

    monkeypatch.setattr(store, "shown", reloaded)
    running.lines.write()
    running.close()
    assert not whole_after(path)


def test_lines_are_not_whole_where_another_process_would_make_something_else_of_the_state(
    running: Running, path: Path
) -> None:
    running.is_as_at_a_start = False
    running.lines.write()
    running.close()
    assert not whole_after(path)


def test_lines_of_another_state_are_deleted_before_this_one_comes_to_the_same_number_of_commits(
    running: Running, path: Path
) -> None:
    for _ in range(3):
        running.engine.state.commit(of(SLUGS[0]), (), ())
    running.lines.write()
    running.close()
    path.unlink()
    Path(f"{path}.generation").unlink()
    assert not whole_after(path)
    assert not file(path).exists()


def test_lines_are_not_whole_while_a_poll_is_between_its_commit_and_its_publication(
    running: Running, path: Path
) -> None:
    with running.engine.store.lock(SLUGS[0]):
        running.lines.write()
    running.close()
    assert not whole_after(path)


def test_lines_are_not_whole_while_something_could_not_be_written_to_the_state(
    running: Running, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(project_tables, "write", full)
        running.engine.state.commit(of(SLUGS[0]), (), ())
    running.lines.write()
    running.close()
    assert not whole_after(path)


def test_settings_are_told_apart_and_there_are_none_where_more_is_shown_than_projects() -> None:
    of = partial(settings_of, webhooks=False)
    config, alone = parse("projects: [gh/acme/web]"), Options()
    assert of(config, alone) == of(parse("projects: [gh/acme/web]"), Options()) != ""
    others = [
        of(parse("projects: [gh/acme/api]"), alone),
        of(parse("defaults: {max_series: 7}\nprojects: [gh/acme/web]"), alone),
        of(config, Options(total_shards=2)),
        of(config, Options(shard=1, total_shards=2)),
    ]
    assert len({of(config, alone), *others}) == 5
    assert of(parse("usage: {organizations: [gh/acme]}\nstate: {path: s.db}"), alone) == ""
    assert settings_of(config, alone, webhooks=True) == ""
