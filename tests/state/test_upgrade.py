"""State files of other versions: an upgrade keeps every count, and what a newer version adds is passed over."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.counting.book import Changes
from exporter.counting.cells import Cell, Cells, Distribution, Key
from exporter.counting.ledger import BranchFacts, Ledger, Newest, WorkflowLedger
from exporter.errors import StartError
from exporter.state import Stored, run_tables, versions
from exporter.state.documents import document
from exporter.state.versions import VERSIONS
from tests.knowledge.samples import FACTS, NOW
from tests.state.making import BEFORE, NOW_LEDGER, ROWS, SERVER, damaged, known, opened, whole

if TYPE_CHECKING:
    from pathlib import Path

SLUG = "gh/acme/web"
AT = int(NOW)
VERSION_1 = """
CREATE TABLE server (url TEXT PRIMARY KEY, up INTEGER NOT NULL);
CREATE TABLE project (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        slug TEXT NOT NULL,
        facts TEXT,
        outcomes TEXT NOT NULL,
        polled_at REAL,
        UNIQUE (server, slug));
CREATE TABLE part (
        project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
        question TEXT NOT NULL,
        checked_at REAL NOT NULL,
        answered_at REAL NOT NULL,
        basis TEXT NOT NULL,
        follow_ups INTEGER NOT NULL,
        answer BLOB NOT NULL,
        previous BLOB NOT NULL,
        UNIQUE (project, question));
CREATE TABLE ledger (
        project INTEGER PRIMARY KEY REFERENCES project ON DELETE CASCADE,
        facts TEXT NOT NULL,
        left_at REAL);
CREATE TABLE workflow (
        id INTEGER PRIMARY KEY,
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        name TEXT NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (project, name));
CREATE TABLE run (
        workflow INTEGER NOT NULL REFERENCES workflow ON DELETE CASCADE,
        key INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (workflow, key)) WITHOUT ROWID;
PRAGMA application_id = 0x43494558;
PRAGMA user_version = 1;
"""
BRANCH: dict[str, Any] = {
    "counted": [[1, 2, 0], {"success": 3}, 61.5, 7],
    "seen": AT,
    "held": [[0, 1, 0], {"failed": 1}, 70, 2],
    "fresh": False,
    "last": [NOW, AT, -5, 30],
    "verdict": [NOW, AT, -5, 1],
}
WORKFLOW: dict[str, Any] = {
    "since": AT - 9,
    "floor": AT - 8,
    "baseline": False,
    "polled_at": NOW,
    "swept_at": NOW,
    "newest": AT,
    "unlisted_at": None,
    "series": {"main": BRANCH},
}
LEDGER = {"began": AT - 9, "names_at": NOW, "bounds": [60.0, 600.0], "invented": ["lost"]}


NEWEST = Newest(NOW, AT, -5, 30)
COUNTED = WorkflowLedger(
    AT - 9,
    AT - 8,
    polled_at=NOW,
    swept_at=NOW,
    newest=AT,
    branches={"main": BranchFacts(AT, last=NEWEST, verdict=replace(NEWEST, value=1))},
)
BOUNDS = (60.0, 600.0)
CELLS = {
    Key("circleci_workflow_runs_total", ("main", "success", "build")): Cell(3, 0.0, AT),
    Key("circleci_workflow_runs_total", ("main", "failed", "build")): Cell(0, 0.0, AT, held=1),
    Key("circleci_workflow_run_duration_seconds", ("main", "build")): Cell(
        Distribution(BOUNDS, (1, 2, 0), 61.5), 0.0, AT, held=Distribution(BOUNDS, (0, 1, 0), 70)
    ),
    Key("circleci_workflow_run_credits_total", ("main", "build")): Cell(7, 0.0, AT, held=2),
}
KEPT = Ledger(AT - 9, NOW, {"build": COUNTED}, ("lost",), cells=Cells.of(CELLS))


def read_workflow(written: str) -> WorkflowLedger:
    return run_tables._workflow("build", written)


TABLES = "SELECT sql FROM sqlite_master WHERE type = 'table'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of version 1, with one project, one workflow and two runs that were counted."""
    path = tmp_path / "state.db"
    outcome = {"runs": {"success": True, "duration": 1, "finished_at": NOW, "last_success": NOW}}
    facts = {name: getattr(FACTS, name) for name in ("default_branch", "project_name", "organization", "provider")}
    question = json.dumps(["jobs", "/insights/{slug}/workflows/{workflow}/jobs", SLUG, "a", [["branch", "main"]]])
    with closing(sqlite3.connect(path)) as file:
        file.executescript(VERSION_1)
        with file:
            file.execute("INSERT INTO server VALUES (?, 1)", (SERVER,))
            file.execute(
                "INSERT INTO project VALUES (1, ?, ?, ?, ?, ?)",
                (SERVER, SLUG, json.dumps({**facts, "asked_at": NOW}), json.dumps(outcome), NOW),
            )
            part = (1, question, NOW, NOW - 1, "basis", 2, ROWS, BEFORE)
            file.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?)", part)
            file.execute("INSERT INTO ledger VALUES (1, ?, NULL)", (json.dumps(LEDGER),))
            file.execute("INSERT INTO workflow VALUES (1, 1, 'build', ?)", (json.dumps(WORKFLOW),))
            file.executemany("INSERT INTO run VALUES (1, ?, ?)", [(1, AT), (2, AT)])
    return path


def test_an_upgrade_keeps_all_that_was_known_and_counted(path: Path) -> None:
    for _ in range(2):
        with opened(path) as found:
            [stored] = found.state.load()
            assert found.log.told() == []
            assert stored.facts == FACTS
            assert [(part.rows, part.previous) for part in stored.parts.values()] == [(ROWS, BEFORE)]
            assert stored.outcomes["runs"].success
            assert stored.ledger == KEPT
            assert set(found.state.known(SLUG, "build", [1, 2, 3])) == {1, 2}
            assert all(found.state.known(SLUG, "build", [1, 2, 3]).values())
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (versions.VERSION,)


def test_an_upgrade_that_does_not_get_to_its_end_has_changed_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE cell (theirs)")  # stands in the way of the last statements
        before = list(file.iterdump())
    with opened(path) as found:
        assert found.log.told() == ["the state file cannot be used and was moved aside"]
    [aside] = [each for each in path.parent.iterdir() if ".corrupt-" in each.name]
    with closing(sqlite3.connect(aside)) as file:
        assert list(file.iterdump()) == before
        assert file.execute("PRAGMA user_version").fetchone() == (1,)


def test_an_upgrade_makes_the_tables_that_a_new_file_has(path: Path, tmp_path: Path) -> None:
    tables = []
    for each in (path, tmp_path / "new.db"):
        opened(each).__enter__().state.close()
        with closing(sqlite3.connect(each)) as file:
            tables.append({" ".join(sql.split()) for (sql,) in file.execute(TABLES)})
    assert tables[0] == tables[1]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("number", [-1, 0, 1, 2, 3, 6, 18, 130, 255, 256, 2**31 - 1])
def test_a_damaged_version_costs_nothing(path: Path, version: int, number: int) -> None:
    with closing(sqlite3.connect(path)) as file:
        for newer in range(2, version + 1):
            versions._run(file, VERSIONS[newer].upgrade)
        file.commit()
        file.execute(f"PRAGMA user_version = {number}")
    expected = {} if number == version else {"version": 1}
    with opened(path) as found:
        assert [stored.ledger for stored in found.state.load()] == [KEPT]
        assert damaged(found) == expected
        assert found.log.told() == ["the damaged version of the state file was repaired"] * len(expected)
        assert set(found.state.known(SLUG, "build", [1, 2, 3])) == {1, 2}
    with opened(path) as found:
        assert damaged(found) == {}
        assert len(list(found.state.load())) == 1


@pytest.mark.parametrize("number", [0, -1, 256, 2**31 - 1])
def test_tables_of_no_version_and_a_number_of_none_are_moved_aside(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE run ADD COLUMN theirs")
        file.execute(f"PRAGMA user_version = {number}")
    with opened(path) as found:
        assert found.log.events[0][2]["problem"] == f"its version is {number}"
        assert list(found.state.load()) == []


@pytest.mark.parametrize("number", [99, 255])
def test_a_newer_version_with_another_column_is_left_as_it_is(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE run ADD COLUMN newer")
        file.execute(f"PRAGMA user_version = {number}")
        before = list(file.iterdump())
    with pytest.raises(StartError, match=f"has version {number}"):
        opened(path).__enter__()
    with closing(sqlite3.connect(path)) as file:
        assert list(file.iterdump()) == before
        assert file.execute("PRAGMA user_version").fetchone() == (number,)


def test_what_a_newer_version_adds_to_a_workflow_of_the_first_is_passed_over(path: Path) -> None:
    more = [*BRANCH["counted"], 5], [*BRANCH["last"], "id"]
    branch = {**BRANCH, "queue": [1, 2], "counted": more[0], "last": more[1]}
    with closing(sqlite3.connect(path)) as file, file:
        written = json.dumps({**WORKFLOW, "owner": "a team", "series": {"main": branch}})
        file.execute("UPDATE workflow SET facts = ?", (written,))
    with opened(path) as found:
        assert [stored.ledger for stored in found.state.load()] == [KEPT]


def test_what_a_newer_version_adds_to_a_record_of_today_is_passed_over() -> None:
    written = json.loads(document(COUNTED)) | {"owner": "a team"}
    for record in (written["branches"]["main"], written["branches"]["main"]["last"]):
        record["newer"] = {"a": []}
    assert read_workflow(json.dumps(written)) == COUNTED


def test_what_an_older_version_did_not_have_has_its_default() -> None:
    assert read_workflow('{"since":5}') == WorkflowLedger(5)
    assert read_workflow('{"since":5,"branches":{"main":{"seen":4}}}').branches == {"main": BranchFacts(4)}


@pytest.mark.parametrize("facts", ["{", "[]", '{"since":1,"series":7}', '{"since":1,"series":{"main":[]}}'])
def test_a_damaged_workflow_of_an_older_version_costs_itself_alone(path: Path, facts: str) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("INSERT INTO workflow VALUES (2, 1, 'deploy', ?)", (facts,))
    with opened(path) as found:
        [stored] = found.state.load()
        assert stored.ledger is not None
        assert stored.ledger.workflows["build"] == COUNTED
        assert stored.ledger.cells == KEPT.cells


# Times


def test_no_stored_time_is_read_as_later_than_now(path: Path) -> None:
    with opened(path) as found:
        ledger = Ledger(
            AT + 100,
            NOW + 100,
            {
                "build": replace(
                    COUNTED,
                    since=AT + 100,
                    floor=AT + 100,
                    polled_at=NOW + 100,
                    swept_at=NOW + 100,
                    unlisted_at=NOW + 100,
                )
            },
        )
        found.state.commit_counts(known(ledger=ledger), whole(ledger))
        found.now = NOW - 1000
        [stored] = found.state.load()
    now = NOW - 1000
    assert stored.ledger is not None
    assert {cell.grown_at for cell in stored.ledger.cells.values.values()} == {now}
    assert replace(stored, ledger=replace(stored.ledger, cells=Cells())) == Stored(
        SLUG,
        replace(FACTS, asked_at=now),
        {question: replace(part, checked_at=now, answered_at=now) for question, part in stored.parts.items()},
        {"workflows": replace(known().outcomes["workflows"], finished_at=now, last_success=now)},
        now,
        Ledger(
            int(now),
            now,
            {"build": replace(COUNTED, since=int(now), floor=int(now), polled_at=now, swept_at=now, unlisted_at=now)},
        ),
    )
    assert len(stored.parts) == 1


def test_a_project_that_was_taken_out_by_a_clock_ahead_is_as_if_it_went_now(path: Path) -> None:
    with opened(path) as found:
        found.now = NOW + 1000
        found.state.forget([SLUG])
        found.now = NOW
        ledger, _ = found.state.resume(SLUG, 300.0)
        assert ledger is not None


# Credits that come later


def test_runs_whose_credits_have_not_come_are_told_apart_until_they_have(path: Path) -> None:
    with opened(path) as found:
        runs = {"build": {3: (AT, True), 4: (AT, False)}}
        found.state.commit_counts(known(ledger=NOW_LEDGER), Changes(whole=True, runs=runs))
        assert found.state.known(SLUG, "build", [1, 3, 4]) == {1: True, 3: True, 4: False}
        found.state.commit_counts(known(ledger=NOW_LEDGER), Changes(credited={"build": {4}}))
        assert found.state.known(SLUG, "build", [1, 3, 4]) == {1: True, 3: True, 4: True}


def test_a_run_without_its_credits_is_remembered_as_long_as_circleci_has_it(path: Path) -> None:
    day = 86_400
    with opened(path) as found:
        runs = {"build": {3: (AT - 80 * day, True), 4: (AT - 80 * day, False), 5: (AT - 91 * day, False)}}
        found.state.commit_counts(known(ledger=NOW_LEDGER), Changes(runs=runs, floors={"build": AT - day}))
        assert set(found.state.known(SLUG, "build", [1, 3, 4, 5])) == {1, 4}
