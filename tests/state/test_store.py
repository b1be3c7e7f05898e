from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.counting.book import Changes
from exporter.counting.cells import Cell, Key
from exporter.counting.ledger import BranchFacts
from exporter.errors import StateError, Stopped
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Part
from exporter.state import Stored
from tests.counting.making import ledger as read_ledger
from tests.counting.making import polled, run
from tests.knowledge.samples import FACTS, NOW
from tests.state.making import BEFORE, OUTCOMES, ROWS, SERVER, known, opened, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Place
    from tests.state.making import Opened

SLUG = "gh/acme/web"
FIRST, SECOND, THIRD = (
    Question("jobs", "/insights/{slug}/workflows/{workflow}/jobs", SLUG, name, (("branch", "main"),)) for name in "abc"
)
LEDGER = polled(polled(read_ledger(), run(1)), run(2, "failed", "develop"), at=NOW)
ANEW = LEDGER.shown_anew(NOW)


@pytest.fixture
def path(place: Place) -> Place:
    return place


def stored(path: Place, server: str = SERVER) -> list[Stored]:
    with opened(path, server) as found:
        return list(found.state.load())


# Gauges


def test_what_was_committed_is_there_at_the_next_start(path: Place) -> None:
    snapshot = known(FIRST, SECOND)
    with opened(path) as found:
        found.state.commit(snapshot, [FIRST, SECOND], [])
    assert stored(path) == [Stored(SLUG, FACTS, snapshot.parts, OUTCOMES, NOW)]


def test_a_commit_writes_what_changed_and_deletes_what_went(path: Place) -> None:
    with opened(path) as found:
        found.state.commit(known(FIRST, SECOND), [FIRST, SECOND], [])
        after = known(FIRST, THIRD, rows=rows_of("newer"))
        found.state.commit(replace(after, polled_at=None, facts=None), [THIRD], [SECOND])
    [project] = stored(path)
    assert project.parts[THIRD].rows == rows_of("newer")
    assert project.parts[FIRST].rows == ROWS
    assert project.parts.keys() == {FIRST, THIRD}
    assert (project.polled_at, project.facts) == (None, None)


def test_an_answer_that_only_was_checked_again_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    def log_size() -> int:
        return path.with_name("state.db-wal").stat().st_size

    large = known(FIRST, rows=rows_of(os.urandom(200_000).hex()))
    large = replace(large, parts={FIRST: replace(large.parts[FIRST], checked_at=NOW + 0.25)})
    with opened(path) as found:
        found.state.commit(large, [FIRST], [])
        before = log_size()
        assert before > 200_000
        checked = replace(large.parts[FIRST], checked_at=NOW + 0.5)
        found.state.commit(replace(large, parts={FIRST: checked}), [FIRST], [])
        assert log_size() - before < 50_000
        found.now = NOW + 1
        assert [project.parts for project in found.state.load()] == [{FIRST: checked}]


def test_only_the_projects_that_are_asked_for_are_read(path: Place) -> None:
    with opened(path) as found:
        found.state.commit(known(FIRST), [FIRST], [])
        found.state.commit(known(slug="gh/acme/api"), [], [])
        assert sorted(found.state.slugs()) == ["gh/acme/api", SLUG]
        assert [project.slug for project in found.state.load([SLUG, "gh/acme/unknown"])] == [SLUG]


def test_another_server_of_the_same_file_sees_nothing_of_it(path: Place) -> None:
    with opened(path) as found:
        found.state.commit(known(FIRST), [FIRST], [])
    assert stored(path, "https://circleci.example.com/api/v2") == []
    assert len(stored(path)) == 1


def test_a_forgotten_project_is_gone(path: Place) -> None:
    with opened(path) as found:
        found.state.commit(known(FIRST), [FIRST], [])
        found.state.commit(known(slug="gh/acme/api"), [], [])
        found.state.forget([SLUG, "gh/acme/never-known"])
    assert [project.slug for project in stored(path)] == ["gh/acme/api"]


@pytest.mark.parametrize("up", [True, False])
def test_whether_the_api_answered_is_told_again_at_the_next_start(path: Place, up: bool) -> None:
    with opened(path) as first:
        assert first.metric("up") is None
        first.telemetry.api_up(up)
        first.state.commit(known(FIRST), [FIRST], [])
    with opened(path) as second:
        second.state.show_up()
        assert second.metric("up") == int(up)
    with opened(path, server="https://circleci.example.com/api/v2") as another:
        another.state.show_up()
        assert another.metric("up") is None


def test_nothing_of_gauges_is_kept_in_memory_alone() -> None:
    with opened(None) as found:
        found.state.commit(known(FIRST), [FIRST], [])
        assert list(found.state.load()) == []


def test_a_full_disk_costs_nothing_once_there_is_room(path: Place) -> None:
    big = known(FIRST, SECOND, rows=rows_of(os.urandom(20_000).hex()))
    with opened(path) as found:
        found.state.commit(known(FIRST, THIRD), [FIRST, THIRD], [])
        found.fill()
        found.state.commit(big, [FIRST], [THIRD])
        found.state.commit(big, [SECOND], [])
        assert found.metric("state_writable") == 0
        assert found.log.told() == [f"{found.name} cannot be written; values are served from memory until then"]
        found.make_room()
        found.state.commit(known(slug="gh/acme/api"), [], [])
        assert found.metric("state_writable") == 1
        assert found.log.told()[1:] == [f"{found.name} can be written again"]
    assert {project.slug: project.parts for project in stored(path)} == {SLUG: big.parts, "gh/acme/api": {}}


def test_a_project_that_could_not_be_written_is_written_in_whole_at_its_next_poll(path: Place) -> None:
    big = known(FIRST, SECOND, rows=rows_of(os.urandom(20_000).hex()))
    with opened(path) as found:
        found.fill()
        found.state.commit(big, [FIRST, SECOND], [])
        found.make_room()
        found.state.commit(big, [], [])
    assert stored(path)[0].parts == big.parts


def test_what_is_owed_stays_owed_while_only_small_writes_succeed(path: Place) -> None:
    big = known(FIRST, rows=rows_of(os.urandom(500_000).hex()))
    with opened(path) as found:
        found.state.commit(known(slug="gh/acme/api"), [], [])
        found.fill()
        found.state.commit(big, [FIRST], [])
        found.state.commit(known(slug="gh/acme/api"), [], [])
        assert found.metric("state_writable") == 0
        found.make_room()
        found.state.forget(["gh/acme/api"])
    assert [project.slug for project in stored(path)] == [SLUG]


def test_many_threads_commit_at_once(path: Place) -> None:
    slugs = [f"gh/acme/{number}" for number in range(20)]
    with opened(path) as found:
        threads = [
            threading.Thread(target=found.state.commit, args=(known(FIRST, slug=slug), [FIRST], [])) for slug in slugs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {project.slug for project in stored(path)} == set(slugs)


def test_what_comes_after_the_end_is_not_kept_and_is_no_failure(path: Place) -> None:
    with opened(path) as found:
        found.state.close()
        found.state.commit(known(FIRST), [FIRST], [])
        found.state.forget([SLUG])
        with pytest.raises(Stopped):
            found.state.commit_counts(known(ledger=LEDGER), Changes(whole=True))
        assert found.log.told() == []
    assert stored(path) == []


# Runs


def remember(found: Opened, *keys: int, whole: bool = True, workflow: str = "build") -> None:
    runs = {workflow: {key: (NOW_SECONDS + key, True) for key in keys}}
    cells: dict[Key, Cell | None] = dict(LEDGER.cells.values)
    found.state.commit_counts(known(ledger=LEDGER), Changes(whole=whole, runs=runs, counted=set(keys), cells=cells))


NOW_SECONDS = int(NOW)


def test_a_ledger_and_the_runs_that_it_counted_are_there_at_the_next_start(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1, 2, -(2**63))
        assert set(found.state.known(SLUG, "build", [1, 3, -(2**63)])) == {1, -(2**63)}
    with opened(path) as found:
        assert [project.ledger for project in found.state.load()] == [LEDGER]
        assert set(found.state.known(SLUG, "build", [1, 2, 3])) == {1, 2}


def test_keys_belong_to_their_workflow_and_project(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        assert set(found.state.known(SLUG, "deploy", [1])) == set()
        assert set(found.state.known("gh/acme/api", "build", [1])) == set()


def test_only_the_workflows_that_were_read_are_written_unless_all_are_asked_for(path: Place) -> None:
    other = replace(LEDGER.workflows["build"], floor=7)
    both = replace(LEDGER, workflows={**LEDGER.workflows, "deploy": other})
    with opened(path) as found:
        found.state.commit_counts(known(ledger=both), Changes(whole=True))
        changed = replace(both, workflows=dict.fromkeys(both.workflows, replace(other, floor=8)))
        found.state.commit_counts(known(ledger=changed), Changes(workflows={"build"}))
    [project] = stored(path)
    assert project.ledger is not None
    assert {name: workflow.floor for name, workflow in project.ledger.workflows.items()} == {"build": 8, "deploy": 7}


def test_a_workflow_that_the_ledger_no_longer_has_is_forgotten_with_its_runs(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        found.state.commit_counts(known(ledger=replace(LEDGER, workflows={})), Changes(whole=True))
        remember(found)
        assert set(found.state.known(SLUG, "build", [1])) == set()


def test_runs_created_before_the_floor_are_forgotten(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1, 2, 3)
        changes = Changes(runs={"build": {4: (0, True)}}, floors={"build": NOW_SECONDS + 2})
        found.state.commit_counts(known(ledger=LEDGER), changes)
        assert set(found.state.known(SLUG, "build", [1, 2, 3, 4])) == {2, 3}


def test_a_commit_of_runs_that_fails_writes_nothing_and_says_so(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        found.fill()
        huge = replace(LEDGER.workflows["build"], branches={"main" * 10_000: BranchFacts(0)})
        with pytest.raises(StateError, match="disk is full"):
            found.state.commit_counts(
                known(ledger=replace(LEDGER, workflows={"build": huge})),
                Changes(whole=True, runs={"build": {2: (2, True)}}),
            )
        assert found.metric("state_writable") == 0
        found.state.forget(())
        found.state.stop_counting()
        assert found.metric("state_writable") == 0, "nothing was written"
        assert set(found.state.known(SLUG, "build", [1, 2])) == {1}
        found.make_room()
        remember(found, 2)
        assert found.metric("state_writable") == 1
    assert stored(path)[0].ledger == LEDGER


def test_a_run_cannot_be_remembered_twice(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        with pytest.raises(StateError):
            remember(found, 1)


def test_what_gauges_still_owe_does_not_fail_a_commit_of_runs(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        found.fill()
        found.state.commit(known(FIRST, slug="gh/acme/api", rows=rows_of(os.urandom(500_000).hex())), [FIRST], [])
        found.state.commit_counts(known(ledger=LEDGER), Changes())
        assert found.metric("state_writable") == 0


def test_runs_are_not_counted_where_nothing_lasts(path: Place) -> None:
    with opened(path) as found:
        found.state._database.lasting = False
        with pytest.raises(StateError, match="could not be opened for writing"):
            remember(found, 1)
        with pytest.raises(StateError):
            found.state.commit_counts(known(), Changes(whole=True))


def test_runs_are_remembered_in_memory_as_in_a_file() -> None:
    with opened(None) as found:
        remember(found, 1)
        assert set(found.state.known(SLUG, "build", [1, 2])) == {1}
        assert found.state.resume(SLUG, 300.0) == (ANEW, None)


@pytest.mark.parametrize(("away", "there"), [(299.0, True), (301.0, False)])
def test_a_project_that_was_away_for_longer_than_a_poll_starts_anew(path: Place, away: float, there: bool) -> None:
    with opened(path) as found:
        remember(found, 1)
        found.state.commit(known(FIRST), [FIRST], [])
        found.state.forget([SLUG])
        assert [(project.ledger, project.parts) for project in found.state.load()] == [(None, {})]
        found.now += 100.0
        found.state.forget([SLUG])  # as each start without the project does
        found.state.commit(known(FIRST), [FIRST], [])  # the gauges' poll may well come first
        found.now += away - 100.0
        assert found.state.resume(SLUG, 300.0)[0] == (LEDGER.shown_anew(found.now) if there else None)
        assert set(found.state.known(SLUG, "build", [1])) == ({1} if there else set())
        assert [project.ledger for project in found.state.load()] == [LEDGER if there else None]


def test_a_ledger_is_not_kept_for_ever_after_its_project_went(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        found.state.forget([SLUG])
        found.now += 2 * 86_400.0
        found.state.forget(["gh/acme/api"])
        found.state.commit(known(slug="gh/acme/api"), [], [])
        found.state.forget(["gh/acme/api"])
        assert list(found.state._connection.execute("SELECT count(*) FROM run")) == [(0,)]


def test_a_project_that_never_counted_has_nothing_to_resume(path: Place) -> None:
    with opened(path) as found:
        assert found.state.resume(SLUG, 300.0) == (None, None)
        found.state.commit(known(FIRST), [FIRST], [])
        assert found.state.resume(SLUG, 300.0) == (None, None)


def test_parts_and_ledger_do_not_touch_each_other(path: Place) -> None:
    with opened(path) as found:
        found.state.commit(known(FIRST), [FIRST], [])
        remember(found, 1)
        found.state.commit(known(SECOND), [SECOND], [FIRST])
    [project] = stored(path)
    assert project.ledger == LEDGER
    assert project.parts == {SECOND: Part(ROWS, NOW, NOW - 1, BEFORE, "basis", 2)}


def test_that_counting_stopped_while_the_disk_was_full_is_noted_once_there_is_room(path: Place) -> None:
    with opened(path) as found:
        remember(found, 1)
        found.fill()
        found.state.commit(known(FIRST, slug="gh/acme/api", rows=rows_of(os.urandom(500_000).hex())), [FIRST], [])
        found.state.stop_counting(SLUG)
        assert found.metric("state_writable") == 0
        found.make_room()
        found.now += 301.0
        assert found.state.resume(SLUG, 300.0) == (None, None)
        assert not found.state.known(SLUG, "build", [1])
        assert found.metric("state_writable") == 1
