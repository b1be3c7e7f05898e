from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.counting.book import Changes
from tests.samples import NOW
from tests.state.making import LIVE, NOW_LEDGER, damaged, known, opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.state.making import Opened

SLUG, AT, DAY = "gh/acme/web", int(NOW), 86_400
KEYS = st.integers(-(2**63), 2**63 - 1)
RUNS = {-(2**63): AT, -1: AT - 5, 0: AT - DAY, 5: AT, 2**63 - 1: AT}
JOBS = {-5: AT, 2**40: AT - 60, 2**63 - 1: AT - 5}
SNAPSHOT = replace(known(ledger=NOW_LEDGER), live=LIVE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state that remembers runs of two workflows, and jobs."""
    path = tmp_path / "state.db"
    with opened(path) as found:
        runs = {"build": {key: (created_at, key != 5) for key, created_at in RUNS.items()}, "deploy": {8: (AT, True)}}
        found.state.commit_counts(SNAPSHOT, Changes(whole=True, runs=runs, jobs=dict(JOBS)))
    return path


def ledger_and_live(path: Path) -> tuple[bool, bool, dict[str, float]]:
    """Whether the two are there after a start, and what was damaged."""
    with opened(path) as found:
        [stored] = found.state.load()
        return stored.ledger is not None, stored.live is not None, damaged(found)


def test_what_was_written_is_what_is_read(path: Path) -> None:
    assert ledger_and_live(path) == (True, True, {})


@pytest.mark.parametrize("bit", [*range(0, 63, 6), 31, 32, 63])
@pytest.mark.parametrize("column", ["key", "created_at", "stopped_at"])
def test_any_changed_bit_of_a_key_or_a_time_is_found(path: Path, column: str, bit: int) -> None:
    mask = 1 << bit if bit < 63 else -(2**63)
    table, where = ("job", 2**40) if column == "stopped_at" else ("run", 5)
    with closing(sqlite3.connect(path)) as file, file:
        changed = f"UPDATE {table} SET {column} = ({column} | ?) - ({column} & ?) WHERE key = ?"  # noqa: S608  ours
        assert file.execute(changed, (mask, mask, where)).rowcount == 1
    assert ledger_and_live(path) == ((True, False, {"live": 1}) if table == "job" else (False, False, {"ledger": 1}))
    assert ledger_and_live(path)[2] == {}


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM run WHERE key = -1",
        "INSERT INTO run VALUES (1, 99, 5, 1)",
        "UPDATE run SET credited = 1 WHERE key = 5",
        "UPDATE run SET workflow = 2 WHERE key = 5",
        "UPDATE run SET workflow = 77 WHERE key = 5",
        "UPDATE run SET created_at = 'now' WHERE key = 5",
        "UPDATE run SET created_at = 9e300 WHERE key = 5",
        "DELETE FROM run_sums",
        "UPDATE run_sums SET low = 'much'",
    ],
)
def test_other_damage_to_remembered_runs_is_found(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute(change).rowcount
    assert ledger_and_live(path) == (False, False, {"ledger": 1})


def test_a_ledger_that_begins_anew_remembers_nothing_of_the_damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE run SET key = 6 WHERE key = 5")
    with opened(path) as found:
        list(found.state.load())
        assert found.state.known(SLUG, "build", RUNS) == {}
        without = replace(SNAPSHOT, live=None)
        found.state.commit_counts(without, Changes(whole=True, runs={"build": {1: (AT, True)}}))
    assert ledger_and_live(path) == (True, False, {})


Run = st.tuples(KEYS, st.integers(AT - 95 * DAY, AT), st.booleans())
Poll = st.tuples(st.lists(Run, max_size=5), st.integers(0, 100), st.booleans())


@settings(max_examples=60, deadline=None)
@given(polls=st.lists(Poll, max_size=8), bit=st.integers(0, 62), data=st.data())
def test_the_sums_follow_whatever_is_remembered_credited_and_forgotten(
    polls: list[tuple[list[tuple[int, int, bool]], int, bool]], bit: int, data: st.DataObject
) -> None:
    with opened(None) as found:
        seen: set[int] = set()
        for runs, days, live in polls:
            new = {key: (created, credited) for key, created, credited in runs if key not in seen}
            again = [key for key, _, _ in runs if key in seen]
            seen |= new.keys()
            poll(found, new, again, AT - days * DAY, live=live)
            assert intact(found)
        connection = found.state._connection
        rows = list(connection.execute("SELECT key FROM run"))
        if rows:
            [key] = data.draw(st.sampled_from(rows))
            other = key ^ (1 << bit)
            if (other,) not in rows:
                connection.execute("UPDATE run SET key = ? WHERE key = ?", (other, key))
                assert not intact(found)


def poll(found: Opened, new: dict[int, tuple[int, bool]], again: list[int], floor: int, *, live: bool) -> None:
    """One commit, of either kind of poll."""
    jobs = {key: created for key, (created, _) in new.items()} if live else {}
    changes = Changes(runs={"build": new}, credited={"build": set(again)}, floors={"build": floor}, jobs=jobs)
    found.state.commit_counts(SNAPSHOT if live else replace(SNAPSHOT, live=None), changes)


def intact(found: Opened) -> bool:
    before = damaged(found)
    list(found.state.load())
    return damaged(found) == before
