from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StateError
from tests.state.making import NOW_LEDGER, Opened, known, opened, whole

if TYPE_CHECKING:
    from pathlib import Path

SLUG = "gh/acme/web"
OLDER = "the state file is older than the one used last; run counters start at 0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def count(found: Opened, times: int = 1) -> None:
    for _ in range(times):
        found.state.commit_counts(known(ledger=NOW_LEDGER), whole())


def counted(path: Path) -> tuple[bool, list[str]]:
    """Whether the next start finds a ledger, and what it logs."""
    with opened(path) as found:
        return [stored.ledger for stored in found.state.load()] == [NOW_LEDGER], found.log.told()


def backup(path: Path) -> Path:
    return path.with_name("backup.db")


def test_a_backup_that_is_put_back_is_logged_and_begins_again_at_0(path: Path) -> None:
    with opened(path) as found:
        count(found)
    shutil.copyfile(path, backup(path))
    with opened(path) as found:
        count(found)
    shutil.copyfile(backup(path), path)
    assert counted(path) == (False, [OLDER])
    with opened(path) as found:
        count(found)
    assert counted(path) == (True, [])


def test_a_backup_of_the_same_run_is_noticed_too(path: Path) -> None:
    with opened(path) as found:
        count(found)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{backup(path)}{suffix}")
        count(found)
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{backup(path)}{suffix}", f"{path}{suffix}")
    assert counted(path) == (False, [OLDER])


def test_restarts_and_kills_are_no_older_file(path: Path, tmp_path: Path) -> None:
    for _ in range(3):
        with opened(path) as found:
            count(found, 2)
    left = tmp_path / "left"
    left.mkdir()
    with opened(path) as found:
        count(found)
        for file in tmp_path.glob("state.db*"):
            shutil.copyfile(file, left / file.name)
    assert counted(path) == (True, [])
    assert counted(left / "state.db") == (True, [])


def test_a_file_that_was_taken_elsewhere_alone_is_as_good_as_before(path: Path, tmp_path: Path) -> None:
    with opened(path) as found:
        count(found)
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copyfile(path, elsewhere)
    assert counted(elsewhere) == (True, [])


def test_a_new_file_in_the_place_of_a_deleted_one_is_no_older_one(path: Path) -> None:
    with opened(path) as found:
        count(found, 3)
    path.unlink()
    with opened(path) as found:
        assert found.log.told() == []
        count(found)
    assert counted(path) == (True, [])


@pytest.mark.parametrize("content", [b"", b"nonsense", b"9" * 20, b"-0000000000000000001", bytes(range(128, 148))])
def test_a_damaged_file_beside_stops_nothing(path: Path, content: bytes) -> None:
    with opened(path) as found:
        count(found)
    path.with_name("state.db.generation").write_bytes(content)
    with opened(path) as found:
        count(found)
    assert counted(path) == (True, [])


def test_a_file_beside_that_cannot_be_written_is_logged_and_costs_nothing_else(path: Path) -> None:
    with opened(path) as found:
        count(found)
    beside = path.with_name("state.db.generation")
    beside.unlink()
    beside.mkdir()
    with opened(path) as found:
        count(found)
        assert found.log.told() == [
            "the file beside the state file cannot be written; a restored backup may go unnoticed"
        ]


def test_a_commit_that_cannot_be_noted_beside_the_file_is_a_commit_all_the_same(path: Path) -> None:
    path.with_name("state.db.generation").symlink_to("/dev/full")
    with opened(path) as found:
        count(found, 2)
        assert found.log.told() == [
            "the file beside the state file cannot be written; a restored backup may go unnoticed"
        ]
        assert found.metric("state_writable") == 1
    assert counted(path)[0]


def test_an_older_file_that_cannot_be_written_stops_no_start_and_shows_no_old_counter_nor_counts_on_it(
    path: Path,
) -> None:
    with opened(path) as found:
        count(found)
    with closing(sqlite3.connect(path)) as file:
        file.execute(
            "CREATE TRIGGER kept BEFORE UPDATE OF left_at ON ledger WHEN NEW.left_at = 0"
            " BEGIN SELECT RAISE(FAIL, 'kept'); END"
        )
    shutil.copyfile(path, backup(path))
    with opened(path) as found:
        count(found)
    shutil.copyfile(backup(path), path)
    with opened(path) as found:
        assert found.metric("state_writable") == 0
        assert found.log.told() == ["the state file cannot be written; values are served from memory until then"]
        assert [stored.ledger for stored in found.state.load()] == [None]
        with pytest.raises(StateError, match="kept"):
            found.state.resume(SLUG, 300.0)
        with pytest.raises(StateError, match="kept"):
            found.state.usage.read("gh/acme", str)
        found.state._connection.execute("DROP TRIGGER kept")
        assert found.state.resume(SLUG, 300.0) == (None, None)
        assert found.log.told()[1:] == [OLDER]
        assert found.metric("state_older_total") == 1
