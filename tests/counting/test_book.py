from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.counting import crediting
from exporter.counting.asking import start_of
from exporter.counting.book import RunBook
from exporter.counting.cells import Distribution, empty
from exporter.counting.ledger import INVENTED, BranchFacts, Ledger, Newest, WorkflowLedger, listed
from exporter.runs.branches import OTHER_BRANCHES, labels_of
from exporter.runs.reading import STATUSES, Run
from tests.campaigns.effort import effort
from tests.counting.making import BOUNDS, DAY, LABEL, LOOKBACK, NOW, counted, ledger, polled, run
from tests.knowledge.samples import project

BUCKETS = "runs: {buckets: [60s, 600s]}"

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def facts(of: Ledger, branch: str = "main", workflow: str = "build") -> BranchFacts:
    return of.workflows[workflow].branches[branch]


def counts(of: Ledger, branch: str = "main") -> dict[str, float]:
    return {status: number for status, number in counted(of, branch).runs.items() if number}


def book(known: Ledger, at: float = NOW, settings: str = BUCKETS) -> RunBook:
    return RunBook(known, project(settings), LABEL, now=at)


def closed(found: RunBook) -> Ledger:
    found.close()
    return found.ledger


def named(known: Ledger | None, at: float, *names: str) -> Ledger:
    known = known or listed(dict.fromkeys(names), at, read=at, lookback=LOOKBACK)
    found = book(known, at)
    found.list_names(names, at)
    return closed(found)


# Appearing at 0


def test_a_branch_appears_with_all_its_statuses_and_buckets_at_0_and_rises_at_the_next_poll() -> None:
    first = polled(ledger(), run(1), run(2, "failed"))
    assert counted(first).runs == dict.fromkeys(STATUSES, 0)
    assert counted(first).buckets == (0, 0, 0)
    assert (counted(first).seconds, counted(first).credits) == (0, 0)
    second = polled(first)
    assert counts(second) == {"success": 1, "failed": 1}
    assert counted(second).buckets == (2, 0, 0)
    assert (counted(second).seconds, counted(second).credits) == (60, 10)
    assert not counted(second).held


def test_a_branch_that_was_shown_at_0_counts_at_once() -> None:
    assert counts(polled(polled(ledger(), run(1, "")), run(1))) == {"success": 1}


def test_what_is_held_is_not_held_again() -> None:
    third = polled(polled(polled(ledger(), run(1)), run(2)), run(3))
    assert counts(third) == {"success": 3}
    assert counts(polled(third)) == {"success": 3}


def test_a_run_that_has_not_finished_makes_its_branch_appear_and_counts_nothing() -> None:
    after = polled(polled(ledger(), run(1, "", "develop")))
    assert counts(after, "develop") == {}
    assert facts(after, "develop").last is None


# The first good poll


def test_the_first_good_poll_counts_nothing_and_shows_0() -> None:
    first = polled(ledger(baseline=True), run(1), run(2, "failed", "feature"))
    assert not first.workflows["build"].baseline
    for branch in ("main", OTHER_BRANCHES):
        assert counted(first, branch).runs == dict.fromkeys(STATUSES, 0)
        assert not counted(first, branch).held
    assert counts(polled(first, run(3))) == {"success": 1}


def test_the_first_good_poll_shows_the_newest_run_all_the_same() -> None:
    found = facts(polled(ledger(baseline=True), run(1, "failed")))
    assert found.last == Newest(NOW + 32.0, NOW + 1, 1, 30)
    assert found.verdict == Newest(NOW + 32.0, NOW + 1, 1, 0)


def test_all_that_is_listed_at_first_begins_uncounted_and_what_appears_later_does_not() -> None:
    first = named(None, NOW, "build", "deploy")
    assert {name: workflow.baseline for name, workflow in first.workflows.items()} == {"build": True, "deploy": True}
    later = named(first, NOW + 3600, "build", "deploy", "nightly")
    assert not later.workflows["nightly"].baseline
    assert later.workflows["nightly"].since == NOW - LOOKBACK
    assert later.names_at == NOW + 3600


def test_a_project_without_runs_begins_by_the_clock_that_is_behind() -> None:
    for names in ({}, {"build": None}):
        first = listed(names, NOW, read=NOW - 40 * DAY, lookback=LOOKBACK)
        assert (first.began, first.names_at) == (NOW - 43 * DAY, NOW)


def test_while_a_workflow_has_no_run_the_next_poll_reads_from_where_this_one_did() -> None:
    known = polled(ledger())
    assert known.workflows["build"] == WorkflowLedger(NOW - 3 * DAY)
    assert start_of(known.workflows["build"], NOW + 9 * DAY, LOOKBACK) == NOW - 3 * DAY
    assert polled(known, run(0)).workflows["build"].polled_at == NOW


def test_the_first_list_tells_how_old_the_newest_run_is_and_later_ones_do_not() -> None:
    last = {"build": NOW - 60.0 * DAY, "deploy": NOW - 61.0 * DAY, "nightly": None}
    first = listed(last, NOW, read=NOW, lookback=LOOKBACK)
    assert first.began == NOW - 63 * DAY
    assert [first.workflows[name].newest for name in last] == [NOW - 60 * DAY, NOW - 61 * DAY, None]
    later = named(first, NOW, *last, "late")
    assert [later.workflows[name].newest for name in ("build", "deploy", "late")] == [
        NOW - 60 * DAY,
        NOW - 61 * DAY,
        None,
    ]


def test_a_workflow_that_is_listed_no_longer_keeps_its_counts_for_90_days() -> None:
    known = polled(polled(ledger(), run(1)))
    gone = named(known, NOW + 10)
    assert gone.workflows["build"].unlisted_at == NOW + 10
    still = named(gone, NOW + 10 + 89 * DAY)
    assert still.workflows["build"].unlisted_at == NOW + 10
    back = named(still, NOW + 89 * DAY, "build")
    assert back.workflows["build"] == known.workflows["build"]
    assert named(still, NOW + 10 + 90 * DAY).workflows == {}


# Labels


@pytest.mark.parametrize(
    ("branch", "label"),
    [
        ("main", "main"),
        ("develop", "develop"),
        ("release/1.2", "release/1.2"),
        ("feature/x", OTHER_BRANCHES),
        ("", OTHER_BRANCHES),
    ],
)
def test_only_a_branch_that_is_asked_for_bears_its_name(branch: str, label: str) -> None:
    assert LABEL(branch) == label


def test_a_glob_of_everything_names_everything_but_nothing() -> None:
    label = labels_of(project("default_branch: false\nbranches: ['*']"), "")
    assert (label("feature/x"), label("")) == ("feature/x", OTHER_BRANCHES)


def test_a_newly_named_branch_starts_at_0_and_other_branches_keeps_its_past() -> None:
    before = polled(polled(ledger(), run(1, branch="feature")), run(2, branch="feature"))
    named = labels_of(project("branches: [feature]"), "main")
    after = polled(before, run(3, branch="feature"), label=named)
    assert counts(after, OTHER_BRANCHES) == {"success": 2}
    assert counts(after, "feature") == {}
    after = polled(after, label=named)
    assert counts(after, OTHER_BRANCHES) == {"success": 2}
    assert counts(after, "feature") == {"success": 1}


def test_a_branch_that_is_named_no_longer_goes_and_starts_at_0_when_it_comes_back() -> None:
    before = polled(polled(ledger(), run(1, branch="develop")))
    without = polled(before, label=labels_of(project(), "main"))
    assert without.workflows["build"].branches.keys() == set()
    assert counts(polled(without, run(2, branch="develop")), "develop") == {}


def test_a_branch_without_a_run_in_90_days_of_the_workflow_goes() -> None:
    before = polled(polled(ledger(), run(1, branch="release/1")))
    after = polled(before, run(90 * DAY + 1), at=NOW + 90 * DAY + 1)
    assert set(after.workflows["build"].branches) == {"main"}


@pytest.mark.parametrize("ahead", [1, 200])
def test_a_run_dated_in_the_future_ends_no_other_branch(ahead: int) -> None:
    before = polled(polled(ledger(), run(1), run(1, branch="develop")), run(2), run(3, branch="develop"))
    after = polled(before, run(ahead * DAY, branch="develop"), run(4), at=NOW + 5)
    assert counts(polled(after, run(5), at=NOW + 305)) == {"success": 4}
    assert after.workflows["build"].floor <= NOW + 5 - LOOKBACK


def test_a_newest_run_that_was_kept_from_the_future_makes_way_for_the_next() -> None:
    far = Newest(NOW + 5000.0 * DAY, NOW, 1, 0)
    kept = polled(ledger(), run(0, ""))
    kept = replace(
        kept,
        workflows={
            "build": replace(kept.workflows["build"], branches={"main": replace(facts(kept), last=far, verdict=far)})
        },
    )
    assert facts(polled(kept)).last == far
    found = facts(polled(kept, run(2)))
    assert found.last is not None
    assert found.verdict is not None
    assert (found.last.key, found.verdict.key) == (2, 2)


# What is counted where


def test_approvals_and_null_durations_count_everywhere_but_in_the_histogram() -> None:
    seen = polled(ledger(), run(0, ""))
    after = polled(seen, run(1, approval=True), run(2, duration=None), run(3, "canceled", duration=700))
    assert counts(after) == {"success": 2, "canceled": 1}
    assert counted(after).credits == 15
    assert counted(after).buckets == (0, 0, 1)
    assert counted(after).seconds == 700


@pytest.mark.parametrize(("duration", "bucket"), [(0, 0), (60, 0), (61, 1), (600, 1), (601, 2)])
def test_a_bound_belongs_to_its_bucket(duration: int, bucket: int) -> None:
    after = polled(polled(ledger(), run(0, "")), run(1, duration=duration))
    assert counted(after).buckets[bucket] == 1


def test_an_invented_status_appears_at_0_when_it_is_first_seen_and_rises_at_the_next_poll() -> None:
    seen = polled(ledger(), run(0, ""))
    first = polled(seen, run(1, "abandoned"), run(2))
    assert counted(first).runs == {**dict.fromkeys(STATUSES, 0), "success": 1, "abandoned": 0}
    assert counted(first).buckets == (2, 0, 0)
    second = polled(first, run(3, "abandoned"))
    assert counts(second) == {"success": 1, "abandoned": 2}
    assert counted(second).buckets == (3, 0, 0)


def test_ten_statuses_may_be_invented_and_the_rest_is_other() -> None:
    every = [run(number, f"invented {number}") for number in range(INVENTED + 3)]
    after = polled(polled(ledger(), *every))
    assert len(after.invented) == INVENTED
    assert counts(after) == {**{f"invented {number}": 1 for number in range(INVENTED)}, "other": 3}


def test_credits_that_come_later_are_added_to_what_was_counted() -> None:
    before = polled(polled(ledger(), run(1), run(2, branch="develop")))
    found = book(before, NOW + 200)
    crediting.credit(found, "build", [run(1, credits=7), run(2, branch="develop", credits=3)])
    after = closed(found)
    assert (counted(after).credits, counted(after, "develop").credits) == (12, 8)
    assert counted(after).runs == counted(before).runs
    assert found.changes.credited == {"build": {1, 2}}


# The newest run


def test_the_newest_run_is_the_one_that_stopped_last() -> None:
    late = run(1, "failed", stopped_at=NOW + 5000.0, duration=4999)
    after = polled(ledger(), run(900), late)
    assert facts(after).last == Newest(NOW + 5000.0, NOW + 1, 1, 4999)
    assert facts(polled(after, run(1000))).last == facts(after).last


@pytest.mark.parametrize("status", ["canceled", "unauthorized", "abandoned"])
def test_a_run_that_neither_succeeded_nor_failed_is_passed_over_for_success(status: str) -> None:
    after = polled(ledger(), run(1, "error"), run(2, status))
    found = facts(after)
    assert found.verdict is not None
    assert (found.verdict.key, found.verdict.value) == (1, 0)
    assert found.last is not None
    assert found.last.key == 2


def test_a_run_without_a_stop_is_not_the_newest() -> None:
    after = polled(ledger(), run(1), run(2, stopped_at=None))
    assert facts(after).last is not None
    assert facts(after).last.key == 1  # type: ignore[union-attr]


# Buckets


def test_changed_buckets_begin_the_histogram_anew_and_nothing_else() -> None:
    before = polled(polled(polled(ledger(), run(0, "")), run(1)), run(2, "abandoned"))
    other = project("runs: {buckets: [10s, 20s, 40s]}")
    found = RunBook(before, other, LABEL, now=NOW + 200)
    changed = closed(found)
    assert {key.family for key in found.changes.cells} == {"circleci_workflow_run_duration_seconds"}
    assert counted(changed).histogram == Distribution((10.0, 20.0, 40.0), (0, 0, 0, 0))
    assert counted(changed).runs == counted(before).runs
    after = polled(changed, run(3), of=other, at=NOW + 210)
    assert counts(after) == {"success": 2, "abandoned": 1}
    assert counted(after).buckets == (0, 0, 0, 0)
    last = polled(after, run(4), of=other, at=NOW + 300)
    assert counts(last) == {"success": 3, "abandoned": 1}
    assert counted(last).buckets == (0, 0, 2, 0)
    assert counted(last).seconds == 60


def test_a_state_with_the_default_buckets_of_before_keeps_every_count_and_its_histogram_counts_on_from_0() -> None:
    doubling = project("runs: {buckets: [30s, 1m, 2m, 5m, 10m, 20m, 40m, 1h, 2h, 4h]}")
    before = polled(polled(ledger(), run(0), of=doubling), run(1), of=doubling)
    changed = polled(before, of=(now := project("")), at=NOW + 200)
    assert (
        (counts(changed), counted(changed).credits) == (counts(before), counted(before).credits) == ({"success": 2}, 10)
    )
    assert counted(changed).histogram == empty(now.runs.buckets)
    last = polled(polled(changed, run(2), of=now, at=NOW + 300), run(3), of=now, at=NOW + 400)
    assert (counts(last), counted(last).seconds) == ({"success": 4}, 60)
    assert sum(counted(last).buckets) == 2


def test_the_same_settings_change_nothing() -> None:
    known = polled(ledger(), run(1))
    found = book(known, NOW + 1)
    assert closed(found).cells is known.cells
    assert not found.changes


# What is remembered


def test_the_floor_follows_what_was_asked_and_never_falls() -> None:
    first = polled(ledger(), run(0), at=NOW, swept=True)
    assert first.workflows["build"].floor == NOW - LOOKBACK
    later = polled(first, run(5 * DAY), at=NOW + 6 * DAY)
    assert later.workflows["build"].floor == NOW + 2 * DAY
    back = polled(later, at=NOW)
    assert back.workflows["build"].floor == NOW + 2 * DAY
    assert back.workflows["build"].swept_at == NOW


def test_runs_older_than_the_start_that_came_all_the_same_are_remembered() -> None:
    first = polled(ledger(baseline=True), run(-40 * DAY), run(-50 * DAY))
    found = first.workflows["build"]
    assert (found.since, found.floor) == (NOW - LOOKBACK, NOW - 43 * DAY)


def test_a_clock_that_runs_ahead_forgets_nothing() -> None:
    ahead = polled(polled(ledger(), run(0)), at=NOW + 300 * DAY)
    assert ahead.workflows["build"].floor == NOW - LOOKBACK


# Any order of anything against the plainest of counts


@dataclass(frozen=True, slots=True)
class Fate:
    """A run, and the polls at which it is first shown and first shown as finished."""

    run: Run
    shown: int
    finished: int
    repeated: bool

    def at(self, poll: int) -> list[Run]:
        if poll < self.shown:
            return []
        now = self.run if poll >= self.finished else Run(self.run.key, self.run.branch, self.run.created_at)
        before = Run(self.run.key, self.run.branch, self.run.created_at)
        return [before, now] if self.repeated else [now]


@st.composite
def fates(draw: Callable[..., Any], polls: int = 6) -> list[Fate]:
    keys = count()
    found = []
    for _ in range(draw(st.integers(0, 12))):
        key = next(keys)
        made = Run(
            key,
            draw(st.sampled_from(["main", "develop", "release/1", "x", "y", ""])),
            NOW - draw(st.integers(0, 3)),
            draw(st.sampled_from([*STATUSES, "abandoned", "lost"])),
            draw(st.none() | st.integers(NOW, NOW + 3).map(float)),
            draw(st.none() | st.integers(0, 900)),
            draw(st.integers(0, 50)),
            approval=draw(st.booleans()),
        )
        shown = draw(st.integers(0, polls))
        found.append(Fate(made, shown, draw(st.integers(shown, polls)), repeated=draw(st.booleans())))
    return found


def truth(runs: Iterable[Run]) -> dict[str, tuple[Counter[str], list[int], float, float]]:
    found: dict[str, tuple[Counter[str], list[int], float, float]] = {}
    for each in runs:
        statuses, buckets, seconds, credits_used = found.get(LABEL(each.branch), (Counter(), [0, 0, 0], 0, 0))
        statuses = statuses + Counter([each.status])
        if each.duration is not None and not each.approval:
            buckets = [
                number + (index == sum(each.duration > bound for bound in BOUNDS))
                for index, number in enumerate(buckets)
            ]
            seconds += each.duration
        found[LABEL(each.branch)] = (statuses, buckets, seconds, credits_used + each.credits)
    return found


@settings(max_examples=effort(60, 400))
@given(fates(), st.lists(st.booleans(), min_size=6, max_size=6), st.booleans(), st.randoms(use_true_random=False))
def test_each_run_counts_once_whatever_the_order_the_repeats_and_the_failures(
    every: Sequence[Fate], good: Sequence[bool], baseline: bool, random: Any
) -> None:
    known, remembered, uncounted = ledger(baseline=baseline), set[int](), set[int]()
    heights: dict[tuple[str, str], float] = {}
    first = baseline
    for poll in range(6):
        if not good[poll]:
            continue  # neither the ledger nor a key is kept of a poll that failed
        fresh: dict[int, Run] = {}
        page = [seen for fate in every for seen in fate.at(poll)]
        random.shuffle(page)
        for seen in page:
            if seen.key not in remembered and (seen.key not in fresh or seen.status):
                fresh[seen.key] = seen
        known = polled(known, *fresh.values(), at=NOW + poll)
        finished = {key for key, seen in fresh.items() if seen.status}
        remembered |= finished
        if first:
            uncounted, first = finished, False
        for branch in known.workflows["build"].branches:
            for status, number in counted(known, branch).runs.items():
                assert number >= heights.get((branch, status), 0)
                assert (branch, status) in heights or number == 0, "a series was born above 0"
                heights[branch, status] = number
    known = polled(known, at=NOW + 100)
    expected = truth(fate.run for fate in every if fate.run.key in remembered - uncounted)
    for branch in known.workflows["build"].branches:
        statuses, buckets, seconds, credits_used = expected.pop(branch, (Counter(), [0, 0, 0], 0, 0))
        found = counted(known, branch)
        assert {status: number for status, number in found.runs.items() if number} == statuses
        assert list(found.buckets) == buckets
        assert (found.seconds, found.credits) == (seconds, credits_used)
    assert not expected
