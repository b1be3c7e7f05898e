from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from exporter.errors import ConfigError, Problem, StartError, Stopped
from exporter.process.reloads import Reloads
from tests.process.test_lifecycle_log import Lines
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.config import Config
    from exporter.system.logs import Logger


class Process:
    """What a reload changes: the configurations that it adopted, or the error that it raises."""

    def __init__(self, file: Path | None) -> None:
        self.lines = Lines()
        self.adopted: list[Config] = []
        self.error: Exception | None = None
        self.reloads = Reloads(file, self.adopt, lambda: None, cast("Logger", self.lines))

    def adopt(self, config: Config) -> None:
        if self.error is not None:
            raise self.error
        self.adopted.append(config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "config.yaml"
    found.write_text("projects: [gh/acme/web]")
    return found


def test_a_good_file_is_adopted_and_said_to_be(file: Path) -> None:
    process = Process(file)
    began = process.reloads.good_at
    assert process.reloads.reload() == (True, "configuration reloaded")
    assert [each.projects[0].slug for each in process.adopted] == ["gh/acme/web"]
    assert process.lines.events() == ["configuration reloaded"]
    assert process.reloads.good
    assert process.reloads.good_at > began


def test_a_file_with_mistakes_changes_nothing_and_each_mistake_is_logged(file: Path) -> None:
    process = Process(file)
    file.write_text("projects: [gh/acme]\ndefaults: {interval: soon}")
    began = process.reloads.good_at
    good, text = process.reloads.reload()
    assert (good, "gh/acme" in text, "interval" in text) == (False, True, True)
    assert process.adopted == []
    assert process.lines.events() == ["configuration not reloaded"] * 2
    assert (process.reloads.good, process.reloads.good_at) == (False, began)
    file.write_text("projects: [gh/acme/web]")
    assert process.reloads.reload()[0]
    assert process.reloads.good


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StartError("no certificate"), "no certificate"),
        (ConfigError((Problem("f", "state.path", "cannot change", "restart"),)), "cannot change"),
        (RuntimeError("a defect"), "internal error (RuntimeError)"),
    ],
    ids=["cannot start", "fixed", "defect"],
)
def test_what_cannot_be_adopted_is_a_reload_that_failed(file: Path, error: Exception, text: str) -> None:
    process = Process(file)
    process.error = error
    good, told = process.reloads.reload()
    assert (good, text in told, process.reloads.good) == (False, True, False)
    assert len(process.lines.events()) == 1


def test_a_stop_ends_a_reload_without_a_word(file: Path) -> None:
    process = Process(file)
    process.error = Stopped()
    assert process.reloads.reload() == (False, "the exporter is stopping")
    assert process.lines.events() == []


def test_without_a_file_there_is_nothing_to_reload() -> None:
    assert Process(None).reloads.reload() == (False, "there is no configuration file to reload")


def test_nobody_reloads_while_the_process_is_to_stay_as_it_is(file: Path) -> None:
    process = Process(file)
    with process.reloads.steady:
        thread = threading.Thread(target=process.reloads.reload)
        thread.start()
        assert process.adopted == []
    thread.join()
    assert len(process.adopted) == 1


def test_reloads_that_wait_are_one_and_a_stop_goes_before_those_that_wait(file: Path) -> None:
    process, stopping = Process(file), threading.Event()
    for _ in range(200):
        process.reloads.ask()
    thread = threading.Thread(target=process.reloads.run, args=(stopping,))
    thread.start()
    wait_until(lambda: process.adopted)
    with process.reloads.steady:  # until then nobody reloads
        process.reloads.ask()
        wait_until(lambda: not process.reloads._asked.is_set(), why="a reload to wait")
        process.reloads.ask()
        stopping.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(process.adopted) == 2
