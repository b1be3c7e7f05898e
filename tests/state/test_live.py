"""What is known of pipelines, across restarts: all of it in one commit with the ledger, or nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.counting.book import Changes
from exporter.counting.cells import Cell, Cells
from exporter.errors import StateError
from exporter.insights.questions import Question
from tests.knowledge.samples import NOW
from tests.state.making import (
    CELLS,
    DURATION,
    LIVE,
    NOW_LEDGER,
    OTHER,
    RUNNING,
    RUNS,
    WATCHED,
    change,
    damaged,
    known,
    opened,
    rows_of,
)

if TYPE_CHECKING:
    from exporter.knowledge.snapshots import Snapshot
    from exporter.runs.live import Live
    from tests.conftest import Place
    from tests.state.making import Opened

SLUG = "gh/acme/web"
ANEW = NOW_LEDGER.shown_anew(NOW)
DAY = 86_400
AT = int(NOW)
EVERYTHING = Changes(
    whole=True,
    runs={"build": {1: (AT, True), 2: (AT, False)}},
    jobs={11: (AT, True), 12: (AT - 60, False)},
    pipelines=dict(LIVE.pipelines),
    cells=dict(CELLS),
)


@pytest.fixture
def path(place: Place) -> Place:
    """A state file in which something is known of pipelines."""
    with opened(place) as found:
        found.state.commit_counts(snapshot(), EVERYTHING)
    return place


def snapshot(live: Live | None = LIVE) -> Snapshot:
    return replace(known(ledger=NOW_LEDGER), live=live)


def load(found: Opened) -> Live | None:
    [stored] = found.state.load()
    return stored.live


def jobs(found: Opened) -> set[int]:
    return found.state.known_jobs(SLUG, [11, 12, 13])


def test_what_was_committed_is_there_at_the_next_start(path: Place) -> None:
    with opened(path) as found:
        [stored] = found.state.load()
        assert stored.live == LIVE
        assert stored.ledger == NOW_LEDGER
        assert found.state.known(SLUG, "build", [1, 2, 3]) == {1: True, 2: False}
        assert jobs(found) == {11, 12}
        assert found.state.known_jobs("gh/acme/api", [11]) == set()
        assert found.state.resume(SLUG, 300.0) == (ANEW, LIVE)


def test_only_what_changed_is_written_and_what_went_is_deleted(path: Place) -> None:
    grown = Cell(4, NOW - 90, NOW)
    looked = replace(WATCHED, looked_at=NOW)
    live = replace(LIVE, listed_at=NOW, pipelines={"p1": looked})
    gone = dict.fromkeys(CELLS.keys() - {RUNS})
    with opened(path) as found:
        changes = Changes(pipelines={"p1": looked, "p2": None}, cells={RUNS: grown, **gone}, jobs={13: (AT, True)})
        found.state.commit_counts(snapshot(live), changes)
    with opened(path) as found:
        [stored] = found.state.load()
        assert stored.live == live
        assert stored.ledger is not None
        assert stored.ledger.cells == Cells({RUNS: grown})
        assert jobs(found) == {11, 12, 13}


def test_credits_and_floors_reach_the_runs_of_their_workflow(path: Place) -> None:
    with opened(path) as found:
        changes = Changes(
            runs={"build": {3: (AT - 10 * DAY, True), 4: (AT - 10 * DAY, False)}},
            credited={"build": {2}},
            floors={"build": AT - DAY},
        )
        found.state.commit_counts(snapshot(), changes)
        assert found.state.known(SLUG, "build", [1, 2, 3, 4]) == {1: True, 2: True, 4: False}


def test_a_run_or_job_that_comes_again_is_remembered_as_it_was(path: Place) -> None:
    with opened(path) as found:
        again = Changes(runs={"build": {1: (AT, False), 5: (AT, True)}}, jobs={11: (AT + 5, True), 13: (AT, True)})
        found.state.commit_counts(snapshot(), again)
        assert found.state.known(SLUG, "build", [1, 5]) == {1: True, 5: True}
        assert jobs(found) == {11, 12, 13}


def test_jobs_that_stopped_before_the_lookback_are_forgotten_unless_their_pipeline_is_watched(path: Place) -> None:
    with opened(path) as found:
        found.now = NOW + 30 * DAY  # this machine's clock decides nothing
        live = replace(LIVE, floor=NOW + DAY - 30)  # by CircleCI's clock; jobs are kept for a day more
        found.state.commit_counts(snapshot(live), Changes(floors={"build": 0}))
        assert jobs(found) == {11, 12}
        found.state.commit_counts(snapshot(replace(live, pipelines={})), Changes(floors={"build": 0}))
        assert jobs(found) == {11}


def test_a_commit_that_fails_writes_nothing_at_all(path: Place) -> None:
    huge = replace(WATCHED, branch=rows_of("x").hex() * 100_000)
    changes = Changes(
        runs={"build": {9: (AT, True)}}, jobs={13: (AT, True)}, cells={RUNS: None}, pipelines={"p1": huge}
    )
    with opened(path) as found:
        found.fill()
        with pytest.raises(StateError, match="full"):
            found.state.commit_counts(snapshot(), changes)
        found.make_room()
    with opened(path) as found:
        assert load(found) == LIVE
        assert jobs(found) == {11, 12}
        assert found.state.known(SLUG, "build", [9]) == {}


def test_without_a_ledger_nothing_is_committed(path: Place) -> None:
    with opened(path) as found, pytest.raises(StateError):
        found.state.commit_counts(replace(snapshot(), ledger=None), Changes())


def test_a_run_that_would_be_counted_again_is_refused(path: Place) -> None:
    with opened(path) as found, pytest.raises(StateError):
        found.state.commit_counts(snapshot(), Changes(runs={"build": {1: (AT, True)}}, counted={1}, cells={RUNS: None}))
    with opened(path) as found:
        assert [stored.ledger for stored in found.state.load()] == [NOW_LEDGER]


def test_pipelines_that_are_switched_off_are_forgotten_and_the_ledger_stays(path: Place) -> None:
    with opened(path) as found:
        found.state.forget_live(SLUG)
        found.state.forget_live("gh/acme/api")
        assert load(found) is None
        assert jobs(found) == set()
        assert found.state.resume(SLUG, 300.0) == (ANEW, None)


@pytest.mark.parametrize(("away", "there"), [(299.0, True), (301.0, False)])
def test_a_project_that_was_away_for_longer_than_a_poll_starts_anew(path: Place, away: float, there: bool) -> None:
    with opened(path) as found:
        found.state.forget([SLUG])
        assert load(found) is None
        found.now += away
        assert found.state.resume(SLUG, 300.0) == (
            (replace(NOW_LEDGER, cells=NOW_LEDGER.cells.shown_anew(found.now)), LIVE) if there else (None, None)
        )
        assert jobs(found) == ({11, 12} if there else set())


def test_nothing_of_this_machine_s_times_is_later_than_now(path: Place) -> None:
    with opened(path) as found:
        found.now = now = NOW - 1000
        [stored] = found.state.load()
    live = stored.live
    assert live is not None
    assert stored.ledger is not None
    assert (live.began, live.newest_at, live.listed_at) == (LIVE.began, LIVE.newest_at, now)
    assert (live.pipelines["p1"].looked_at, live.pipelines["p2"].settled_at) == (now, now)
    assert live.pipelines["p1"].runs == (RUNNING,)
    assert {(cell.born, cell.grown_at) for cell in stored.ledger.cells.values.values()} == {(now, now)}


# Damage


CASES: list[tuple[str, str, Any]] = [
    ("live", "UPDATE live SET facts = ?", "{"),
    ("live", "UPDATE live SET facts = ?", '{"began":"yesterday"}'),
    ("pipeline", "UPDATE pipeline SET facts = ? WHERE id = 'p1'", "[]"),
    ("pipeline", "UPDATE pipeline SET facts = replace(facts, 'p1', ?) WHERE id = 'p1'", "p3"),
    ("pipeline", "UPDATE pipeline SET facts = ? WHERE id = 'p1'", b"\xff"),
    ("pipeline", "UPDATE pipeline SET id = ? WHERE id = 'p1'", b"\xff"),
    ("counter", "UPDATE cell SET facts = ? WHERE family LIKE '%job_run_duration%'", "7"),
    ("counter", "UPDATE cell SET labels = ? WHERE family LIKE '%job_run_duration%'", '["main",7]'),
    ("counter", "UPDATE cell SET labels = ? WHERE family LIKE '%job_run_duration%'", '["\\ud800"]'),
    (
        "counter",
        "UPDATE cell SET facts = replace(facts, '[1,0,0]', ?) WHERE family LIKE '%job_run_duration%'",
        "[1,0,0,0]",
    ),
    (
        "counter",
        "UPDATE cell SET facts = replace(facts, '\"sum\":1.5', ?) WHERE family LIKE '%job_run_dur%'",
        '"sum":1e999',
    ),
]


@pytest.mark.parametrize(("kind", "statement", "value"), CASES)
def test_a_damaged_record_is_dropped_alone_and_counted(path: Place, kind: str, statement: str, value: object) -> None:
    if not change(path, statement, value):
        return  # the database holds no such damage
    with opened(path) as found:
        live = load(found)
        assert damaged(found) == {kind: 1}
        if kind == "live":
            assert live is None
            assert jobs(found) == set()
        elif kind == "pipeline":
            assert live == replace(LIVE, pipelines={"p2": OTHER})
        else:
            assert live == LIVE
        kept = {key: cell for key, cell in CELLS.items() if key != DURATION or kind != "counter"}
        assert [stored.ledger for stored in found.state.load()] == [replace(NOW_LEDGER, cells=Cells.of(kept))]
    with opened(path) as found:
        load(found)
        assert damaged(found) == {}


def test_pipelines_that_are_switched_off_while_the_disk_is_full_are_forgotten_once_there_is_room(path: Place) -> None:
    with opened(path) as found:
        found.fill()
        question = Question("workflows", "/insights/{slug}/workflows", "gh/acme/api")
        large = known(question, slug="gh/acme/api", rows=rows_of(os.urandom(500_000).hex()))
        found.state.commit(large, [question], [])
        assert found.metric("state_writable") == 0
        found.state.forget_live(SLUG)
        found.make_room()
        assert found.state.resume(SLUG, 300.0) == (ANEW, None)
