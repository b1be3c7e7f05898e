from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.runs.critical_path import critical_path
from exporter.runs.jobs import Job
from tests.runs.job_lists import CREATED, approval, job, jobs


def path(*each: Job) -> dict[tuple[str, str], float]:
    return {(name, phase): spent for (name, phase), spent in critical_path(jobs(*each), CREATED).items()}


def test_the_path_leads_from_the_last_stop_over_the_last_dependency_to_the_creation() -> None:
    assert path(
        job("build", 5, 60), job("lint", 5, 20), job("test", 70, 100, "build", "lint"), job("quick", 61, 62, "build")
    ) == {("build", "wait"): 5, ("build", "run"): 55, ("test", "wait"): 10, ("test", "run"): 30}


def test_jobs_that_stop_at_the_same_time_are_told_apart_by_name() -> None:
    assert path(job("a", 0, 30), job("b", 10, 30)) == {("b", "wait"): 10, ("b", "run"): 20}


def test_a_job_that_never_started_has_only_wait() -> None:
    assert path(job("build", 1, 10), job("deploy", None, 40, "build", status="canceled")) == {
        ("build", "wait"): 1,
        ("build", "run"): 9,
        ("deploy", "wait"): 30,
    }


def test_a_carried_over_job_has_no_part_in_it() -> None:
    assert path(job("build", -100, -50), job("deploy", 4, 10, "build")) == {("deploy", "wait"): 4, ("deploy", "run"): 6}


def test_an_attempt_that_was_retried_comes_before_the_next_one() -> None:
    assert path(job("test", 2, 10, status="retried", identifier="first"), job("test", 13, 20, identifier="second")) == {
        ("test", "wait"): 5,
        ("test", "run"): 15,
    }


def test_the_wait_for_an_approval_is_its_own() -> None:
    assert path(job("build", 1, 10), approval("hold", "build"), job("deploy", 500, 600, "hold")) == {
        ("build", "wait"): 1,
        ("build", "run"): 9,
        ("hold", "wait"): 490,
        ("deploy", "run"): 100,
    }


def test_of_several_approvals_the_wait_is_that_of_the_one_that_could_be_asked_for_last() -> None:
    assert path(
        job("a", 0, 10),
        job("b", 0, 30),
        approval("early", "a"),
        approval("late", "b"),
        job("deploy", 50, 60, "early", "late"),
    ) == {("b", "run"): 30, ("late", "wait"): 20, ("deploy", "run"): 10}


def test_an_approval_behind_another_waits_since_the_jobs_before_both() -> None:
    assert path(
        job("a", 0, 10), approval("first", "a"), approval("second", "first"), job("deploy", 50, 60, "second")
    ) == {("a", "run"): 10, ("second", "wait"): 40, ("deploy", "run"): 10}


def test_a_long_job_beside_an_approval_is_on_the_path() -> None:
    assert path(
        job("build", 0, 10), job("e2e", 2, 18, "build"), approval("hold", "build"), job("deploy", 20, 30, "hold", "e2e")
    ) == {("build", "run"): 2, ("e2e", "run"): 16, ("hold", "wait"): 2, ("deploy", "run"): 10}


def test_a_job_that_ended_before_the_approval_could_be_asked_for_is_not_on_the_path() -> None:
    assert path(
        job("build", 0, 10), job("lint", 0, 4), approval("hold", "build"), job("deploy", 20, 30, "hold", "lint")
    ) == {("build", "run"): 10, ("hold", "wait"): 10, ("deploy", "run"): 10}


def test_what_an_earlier_approval_waited_for_is_on_the_path_if_it_ended_last() -> None:
    assert path(
        job("a", 0, 10),
        job("b", 0, 40),
        approval("deep", "b"),
        approval("wide", "a", "deep"),
        job("deploy", 50, 60, "wide", "a"),
    ) == {("b", "run"): 40, ("wide", "wait"): 10, ("deploy", "run"): 10}


def test_a_second_attempt_that_never_started_waited_since_the_first_was_given_up() -> None:
    assert path(
        job("test", 2, 10, status="retried", identifier="first"),
        job("test", None, 20, status="canceled", identifier="second"),
    ) == {("test", "wait"): 12, ("test", "run"): 8}


def test_an_approval_at_the_beginning_waits_since_the_creation() -> None:
    assert path(approval("hold"), job("deploy", 50, 60, "hold")) == {("hold", "wait"): 50, ("deploy", "run"): 10}


def test_a_start_before_the_dependency_stopped_is_no_negative_wait() -> None:
    assert path(job("build", 0, 12), job("test", 10, 20, "build")) == {("build", "run"): 10, ("test", "run"): 10}


def test_a_run_without_a_job_that_stopped_has_no_path() -> None:
    assert path() == {}
    assert path(job("build", 1, None, status="running"), approval("hold")) == {}


def test_jobs_that_wait_for_each_other_end_the_path() -> None:
    assert sum(path(job("a", 1, 10, "b"), job("b", 1, 10, "a")).values()) == 10


SPAN = st.integers(-5_000_000, 100_000_000).map(lambda micros: micros / 1e6)


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Job]:
    """Any graph of jobs: approvals, attempts, carried-over jobs, equal times, clocks that differ."""
    made: list[Job] = []
    for number in range(draw(st.integers(0, 9))):
        after = draw(st.lists(st.sampled_from(made or [job("none")]), max_size=3))
        name = draw(st.sampled_from("abcde"))
        if draw(st.integers(0, 3)) == 0:
            each = approval(name, *(one.id for one in after))
        else:
            start = draw(st.none() | SPAN)
            stop = draw(st.none() | SPAN)
            status = draw(st.sampled_from(("success", "failed", "retried", "canceled")))
            each = job(name, start, stop, *(one.id for one in after), status=status)
        made.append(
            Job(
                str(number),
                each.name,
                each.status,
                each.approval,
                each.started_at,
                each.stopped_at,
                (*each.dependencies, *draw(st.lists(st.integers(0, 9).map(str), max_size=1))),
            )
        )
    return jobs(*made)


@given(runs())
def test_the_seconds_add_up_to_the_last_stop_less_the_creation(drawn: dict[str, Job]) -> None:
    spent = critical_path(drawn, CREATED)
    own = [each.stopped_at for each in drawn.values() if not each.approval and not each.carried_over(CREATED)]
    last = max((stop for stop in own if stop is not None), default=CREATED)
    assert round(sum(spent.values()), 6) == max(round(last - CREATED, 6), 0)
    assert all(seconds > 0 for seconds in spent.values())
    assert {phase for _, phase in spent} <= {"run", "wait"}


@st.composite
def orderly_runs(draw: st.DrawFn) -> dict[str, Job]:
    """Runs as CircleCI makes them, with many approvals: what depends on something starts after it."""
    made: list[Job] = []
    free: list[int] = []
    for number in range(draw(st.integers(3, 8))):
        after = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if made else []
        ready = max([free[each] for each in after], default=0)
        needed = [made[each].id for each in after]
        if draw(st.integers(0, 2)) == 0:
            made.append(approval(f"hold{number}", *needed))
            free.append(ready + draw(st.integers(0, 9)))
        else:
            start = ready + draw(st.integers(0, 3))
            free.append(start + draw(st.integers(0, 20)))
            made.append(job(f"job{number}", start, free[-1], *needed))
    return jobs(*made)


@given(runs() | orderly_runs())
def test_the_path_is_the_one_that_a_plain_reading_of_the_rules_gives(drawn: dict[str, Job]) -> None:
    found = {(name, phase): spent for (name, phase), spent in critical_path(drawn, CREATED).items()}
    assert found == {key: micros / 1e6 for key, micros in stretches(drawn).items()}


def stretches(drawn: dict[str, Job]) -> dict[tuple[str, str], int]:
    """The rules once more, on sets and whole microseconds after the creation, from the end of the run to its begin."""

    def micros(moment: float | None) -> int | None:
        return None if moment is None else round((moment - CREATED) * 1e6)

    begun = {key: micros(each.started_at) for key, each in drawn.items()}
    ended = {key: stop for key, each in drawn.items() if (stop := micros(each.stopped_at)) is not None}
    here = {key for key in drawn if ended.get(key, 0) >= 0}
    approvals = {key for key in here if drawn[key].approval}

    def attempts_before(key: str) -> set[str]:
        same = {each for each in here if drawn[each].name == drawn[key].name and drawn[each].status == "retried"}
        mine = begun[key]
        return {
            each
            for each in same - {key}
            if key not in approvals and (start := begun[each]) is not None
            if mine is None or (start, each) < (mine, key)
        }

    def needs(key: str) -> set[str]:
        return ((set(drawn[key].dependencies) & here) | attempts_before(key)) - {key}

    def holders(key: str, passed: frozenset[str] = frozenset()) -> set[str]:
        further = [holders(each, passed | {key}) for each in (needs(key) & approvals) - passed]
        return (needs(key) - approvals).union(*further)

    def last_of(keys: set[str]) -> str | None:
        return max(keys & ended.keys(), key=lambda each: (ended[each], drawn[each].name, each), default=None)

    spent: dict[tuple[str, str], int] = {}
    walked: set[str] = set()
    key = last_of(here)
    until = 0 if key is None else ended[key]
    while key is not None and until > 0:
        walked.add(key)
        start = begun[key]
        from_here = until if start is None else min(max(start, 0), until)
        asked = [(max([ended[each] for each in holders(one) & ended.keys()] or [0]), one) for one in needs(key)]
        waits = max([(at, drawn[one].name) for at, one in asked if one in approvals] or [(0, drawn[key].name)])[1]
        before = last_of(holders(key) - walked)
        back = 0 if before is None else min(ended[before], from_here)
        for what, length in (((drawn[key].name, "run"), until - from_here), ((waits, "wait"), from_here - back)):
            if length:
                spent[what] = spent.get(what, 0) + length
        key, until = before, back
    return spent
