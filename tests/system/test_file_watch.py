from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StartError
from exporter.system.file_watch import FileWatch, WatchedFile
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY = 0.01


class Watched:
    """A watch under way: how often it called, and what it saw when it did."""

    def __init__(self, path: Path, stop: threading.Event, *, meanwhile: str | None = None) -> None:
        self.path, self.calls = path, list[str]()
        watch = FileWatch(path)
        if meanwhile is not None:
            path.write_text(meanwhile)
        self.looks = _Looks(stop)
        watch.start(lambda: self.calls.append(path.read_text()), self.looks, EVERY)

    def look_again(self) -> None:
        """Wait until the file was looked at twice more: once from now on for certain."""
        now = self.looks.count
        wait_until(lambda: self.looks.count >= now + 2)


class _Looks(threading.Event):
    """The stop event, which also counts how often it was waited for."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop, self.count = stop, 0

    def wait(self, timeout: float | None = None) -> bool:
        self.count += 1
        return self._stop.wait(timeout)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    return path


def test_a_change_of_content_is_noticed_once(file: Path, stop: threading.Event) -> None:
    watched = Watched(file, stop)
    file.write_text("two")
    wait_until(lambda: watched.calls == ["two"])
    watched.look_again()
    assert watched.calls == ["two"]


def test_a_change_between_the_reading_of_the_file_and_the_start_of_the_watch_is_noticed(
    file: Path, stop: threading.Event
) -> None:
    watched = Watched(file, stop, meanwhile="two")
    wait_until(lambda: watched.calls == ["two"])


def test_a_file_that_is_written_again_with_the_same_content_is_no_change(file: Path, stop: threading.Event) -> None:
    watched = Watched(file, stop)
    watched.look_again()
    file.write_text("one")
    watched.look_again()
    file.touch()
    watched.look_again()
    assert watched.calls == []


def test_a_file_that_is_gone_is_no_change_until_another_one_is_there(file: Path, stop: threading.Event) -> None:
    watched = Watched(file, stop)
    file.unlink()
    watched.look_again()
    assert watched.calls == []
    file.write_text("one")
    watched.look_again()
    assert watched.calls == []
    file.unlink()
    watched.look_again()
    file.write_text("two")
    wait_until(lambda: watched.calls == ["two"])


def test_a_file_that_was_not_there_at_first_is_noticed_when_it_comes(tmp_path: Path, stop: threading.Event) -> None:
    path = tmp_path / "later.yaml"
    watched = Watched(path, stop)
    path.with_suffix(".new").write_text("one")
    path.with_suffix(".new").rename(path)
    wait_until(lambda: watched.calls == ["one"])


def test_the_swap_of_a_mounted_configmap_is_noticed(tmp_path: Path, stop: threading.Event) -> None:
    for name in ("..2026_11_24", "..2026_11_25"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(name)
    (tmp_path / "..data").symlink_to("..2026_11_24")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    watched = Watched(tmp_path / "config.yaml", stop)
    (tmp_path / "..data_tmp").symlink_to("..2026_11_25")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    wait_until(lambda: watched.calls == ["..2026_11_25"])


def test_nothing_is_noticed_after_the_stop(file: Path, stop: threading.Event) -> None:
    watched = Watched(file, stop)
    watched.look_again()
    stop.set()
    wait_until(lambda: not any(thread.name == "watch" for thread in threading.enumerate()))
    file.write_text("two")
    assert watched.calls == []


def test_each_of_several_files_is_watched_and_a_change_is_told_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    watch = FileWatch(one, two)
    seen = [watch.changed()]
    two.write_text("2")
    seen += [watch.changed(), watch.changed()]
    one.write_text("3")
    seen += [watch.changed(), watch.changed()]
    assert seen == [False, True, False, True, False]


def test_other_files_can_be_watched_without_forgetting_how_the_kept_ones_were(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    watch = FileWatch(one)
    one.write_text("changed")
    watch.watch(one, two)
    assert (watch.changed(), watch.changed()) == (True, False)
    watch.watch(two)
    one.write_text("nobody cares")
    assert not watch.changed()


def test_a_file_that_is_gone_is_a_change_where_that_is_asked_for(file: Path) -> None:
    watch = FileWatch(file, absence=True)
    file.unlink()
    seen = [watch.changed(), watch.changed()]
    file.write_text("one")
    assert [*seen, watch.changed(), watch.changed()] == [True, False, True, False]


def test_a_forgotten_file_is_a_change_as_soon_as_it_can_be_read(file: Path) -> None:
    watch = FileWatch(file)
    watch.forget()
    assert (watch.changed(), watch.changed()) == (True, False)
    file.unlink()
    watch.forget()
    gone = watch.changed()
    file.write_text("one")
    assert (gone, watch.changed()) == (False, True)


def test_two_writes_within_one_tick_of_the_clock_are_both_noticed(file: Path) -> None:
    watch = FileWatch(file)
    written = file.stat()
    for content in ("two", "six"):
        file.write_text(content)
        os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
        assert watch.changed()


def test_an_old_file_is_not_read_again_while_its_times_and_size_stay(file: Path) -> None:
    os.utime(file, ns=(1, 1))
    watch = FileWatch(file)
    accessed = file.stat().st_atime_ns
    assert not watch.changed()
    assert file.stat().st_atime_ns == accessed


def test_a_pipe_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    watch = FileWatch(tmp_path / "pipe")  # reading it would wait for a writer
    assert not watch.changed()


class Text(WatchedFile[str]):
    """The text of a file, on a clock that a test moves. What is in `troubles` comes before the next readings."""

    def __init__(self, file: Path) -> None:
        self.file, self.now = file, 0.0
        self.troubles, self.told = list[str](), list[str]()
        super().__init__(FileWatch(file), lambda: self.now)

    def _read(self) -> str:
        if self.troubles:
            raise StartError(self.troubles.pop(0))
        return self.file.read_text()

    def _was_read(self) -> None:
        self.told.append(self.newest)

    def _was_refused(self, error: Exception) -> None:
        self.told.append(f"not read: {error}")


def test_who_asks_looks_once_a_second_and_others_can_look_at_once(file: Path) -> None:
    found = Text(file)
    found.file.write_text("two")
    found.now = 0.9
    assert found.current() == "one"
    found.now = 1.0
    assert (found.newest, found.current(), found.newest) == ("one", "two", "two")
    found.file.write_text("three")
    found.look()
    assert found.current() == "three"
    assert found.told == ["two", "three"]


def test_what_could_not_be_read_is_read_again_until_it_can_though_the_file_stays_the_same(file: Path) -> None:
    found = Text(file)
    found.file.write_text("two")
    found.troubles += ["torn"] * 2
    seen = []
    for _ in range(4):
        found.look()
        seen.append(found.newest)
    assert seen == ["one", "one", "two", "two"]
    assert found.told == ["not read: torn", "two"]


def test_what_is_wrong_is_told_once_until_it_is_something_else_or_was_good(file: Path) -> None:
    found = Text(file)
    found.troubles += ["empty", "empty", "torn"]
    for _ in range(4):
        found.refresh()
    found.troubles.append("torn")
    found.refresh()
    assert found.told == ["not read: empty", "not read: torn", "one", "not read: torn"]


def test_a_refresh_says_whether_the_file_says_something_else(file: Path) -> None:
    found = Text(file)
    unchanged = found.refresh()
    found.file.write_text("two")
    assert (unchanged, found.refresh(), found.refresh()) == (False, True, False)
