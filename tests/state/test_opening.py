from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StartError
from exporter.insights.questions import Question
from exporter.state import opening, versions
from exporter.state.database import single
from tests.state.making import as_nobody, known, opened, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = Question("workflows", "/insights/{slug}/workflows", "gh/acme/web", "", (("branch", "main"),))

HOLDER = """
import sys
from pathlib import Path
from tests.state.making import Opened
held = Opened(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def aside(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.iterdir() if ".corrupt-" in found.name)


def test_a_link_to_a_file_that_is_not_there_yet_makes_it_there(tmp_path: Path) -> None:
    path, disk = tmp_path / "state.db", tmp_path / "disk"
    path.symlink_to(disk / "real.db")
    with pytest.raises(StartError, match="there is no folder"):
        opened(path).__enter__()
    disk.mkdir()
    with opened(path) as found:
        assert found.state.lasting
        found.state.commit(known(QUESTION), [QUESTION], [])
    assert stat.S_IMODE((disk / "real.db").stat().st_mode) == 0o600
    with opened(path) as found:
        assert len(list(found.state.load())) == 1


def test_what_a_link_leads_to_is_moved_aside_with_its_log_where_it_is(tmp_path: Path) -> None:
    path, real = tmp_path / "state.db", tmp_path / "disk" / "real.db"
    real.parent.mkdir()
    path.symlink_to(real)
    real.write_bytes(b"no database at all")
    Path(f"{real}-wal").write_bytes(b"its log")
    with opened(path) as found:
        assert found.state.lasting
    assert len(aside(real)) == 2
    assert path.is_symlink()


def test_a_link_that_leads_to_itself_is_said_to_be_unwritable(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.symlink_to(path)
    with opened(path) as found:
        assert not found.state.lasting


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened(path) as found:
        assert found.state.lasting
        assert found.metric("state_writable") == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found.state.commit(known(QUESTION), [QUESTION], [])
        assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


def test_commits_are_as_safe_as_sqlite_makes_them(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as found:
        pragmas = ("journal_mode", "synchronous", "locking_mode", "user_version", "application_id")
        values = [single(found.state._connection.execute(f"PRAGMA {name}"))[0] for name in pragmas]
        assert values == ["wal", 2, "exclusive", versions.VERSION, opening.APPLICATION_ID]


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    with opened(path) as found:
        assert found.state.lasting
    assert aside(path) == []


def test_lines_that_an_earlier_version_kept_beside_the_file_are_deleted(tmp_path: Path) -> None:
    for name in ("state.db.lines", "state.db.lines.new"):
        (tmp_path / name).touch()
    with opened(tmp_path / "state.db") as found:
        assert found.state.lasting
        assert not [each.name for each in tmp_path.iterdir() if ".lines" in each.name]


def test_a_second_state_on_the_same_file_does_not_start(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db"), pytest.raises(StartError, match="in use by another process"):
        opened(tmp_path / "state.db").__enter__()


def test_another_process_holds_the_file_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StartError, match="in use by another process"):
            opened(path).__enter__()
        holder.send_signal(signal.SIGKILL)
    with opened(path) as found:
        assert found.state.lasting
    assert aside(path) == []


@pytest.mark.parametrize("content", [b"not a database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_foreign_or_broken_file_is_moved_aside_with_what_belongs_to_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    Path(f"{path}-journal").write_bytes(b"")
    with opened(path) as found:
        assert found.state.lasting
        assert found.metric("state_moved_aside_total") == 1
        assert found.log.told() == ["the state file cannot be used and was moved aside"]
    names = aside(path)
    assert (tmp_path / names[0]).read_bytes() == content
    assert [name.rpartition("Z")[2] for name in names] == ["", "-journal"]


def test_a_database_of_another_program_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
    with opened(path) as found:
        assert found.log.events[0][2]["problem"] == "it belongs to another program"
    assert len(aside(path)) == 1


def test_a_page_that_is_broken_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened(path) as found:
        found.state.commit(known(QUESTION, rows=rows_of(os.urandom(100_000).hex())), [QUESTION], [])
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x0d" * (len(whole) - 4096))
    with opened(path) as found:
        assert list(found.state.load()) == []
        assert found.metric("state_moved_aside_total") == 1
    assert len(aside(path)) == 1


def test_a_file_that_lacks_a_table_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).__enter__().state.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE run")
    with opened(path) as found:
        assert found.log.events[0][2]["problem"] == "tables are missing"
    assert len(aside(path)) == 1


def test_a_file_of_a_newer_version_is_left_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).__enter__().state.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("CREATE TABLE newer (a)")
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(StartError, match=f"version 99; this exporter knows versions up to {versions.VERSION}"):
        opened(path).__enter__()
    assert aside(path) == []


def test_a_folder_that_is_not_there_is_a_mistake_of_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="there is no folder"):
        opened(tmp_path / "absent" / "state.db").__enter__()


def test_a_folder_in_the_place_of_the_file_is_a_mistake_of_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="is a folder"):
        opened(tmp_path).__enter__()


def test_a_folder_that_cannot_be_written_degrades_to_memory(public_folder: Path) -> None:
    with as_nobody(), opened(public_folder / "state.db") as found:
        assert not found.state.lasting
        assert found.metric("state_writable") == 0
        assert found.log.told() == ["the state file cannot be written; nothing lasts until the next start"]
        assert list(found.state.load()) == []


def test_a_file_that_cannot_be_written_is_read_all_the_same(public_folder: Path) -> None:
    path = public_folder / "state.db"
    with opened(path) as found:
        found.state.commit(known(QUESTION), [QUESTION], [])
    path.chmod(0o444)
    with as_nobody(), opened(path) as found:
        assert not found.state.lasting
        [stored] = found.state.load()
        assert stored.parts == known(QUESTION).parts
        found.state.commit(known(), [], [QUESTION])
        found.state.forget(["gh/acme/web"])
    path.chmod(0o600)
    with opened(path) as found:
        assert len(list(found.state.load())) == 1


def test_what_a_kill_left_in_the_log_of_a_file_is_read_where_nothing_can_be_written(public_folder: Path) -> None:
    path, left = public_folder / "state.db", public_folder / "left"
    left.mkdir()
    with opened(path) as found:
        found.state.commit(known(QUESTION), [QUESTION], [])
        for name in ("state.db", "state.db-wal"):
            shutil.copyfile(public_folder / name, left / name)
            (left / name).chmod(0o444)
    with as_nobody(), opened(left / "state.db") as found:
        assert not found.state.lasting
        [stored] = found.state.load()
        assert stored.parts == known(QUESTION).parts


def test_a_foreign_file_that_can_neither_be_moved_nor_read_costs_the_state_alone(public_folder: Path) -> None:
    path = public_folder / "state.db"
    path.write_bytes(b"not a database at all" * 1000)
    path.chmod(0o444)
    with as_nobody(), opened(path) as found:
        assert not found.state.lasting
        assert list(found.state.load()) == []
    assert aside(path) == []


def test_without_a_path_state_is_in_memory_and_counts_as_writable() -> None:
    with opened(None) as found:
        assert found.state.lasting
        assert found.metric("state_writable") == 1


def test_a_folder_that_may_not_be_entered_costs_the_state_alone(public_folder: Path) -> None:
    public_folder.chmod(0o700)
    with as_nobody(), opened(public_folder / "state.db") as found:
        assert not found.state.lasting
        assert found.metric("state_writable") == 0


def test_a_foreign_database_is_moved_aside_without_a_byte_of_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with opened(path) as found:
        assert found.log.events[0][2]["problem"] == "it belongs to another program"
    assert (tmp_path / aside(path)[0]).read_bytes() == before


def test_a_state_whose_tables_are_still_in_the_log_of_a_kill_is_ours(tmp_path: Path) -> None:
    path, left = tmp_path / "state.db", tmp_path / "left"
    left.mkdir()
    with opened(path) as found:
        found.state.commit(known(QUESTION), [QUESTION], [])
        for name in ("state.db", "state.db-wal"):
            shutil.copyfile(tmp_path / name, left / name)
    assert int.from_bytes((left / "state.db").read_bytes()[68:72], "big") == 0
    with opened(left / "state.db") as found:
        assert [stored.slug for stored in found.state.load()] == ["gh/acme/web"]
    assert aside(left / "state.db") == []


def test_a_table_whose_columns_have_other_names_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    opened(path).__enter__().state.close()
    with closing(sqlite3.connect(path)) as damaged:
        damaged.execute("ALTER TABLE project RENAME slug TO slag")
    with opened(path) as found:
        assert found.state.lasting
        assert list(found.state.load()) == []
    assert len(aside(path)) == 1
