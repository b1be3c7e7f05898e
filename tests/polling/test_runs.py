from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from exporter.counting.book import Changes
from exporter.counting.ledger import WorkflowLedger
from exporter.errors import StateError, Stopped
from exporter.insights.collector import RUNS_POLL
from exporter.knowledge.snapshots import Snapshot
from exporter.runs.reading import key_of
from tests.campaigns.runs.counting import Counting, true_counters
from tests.knowledge.samples import project
from tests.running.engine import NOON, SLUG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0
BOUNDS = (30, 90, 120, 180, 240, 420, 600, 720, 1080, 1500, 2100, 3000, 4200, 6000, 9000, 14400)
RUNS = r"workflows/build\?"


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    found = Counting(tmp_path / "state.db")
    yield found
    found.close()
    found.circle.stop()


@pytest.fixture
def begun(counting: Counting) -> Counting:
    """With its first poll done, and `main` shown at 0."""
    counting.run()
    assert counting.poll(after=1)
    counting.asked()
    return counting


def begin(counting: Counting) -> Any:
    poll = counting.engine.begin(SLUG, RUNS_POLL)
    assert poll is not None
    return poll


def fill(counting: Counting) -> Any:
    """Make the disk full; returns what executes statements."""
    connection = counting.engine.state._connection
    [(pages,)] = connection.execute("PRAGMA page_count")
    list(connection.execute(f"PRAGMA max_page_count = {pages}"))
    return connection


# What is asked


def test_the_first_poll_asks_for_the_project_the_names_and_each_workflow_s_lookback(counting: Counting) -> None:
    counting.run(branch="feature", workflow="only on branches")
    counting.poll(after=1)
    assert [unquote(path) for path in counting.questions()] == [
        f"/project/{SLUG}?",
        f"/insights/{SLUG}/workflows?all-branches=true&reporting-window=last-90-days",
        f"/insights/{SLUG}/workflows/only on branches?all-branches=true&start-date=2026-09-18T14:13:20Z",
    ]
    assert counting.total("other branches", "only on branches") == 0


def test_one_request_a_workflow_when_nothing_is_new(begun: Counting) -> None:
    for _ in range(3):
        begun.poll()
        assert len(begun.asked()) == 1


def test_names_come_hourly_and_the_project_daily(begun: Counting) -> None:
    begun.poll(after=HOUR)
    assert len(begun.asked()) == 2
    begun.poll(after=DAY)
    assert len(begun.asked()) == 3


def test_the_start_date_is_the_last_committed_poll_less_the_lookback(begun: Counting) -> None:
    begun.run()
    begun.poll(after=0)
    begun.pass_time(10 * DAY)
    begun.run()
    begun.poll(after=0)
    assert begun.questions()[-1].endswith("start-date=2026-09-18T14%3A13%3A21Z")
    begun.run()
    begun.poll(after=100)
    assert begun.questions()[-1].endswith("start-date=2026-09-28T14%3A13%3A21Z")


def test_the_start_date_is_no_later_than_the_newest_run_less_the_lookback(begun: Counting) -> None:
    begun.poll(after=10 * DAY)
    begun.poll()
    assert begun.questions()[-1].endswith("start-date=2026-09-18T14%3A13%3A20Z")


def test_a_project_that_does_not_collect_runs_is_asked_for_none(begun: Counting) -> None:
    assert begun.engine.begin("gh/acme/unknown", RUNS_POLL) is None
    assert begun.engine.begin(SLUG, RUNS_POLL, missing_only=True) is None
    begun.engine.store.publish([Snapshot(project())], NOON)
    assert begun.engine.begin(SLUG, RUNS_POLL) is None


def test_while_no_workflow_is_known_each_poll_asks_for_the_names(counting: Counting) -> None:
    for _ in range(3):
        assert counting.poll()
        snapshot = counting.engine.store.get(SLUG)
        assert snapshot is not None
        assert snapshot.outcomes["runs"].last_success == counting.now
    assert counting.asked()[1:] == [f"/insights/{SLUG}/workflows"] * 3


# Exactly once


def test_runs_count_once_each_from_the_second_poll_on(begun: Counting) -> None:
    for number in range(1, 4):
        begun.run()
        begun.poll()
        begun.poll()
        assert begun.total() == number


def test_what_finished_by_the_first_good_poll_is_not_counted_whatever_its_times(counting: Counting) -> None:
    counting.run(created=NOON - DAY, stopped=NOON - HOUR)
    counting.run(created=NOON - 2 * DAY, stopped=NOON - 5)
    held = counting.run(status=None)
    counting.poll(after=1)
    assert counting.total() == 0
    counting.circle.organization.finish_run(held)
    counting.poll()
    assert counting.total() == 1


def test_a_run_that_is_shown_late_counts_though_it_finished_before_the_first_poll(begun: Counting) -> None:
    begun.run(created=NOON - HOUR, stopped=NOON - 1, shown=NOON + 200)
    begun.poll()
    assert begun.total() == 1


def test_a_first_poll_that_fails_is_not_the_first_good_one(counting: Counting) -> None:
    counting.run()
    counting.circle.fail("not_found", RUNS, times=1)
    assert not counting.poll(after=1)
    assert counting.total() is None
    counting.run()
    assert counting.poll()
    assert counting.total() == 0
    counting.run()
    counting.poll()
    assert counting.total() == 1


def test_a_workflow_that_appears_later_counts_from_its_first_run(begun: Counting) -> None:
    for _ in range(3):
        begun.run(workflow="deploy")
    begun.poll(after=HOUR)
    assert begun.total(workflow="deploy") == 0
    begun.poll()
    assert begun.total(workflow="deploy") == 3


def test_runs_that_finished_during_a_downtime_count_at_the_next_poll(begun: Counting) -> None:
    begun.restart()
    for day in range(1, 21):
        begun.run(created=NOON + day * DAY, stopped=NOON + day * DAY + 60)
    begun.pass_time(21 * DAY)
    begun.poll()
    assert begun.total() == 20


def test_a_restart_shows_what_was_shown_before_and_asks_nothing_for_it(begun: Counting) -> None:
    begun.run()
    begun.poll()
    before = begun.counted()
    begun.asked()
    begun.restart()
    assert begun.counted() == before
    assert begun.asked() == []


def test_what_was_held_survives_a_restart(begun: Counting) -> None:
    begun.run(branch="feature")
    begun.poll()
    assert begun.total("other branches") == 0
    begun.restart()
    assert begun.total("other branches") == 0
    begun.poll()
    assert begun.total("other branches") == 1


def test_what_is_held_back_is_shown_a_minute_later_and_costs_no_call(begun: Counting) -> None:
    kind = begun.engine.kinds[RUNS_POLL]
    begun.run(branch="feature")
    begun.poll()
    assert kind.interval(snapshot_of(begun)) == 60
    begun.asked()
    begun.poll(after=59)
    assert begun.total("other branches") == 0
    begun.poll(after=1)
    assert begun.total("other branches") == 1
    assert begun.asked() == []
    assert kind.interval(snapshot_of(begun)) == 300
    assert snapshot_of(begun).outcomes["runs"].finished_at == begun.now - 60
    begun.restart()
    assert begun.total("other branches") == 1


def test_what_cannot_be_committed_is_still_held_back_and_tried_again_after_an_interval(begun: Counting) -> None:
    kind = begun.engine.kinds[RUNS_POLL]
    begun.run(branch="feature")
    begun.poll()
    state, commit = begun.engine.state, begun.engine.state.commit_counts

    def full(*_: object) -> None:
        raise StateError("the disk is full")

    state.commit_counts = full  # type: ignore[assignment, method-assign]
    assert not begun.poll(after=60)
    assert begun.total("other branches") == 0
    assert kind.interval(snapshot_of(begun)) == 300
    state.commit_counts = commit  # type: ignore[method-assign]
    begun.poll()
    assert begun.total("other branches") == 1


def test_a_poll_asks_although_something_is_held_back_once_its_interval_is_over(begun: Counting) -> None:
    begun.run(branch="feature")
    begun.poll()
    begun.run()
    begun.poll(after=285)
    assert (begun.total(), begun.total("other branches")) == (1, 1)


def snapshot_of(counting: Counting) -> Snapshot:
    snapshot = counting.engine.store.get(SLUG)
    assert snapshot is not None
    return snapshot


def test_a_start_without_a_state_file_counts_from_0(begun: Counting, tmp_path: Path) -> None:
    begun.run()
    begun.poll()
    begun.restart(path=tmp_path / "new.db")
    begun.poll()
    assert begun.total() == 0
    begun.run()
    begun.poll()
    assert begun.total() == 1


def test_in_memory_runs_are_counted_as_well() -> None:
    counting = Counting(None)
    counting.run()
    counting.poll(after=1)
    counting.run()
    counting.poll()
    assert counting.total() == 1
    counting.close()
    counting.circle.stop()


@pytest.mark.parametrize("skew", [-40 * DAY, -2 * HOUR, 2 * HOUR, 40 * DAY])
def test_clocks_that_differ_lose_and_repeat_nothing(counting: Counting, skew: float) -> None:
    counting.now += skew
    counting.run()
    counting.poll(after=1)
    for number in range(1, 15):
        counting.run()
        counting.poll()
        assert counting.total() == number


@pytest.mark.parametrize("skew", [-40 * DAY, 0, 4 * DAY, 40 * DAY])
def test_a_clock_that_is_wrong_misses_no_workflow_that_appears_later(counting: Counting, skew: float) -> None:
    counting.now += skew
    assert counting.poll(after=1)  # the project has no run yet
    for number in range(1, 6):
        counting.run()
        counting.run(workflow=f"new {number}")
        assert counting.poll(after=HOUR)
        assert counting.poll()
        assert counting.total() == number
        assert counting.total(workflow=f"new {number}") == 1


@pytest.mark.parametrize("skew", [-40 * DAY, 0, 4 * DAY, 40 * DAY])
def test_a_clock_that_is_wrong_misses_no_run_of_a_workflow_that_had_none(counting: Counting, skew: float) -> None:
    counting.now += skew
    counting.run()
    counting.pass_time(10 * DAY)  # it is listed, and has no run within the lookback
    assert counting.poll(after=1)
    for number in range(1, 6):
        counting.run()
        assert counting.poll(after=HOUR)
        assert counting.poll()
        assert counting.total() == number


@pytest.mark.parametrize("skew", [4 * DAY, 40 * DAY])
def test_the_first_request_after_a_start_with_a_clock_that_is_ahead_counts_nothing_by_it(
    begun: Counting, skew: float
) -> None:
    snapshot = begun.engine.store.get(SLUG)
    assert snapshot is not None
    assert snapshot.ledger is not None
    workflows = {"build": WorkflowLedger(0, baseline=True)}  # what a damaged record becomes
    ledger = replace(snapshot.ledger, names_at=snapshot.ledger.names_at + skew, workflows=workflows)
    assert snapshot.facts is not None
    facts = replace(snapshot.facts, asked_at=snapshot.facts.asked_at + skew)
    begun.engine.state.commit_counts(replace(snapshot, facts=facts, ledger=ledger), Changes(whole=True))
    begun.run()
    begun.now += skew
    begun.restart()
    for number in (None, 0, 1, 2):
        begun.poll()
        assert begun.total() == number
        begun.run()


def test_a_clock_that_is_set_back_repeats_nothing(begun: Counting) -> None:
    begun.run(created=NOON - 4 * DAY, stopped=NOON)  # older than the first look
    begun.now -= 5 * DAY
    begun.run()
    begun.poll()
    assert begun.total() == 1
    begun.poll(after=HOUR)
    assert begun.total() == 1


def test_credits_of_a_run_that_was_counted_before_they_came_are_added_once(begun: Counting) -> None:
    key = key_of(begun.run(credits=24))
    snapshot = begun.engine.store.get(SLUG)
    assert snapshot is not None
    counted_elsewhere = Changes(runs={"build": {key: (int(begun.now), False)}})
    begun.engine.state.commit_counts(snapshot, counted_elsewhere)
    for _ in range(3):
        begun.poll()
        assert begun.total() == 0
        assert begun.counted()["build", "main"].credits == 24
    assert begun.engine.state.known(SLUG, "build", [key]) == {key: True}


def test_a_run_that_takes_longer_than_the_lookback_is_not_counted(begun: Counting) -> None:
    held = begun.run(status=None)
    for _ in range(5):
        begun.run()
        begun.poll(after=DAY)
    begun.circle.organization.finish_run(held)
    begun.poll(after=HOUR)
    assert begun.total() == 5


def test_equal_timestamps_are_different_runs(begun: Counting) -> None:
    for _ in range(5):
        begun.run(created=NOON, stopped=NOON)
    begun.poll()
    assert begun.total() == 5


# Pages


def test_reading_ends_at_a_page_of_known_finished_runs(counting: Counting) -> None:
    for _ in range(600):
        counting.run()
    counting.poll(after=1)
    assert len(counting.asked()) == 5
    counting.run()
    counting.poll()
    assert len(counting.asked()) == 2
    assert counting.total() == 1


def test_a_run_that_ends_late_is_found_by_the_sweep(counting: Counting) -> None:
    held = counting.run(status=None)
    for _ in range(300):
        counting.run()
    counting.poll(after=1)
    counting.circle.organization.finish_run(held)
    counting.poll()
    assert counting.total() == 0
    counting.poll(after=HOUR)
    assert counting.total() == 1


def test_pages_that_shift_while_they_are_read_repeat_and_lose_nothing(begun: Counting) -> None:
    for _ in range(700):
        begun.run()
    for page in range(3):
        more = [{"slug": SLUG, "workflow": "build"}] * 40
        begun.circle.fail("as_is", RUNS, times=1, after=page, runs=more)
    begun.poll()
    shifted = begun.total()
    assert shifted is not None
    assert shifted == 700
    begun.poll(after=HOUR)
    begun.poll(after=HOUR)
    assert begun.total() == 820


def test_a_failure_in_the_middle_counts_nothing_of_that_workflow_and_all_of_the_others(counting: Counting) -> None:
    for workflow in ("build", "deploy"):
        counting.run(workflow=workflow)
    counting.poll(after=1)
    for _ in range(300):
        counting.run()
        counting.run(workflow="deploy")
    counting.circle.fail("not_found", r"workflows/build\?.*page-token", times=1)
    assert not counting.poll()
    assert (counting.total(), counting.total(workflow="deploy")) == (0, 300)
    assert counting.failures() == {"not_found": 1}
    assert counting.poll()
    assert (counting.total(), counting.total(workflow="deploy")) == (300, 300)


def test_a_refused_token_ends_the_poll_at_once(begun: Counting) -> None:
    begun.run(workflow="deploy")
    begun.poll(after=HOUR)
    begun.asked()
    begun.circle.accept("another")
    for _ in range(3):
        assert not begun.poll()
    assert begun.asked() == [f"/insights/{SLUG}/workflows/build", "/me"]
    assert begun.failures() == {"unauthorized": 1}


@pytest.mark.parametrize("kind", ["items_object", "invalid_json", "html_200", "endless_pages", "deep"])
def test_an_answer_that_cannot_be_believed_counts_nothing(begun: Counting, kind: str) -> None:
    begun.run()
    begun.circle.fail(kind, RUNS)
    assert not begun.poll()
    assert begun.total() == 0
    begun.circle.heal()
    assert begun.poll()
    assert begun.total() == 1


def test_a_row_that_cannot_be_read_is_counted_and_costs_no_other(begun: Counting) -> None:
    begun.run()
    begun.run()
    begun.circle.fail("put", RUNS, times=1, path="items.0.created_at", value="yesterday")
    assert begun.poll()
    assert begun.total() == 1
    name, labels = "circleci_exporter_unreadable_fields_total", {"collector": "runs", "field": "created_at"}
    assert begun.engine.telemetry.registry.get_sample_value(name, labels) == 1
    begun.poll()
    assert begun.total() == 2


# The project and its names


def test_without_a_default_branch_the_first_poll_fails(counting: Counting) -> None:
    counting.run()
    counting.circle.fail("not_found", "/project/")
    assert not counting.poll(after=1)
    assert counting.failures() == {"not_found": 1}
    assert counting.total() is None


def test_the_last_known_default_branch_serves_while_it_cannot_be_asked_for(begun: Counting) -> None:
    begun.circle.fail("not_found", "/project/")
    begun.run()
    assert not begun.poll(after=DAY)
    assert begun.total() == 1


def test_a_project_without_a_default_branch_counts_under_other_branches(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "state.db", "default_branch: false, branches: [develop]")
    counting.circle.fail("put", "/project/", path="vcs_info.default_branch", value=None)
    counting.run()
    assert counting.poll(after=1)
    assert set(counting.counted()) == {("build", "other branches")}
    counting.close()
    counting.circle.stop()


def test_the_last_known_names_serve_while_they_cannot_be_asked_for(begun: Counting) -> None:
    begun.circle.fail("not_found", "reporting-window")
    begun.run()
    assert not begun.poll(after=HOUR)
    assert begun.total() == 1


def test_without_names_the_first_poll_shows_nothing(counting: Counting) -> None:
    counting.run()
    counting.circle.fail("not_found", "reporting-window")
    assert not counting.poll(after=1)
    assert counting.counted() == {}


def test_a_project_that_is_unreachable_from_the_first_request_is_asked_for_nothing_more(counting: Counting) -> None:
    counting.circle.accept("another")
    assert not counting.poll(after=1)
    assert counting.questions() == [f"/project/{SLUG}?", "/me?"]


def test_a_workflow_that_is_listed_no_longer_goes_and_comes_back_with_its_counts(begun: Counting) -> None:
    begun.run()
    begun.poll()
    begun.circle.organization.roster.hide(SLUG, workflow="build")
    begun.poll(after=HOUR)
    assert begun.total() is None
    begun.circle.organization.roster.show(SLUG, workflow="build")
    begun.run()
    begun.poll(after=HOUR)
    assert begun.total() == 2


def test_names_that_can_be_no_path_are_not_asked_for(counting: Counting) -> None:
    for workflow in ("..", "build"):
        counting.run(workflow=workflow)
    assert counting.poll(after=1)
    assert set(counting.counted()) == {("build", "main")}


# Settings


def test_changed_buckets_begin_the_histogram_anew_and_nothing_else(begun: Counting) -> None:
    begun.run()
    begun.poll()
    begun.restart(settings="runs: {buckets: [1s, 2h]}")
    begun.poll()
    found = begun.counted()["build", "main"]
    assert (found.statuses, found.credits) == (Counter(success=1), 10)
    assert (found.buckets, found.seconds) == ({1: 0, 7200: 0, float("inf"): 0}, 0)
    begun.run()
    begun.poll()
    assert begun.counted()["build", "main"].buckets == {1: 0, 7200: 1, float("inf"): 1}


def test_every_status_credit_and_duration_is_that_of_the_truth(begun: Counting) -> None:
    more: list[dict[str, Any]] = [
        {"branch": "main", "status": "failed", "duration": 31, "credits": 7},
        {"branch": "develop", "status": "canceled", "duration": 7201, "credits": 0},
        {"branch": "feature/1", "status": "error", "duration": None, "credits": 3},
        {"branch": "feature/2", "status": "unauthorized", "is_approval": True, "duration": 14401},
        {"branch": "main", "status": "abandoned", "duration": 60},
    ]
    begun.restart(settings="branches: [develop]")
    for each in more:
        begun.run(**each)
    begun.poll()
    for each in more:
        begun.run(**each)
    begun.poll()
    begun.poll()
    known = true_counters(
        (vars_of(tally) for tally in begun.circle.organization.truth()), BOUNDS, named=("main", "develop")
    )
    first = known["build", "main"]  # the run before the first poll
    first.statuses["success"] -= 1
    first.credits -= 10
    first.seconds -= 60
    first.observed -= 1
    for bound in first.buckets:
        first.buckets[bound] -= bound >= 60
    first.statuses = +first.statuses
    assert begun.counted() == known


def vars_of(tally: Any) -> dict[str, Any]:
    return {name: getattr(tally, name) for name in tally.__slots__}


# The state file


def test_a_poll_commits_once_and_before_it_shows_anything(begun: Counting) -> None:
    for workflow in ("build", "deploy", "nightly"):
        begun.run(workflow=workflow)
    begun.poll(after=HOUR)
    shown: list[int | None] = []

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            shown.append(begun.total())

    begun.engine.state._connection.set_trace_callback(trace)  # type: ignore[attr-defined]
    for workflow in ("build", "deploy", "nightly"):
        begun.run(workflow=workflow)
    begun.poll()
    assert shown == [1]
    assert begun.total() == 2


def test_a_commit_that_fails_fails_the_poll_and_counts_nothing(begun: Counting) -> None:
    for _ in range(3000):
        begun.run()
    connection = fill(begun)
    assert not begun.poll()
    assert begun.failures() == {"state": 1}
    assert begun.total() == 0
    assert 'collector_success{collector="runs",project="gh/acme/web"} 0.0' in begun.text()
    list(connection.execute("PRAGMA max_page_count = 1000000"))
    assert begun.poll()
    assert begun.total() == 3000


def test_nothing_is_asked_where_nothing_would_last(begun: Counting) -> None:
    begun.engine.state._database.lasting = False
    assert not begun.poll()
    assert begun.asked() == []
    assert begun.failures() == {"state": 1}


def test_a_state_that_cannot_be_read_ends_the_poll(begun: Counting) -> None:
    begun.run(workflow="deploy")
    begun.poll(after=HOUR)
    begun.asked()
    begun.engine.state._connection.execute("ALTER TABLE run RENAME TO lost")
    assert not begun.poll()
    assert len(begun.asked()) <= 2, "one for each workflow"
    begun.engine.state._connection.execute("ALTER TABLE lost RENAME TO run")
    assert begun.poll()


def test_a_publication_that_fails_after_its_commit_repeats_and_loses_nothing(begun: Counting) -> None:
    begun.run()
    begun.pass_time(300)
    publish = begun.engine.store.publish

    def broken(*_: object, **__: object) -> None:
        raise ValueError("a defect")

    begun.engine.store.publish = broken  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="a defect"):
        begin(begun).step()
    begun.engine.store.publish = publish  # type: ignore[method-assign]
    assert begun.total() == 0
    begun.run()
    begun.poll()
    assert begun.total() == 2


def test_a_defect_is_held_to_one_workflow_and_counted(begun: Counting) -> None:
    begun.run(workflow="deploy")
    begun.poll(after=HOUR)
    begun.run()
    begun.run(workflow="deploy")
    known = begun.engine.state.known

    def broken(slug: str, workflow: str, keys: Any) -> dict[int, int]:
        if workflow == "build":
            raise ZeroDivisionError
        return known(slug, workflow, keys)

    begun.engine.state.known = broken  # type: ignore[method-assign]
    assert not begun.poll()
    assert begun.failures() == {"internal": 1}
    assert (begun.total(), begun.total(workflow="deploy")) == (0, 2)


# Changes while a poll is under way


def test_a_project_that_was_taken_out_meanwhile_is_not_shown_again(begun: Counting) -> None:
    poll = begin(begun)
    begun.engine.store.withdraw([SLUG])
    poll.step()
    assert begun.engine.store.get(SLUG) is None


def test_a_project_that_was_taken_out_and_in_again_is_not_counted_by_the_old_poll(begun: Counting) -> None:
    begun.run()
    poll = begin(begun)
    begun.engine.store.withdraw([SLUG])
    begun.engine.state.forget([SLUG])
    begun.engine.store.publish([Snapshot(begun.project)], begun.now)
    poll.step()
    assert begun.total() is None
    begun.poll(after=200)
    assert begun.total() == 0  # it is shown anew
    begun.poll()
    assert begun.total() == 1


def test_a_project_that_was_away_for_longer_than_a_poll_starts_again_at_0(begun: Counting) -> None:
    begun.run()
    begun.poll()
    begun.engine.store.withdraw([SLUG])
    begun.engine.state.forget([SLUG])
    begun.pass_time(301)
    begun.run()
    begun.engine.store.publish([Snapshot(begun.project)], begun.now)
    begun.poll(after=1)
    assert begun.total() == 0


def test_a_stop_ends_a_poll_without_a_trace(begun: Counting) -> None:
    begun.run()
    begun.engine.stop.set()
    before = begun.counted()
    with pytest.raises(Stopped):
        begin(begun).step()
    assert begun.counted() == before


def test_what_the_gauges_poll_learned_meanwhile_stays(begun: Counting) -> None:
    poll = begin(begun)
    snapshot = begun.engine.store.get(SLUG)
    assert snapshot is not None
    begun.engine.begin(SLUG).step()  # type: ignore[union-attr]
    poll.step()
    after = begun.engine.store.get(SLUG)
    assert after is not None
    assert after.polled_at is not None


def test_counters_that_cannot_be_renewed_go_and_come_back_as_they_were(begun: Counting) -> None:
    begun.run()
    begun.poll()
    begun.circle.fail("not_found", RUNS)
    begun.poll()
    begun.poll()
    assert begun.total() == 1
    begun.poll()
    assert begun.total() is None
    begun.circle.heal()
    begun.run()
    begun.poll()
    assert begun.total() == 2


# The limit of series


def test_what_is_shown_stays_shown_at_the_limit_and_over_a_restart_and_the_rest_is_counted_and_logged(
    tmp_path: Path,
) -> None:
    row, green = 5 + 19 + 1 + 3 + 2, 1  # without the time since when it is red
    counting = Counting(tmp_path / "state.db", f"max_series: {2 * row - 1}")
    counting.run(workflow="y")
    assert counting.poll(after=1)
    counting.run(workflow="a")
    for number in (1, 2):
        counting.run(workflow="y")
        assert counting.poll(after=HOUR)
        assert counting.dropped() == number * (row - green)
    assert (counting.total(workflow="y"), counting.total(workflow="a")) == (2, None)
    logged = [str(call.args[0]) for call in counting.log.calls]
    assert logged.count("limit exceeded, data dropped") == 1

    counting.restart()
    assert counting.poll()
    assert (counting.total(workflow="y"), counting.total(workflow="a")) == (2, None)
    assert counting.dropped() == row - green

    counting.restart(settings="max_series: 1000")
    counting.run(workflow="a")
    assert counting.poll()
    assert (counting.total(workflow="y"), counting.total(workflow="a")) == (2, 2)
    assert counting.dropped() == 0
    counting.close()
    counting.circle.stop()
