"""What the runs of a pipeline are to one another, told in any order, against a plain model that sees all at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.counting import looks
from exporter.counting.cells import Distribution
from exporter.counting.looks import Look
from exporter.insights import run_families
from exporter.insights.run_families import FEEDBACK, JOB_FLAKES, RERUN_CREDITS, RERUN_JOB_SECONDS, RERUNS, RESCUED
from exporter.runs.jobs import Job
from exporter.runs.live import WatchedPipeline
from exporter.runs.pipelines import WorkflowRun
from exporter.runs.reading import key_of
from exporter.state.documents import Reader, document, parse
from tests.campaigns.effort import effort
from tests.campaigns.pipelines import attempts as plainly
from tests.campaigns.pipelines.truth import Rules, has_ended
from tests.counting.chance import Chance
from tests.counting.test_crediting import row, sweep
from tests.counting.watched import Watched, pipeline, run, uuid
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED, approval, job

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.campaigns.pipelines.truth import Facts
    from tests.campaigns.samples import Samples

READ = Reader[WatchedPipeline](WatchedPipeline)
FAILED = [job("build", 5, 60), job("test", 70, 100, "build", status="failed")]
KNOWN = (FEEDBACK, RERUNS, RERUN_JOB_SECONDS, RESCUED, JOB_FLAKES)


def again(status: str, start: float, stop: float, number: int, **changes: Any) -> WorkflowRun:
    """Another run of the workflow."""
    return replace(run(status, start, stop, number=number), **changes)


def once_more(start: float, stop: float, status: str = "success") -> list[Job]:
    """The jobs of a re-run from the failed one."""
    return [FAILED[0], job("test", start, stop, "build", status=status, identifier=f"test at {start}")]


def told(watched: Watched, *families: Any) -> dict[tuple[str, ...], Any]:
    """What was counted in some families, without what is at 0; of a histogram its sum."""
    watched.settle()
    assert watched.ledger is not None
    values = {
        (key.family.removeprefix("circleci_"), *key.labels): cell.value
        for key, cell in watched.ledger.cells.values.items()
        if key.family in {each.name for each in families or KNOWN}
    }
    return {
        key: value.sum if isinstance(value, Distribution) else value
        for key, value in values.items()
        if (any(value.counts) if isinstance(value, Distribution) else value)
    }


def test_a_rerun_from_failed_is_partial_and_one_from_the_start_full_and_circleci_s_own_automatic() -> None:
    watched = Watched()
    runs = [
        run("failed", 0, 100),
        again("failed", 300, 350, 2),
        again("success", 400, 500, 3),
        again("canceled", 600, 650, 4, automatic=True),
    ]
    jobs = {
        1: FAILED,
        2: once_more(310, 340, "failed"),
        3: [job("build", 405, 460, identifier="x"), job("test", 470, 480, "x", identifier="y")],
        4: [job("build", 605, 640, status="canceled", identifier="z")],
    }
    watched.look(pipeline(), runs, jobs)
    assert told(watched, RERUNS, RERUN_JOB_SECONDS) == {
        ("workflow_reruns_total", "main", "partial", "failed", "build"): 1,
        ("workflow_reruns_total", "main", "full", "success", "build"): 1,
        ("workflow_reruns_total", "main", "automatic", "canceled", "build"): 1,
        ("workflow_rerun_job_seconds_total", "main", "build"): 30 + 55 + 10 + 35,
    }


def test_a_pipeline_is_rescued_once_however_often_it_is_run_again() -> None:
    watched = Watched()
    runs = [run("failed", 0, 100), again("success", 300, 350, 2)]
    jobs = {1: FAILED, 2: once_more(310, 340)}
    known = watched.look(pipeline(), runs, jobs)
    runs += [again("failed", 400, 450, 3), again("success", 500, 550, 4)]
    known = watched.look(known, runs, {3: once_more(410, 440, "failed"), 4: once_more(510, 540)}, after=60)
    assert told(watched, RESCUED) == {("workflow_rescued_total", "main", "build"): 1}
    assert told(watched, JOB_FLAKES) == {("job_flakes_total", "main", "test", "build"): 2}
    assert known.ended == ()


def test_a_rerun_that_fails_again_neither_rescues_nor_redeems_and_a_later_one_does_both() -> None:
    watched = Watched()
    runs = [run("failed", 0, 100), again("failed", 300, 350, 2)]
    known = watched.look(pipeline(), runs, {1: FAILED, 2: once_more(310, 340, "timedout")})
    assert told(watched, RESCUED, JOB_FLAKES) == {}
    watched.look(known, [*runs, again("success", 9000, 9100, 3)], {3: once_more(9010, 9020)}, after=86_400)
    assert told(watched, RESCUED, JOB_FLAKES) == {
        ("workflow_rescued_total", "main", "build"): 1,
        ("job_flakes_total", "main", "test", "build"): 2,
    }


def test_a_job_that_is_retried_within_its_run_and_then_succeeds_is_a_flake() -> None:
    watched = Watched()
    tries = [
        job("test", 5, 20, status="retried", identifier="1"),
        job("test", 21, 40, status="retried", identifier="2"),
        job("test", 41, 60, identifier="3"),
        job("lint", 5, 9, status="retried", identifier="4"),
        job("lint", 9, 12, status="failed", identifier="5"),
    ]
    watched.look(pipeline(), [run("failed", 0, 60)], {1: tries})
    assert told(watched, JOB_FLAKES) == {("job_flakes_total", "main", "test", "build"): 2}


def test_a_success_that_was_carried_over_redeems_nothing() -> None:
    watched = Watched()
    failed = [job("a", 5, 10, identifier="1"), job("a", 20, 30, status="failed", identifier="2")]
    runs = [run("failed", 0, 30), again("failed", 300, 350, 2)]
    watched.look(pipeline(), runs, {1: failed, 2: [failed[0], job("b", 310, 340, status="failed")]})
    assert told(watched, JOB_FLAKES) == {}


def test_setup_workflows_and_those_that_they_make_are_no_attempts_of_one_another() -> None:
    watched = Watched()
    setup = replace(run("success", 0, 20), setup=True)
    others = [run("failed", 30, 90, number=2), again("success", 200, 290, 3, setup=True), again("success", 300, 390, 4)]
    watched.look(pipeline(), [setup, *others], {1: [], 2: [], 3: [], 4: []})
    assert told(watched, RERUNS, RESCUED) == {
        ("workflow_reruns_total", "main", "full", "success", "build"): 2,
        ("workflow_rescued_total", "main", "build"): 1,
    }


def test_a_rerun_of_what_had_ended_before_the_first_look_is_none_of_the_first_attempts() -> None:
    watched = Watched(date=CREATED + 200)
    runs = [run("failed", 0, 100), again("success", 300, 350, 2)]
    watched.look(pipeline(), runs, {2: once_more(310, 340)})
    assert told(watched) == {
        ("workflow_reruns_total", "main", "partial", "success", "build"): 1,
        ("workflow_rerun_job_seconds_total", "main", "build"): 30,
        ("workflow_rescued_total", "main", "build"): 1,
    }


def test_what_an_event_tells_is_decided_at_the_next_look_at_the_whole_pipeline() -> None:
    watched = Watched()
    known = watched.look(pipeline(), [run("running")], {1: []})
    runs = [run("failed", 0, 100), again("success", 300, 350, 2)]
    book = watched.book()
    looks.add_run(Look(known, runs[1:], {uuid(2): once_more(310, 340)}), book, watched.project, watched.now)
    watched.close(book)
    assert told(watched, RERUNS) == {}
    assert watched.live is not None
    known = watched.live.pipelines[uuid(100)]
    known = watched.look(known, runs, {1: FAILED}, after=60)
    assert told(watched, RERUNS) == {("workflow_reruns_total", "main", "partial", "success", "build"): 1}
    assert known.settled_at is not None


def test_nothing_is_decided_where_one_of_the_runs_could_not_be_read() -> None:
    watched = Watched()
    runs = [run("failed", 0, 100), again("success", 300, 350, 2)]
    book = watched.book()
    torn = Look(pipeline(), runs[1:], whole=False)
    wanted, counted = looks.begin(torn, book, watched.project, watched.now)
    assert [each.id for each in wanted] == [uuid(2)]
    jobs = replace(torn, jobs={uuid(2): once_more(310, 340)})
    [expected] = book.live.pipelines[uuid(100)].runs
    counted += looks.add_jobs(jobs, expected, book, watched.project, watched.now)
    looks.finish(torn, counted, book, watched.project, at=watched.now, now=watched.now)
    watched.close(book)
    assert watched.live is not None
    known = watched.live.pipelines[uuid(100)]
    assert (known.settled_at, [each.told for each in known.ended]) == (None, [False])
    known = watched.look(known, runs, {1: FAILED}, after=60)
    assert told(watched, RERUNS) == {("workflow_reruns_total", "main", "partial", "success", "build"): 1}
    assert known.settled_at is not None


def test_without_jobs_only_what_runs_say_is_counted() -> None:
    watched = Watched(project("collectors: [pipelines]\npipelines: {jobs: false}"))
    runs = [run("failed", 0, 100), again("success", 300, 350, 2), again("success", 500, 550, 3, automatic=True)]
    watched.look(pipeline(), runs)
    assert told(watched) == {
        ("workflow_reruns_total", "main", "other", "success", "build"): 1,
        ("workflow_reruns_total", "main", "automatic", "success", "build"): 1,
        ("workflow_rescued_total", "main", "build"): 1,
        ("pipeline_feedback_seconds", "main", "failed"): 100,
    }


# Credits


def test_credits_of_a_rerun_are_those_of_a_run_and_wait_until_it_is_known_as_one() -> None:
    watched = Watched()
    known = watched.look(pipeline(), [run("failed", 0, 100), again("running", 300, 400, 2)], {1: FAILED, 2: []})
    book = watched.book()
    ended = Look(known, [again("success", 300, 350, 2)], {uuid(2): once_more(310, 340)})
    looks.add_run(ended, book, watched.project, watched.now)
    watched.close(book)
    assert [each.id for each in sweep(watched, row(1), row(2)).early] == [uuid(2)]
    assert watched.live is not None
    known = watched.live.pipelines[uuid(100)]
    watched.look(known, [run("failed", 0, 100), *ended.runs], {}, after=60)
    for _ in range(2):
        sweep(watched, row(1), row(2, credits_used=5))
    assert told(watched, RERUN_CREDITS, run_families.RUN_CREDITS) == {
        ("workflow_run_credits_total", "main", "build"): 12,
        ("workflow_rerun_credits_total", "main", "build"): 5,
    }


# Feedback


def test_feedback_is_the_last_stop_of_what_began_by_itself_and_no_rerun_changes_it() -> None:
    watched = Watched()
    known = watched.look(
        pipeline(), [run("running"), run("success", 0, 400, "lint", 2)], {1: [], 2: [job("a", 5, 390)]}
    )
    assert told(watched, FEEDBACK) == {}
    runs = [run("failed", 0, 110), run("success", 0, 400, "lint", 2), again("success", 500, 600, 3)]
    known = watched.look(known, runs, {1: FAILED, 3: once_more(510, 590)}, after=60)
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "failed"): 390}
    assert known.fed_back


def test_a_deploy_behind_a_hold_is_no_feedback_and_it_comes_while_the_run_waits() -> None:
    watched = Watched()
    held = [
        job("build", 5, 60),
        approval("hold", "build", status="on_hold"),
        job("deploy", None, None, "hold", status="blocked"),
        job("smoke", None, None, "deploy", status="blocked"),
    ]
    known = watched.look(pipeline(), [run("on_hold")], {1: held})
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "success"): 60}
    done = [held[0], approval("hold", "build"), job("deploy", 900, 990, "hold", status="failed")]
    watched.look(known, [run("failed", 0, 1000)], {1: done}, after=1000)
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "success"): 60}


def test_a_job_that_is_about_to_be_tried_again_is_waited_for() -> None:
    watched = Watched()
    hold = approval("hold", status="on_hold")
    retried = job("build", 5, 60, status="retried", identifier="1")
    known = watched.look(pipeline(), [run("on_hold")], {1: [retried, hold]})
    assert told(watched, FEEDBACK) == {}
    watched.look(known, [run("on_hold")], {1: [retried, hold, job("build", 61, 90)]}, after=60)
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "success"): 90}


def test_an_approval_that_was_granted_between_two_looks_leaves_the_same_feedback() -> None:
    watched = Watched()
    done = [job("build", 5, 60), approval("hold", "build"), job("deploy", 65, 90, "hold", status="failed")]
    watched.look(pipeline(), [run("failed", 0, 100)], {1: done})
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "success"): 60}


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        (("success", "error"), "failed"),
        (("canceled", "failed"), "failed"),
        (("success", "canceled"), "canceled"),
        (("unauthorized", "success"), "other"),
        (("success", "not_run"), "success"),
    ],
)
def test_the_worst_of_the_first_attempts_is_the_result(statuses: tuple[str, str], result: str) -> None:
    watched = Watched()
    runs = [run(status, 0, 100 + number, f"w{number}", number) for number, status in enumerate(statuses)]
    watched.look(pipeline(), runs, {0: [], 1: []})
    [(_, _, found)] = told(watched, FEEDBACK)
    assert found == result


def test_a_setup_that_makes_a_configuration_with_errors_has_failed() -> None:
    watched = Watched()
    watched.look(pipeline(state="errored"), [replace(run("success", 0, 30), setup=True)], {1: [job("a", 5, 20)]})
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "failed"): 20}


@pytest.mark.parametrize("state", ["errored", "created"])
def test_a_pipeline_without_workflows_has_no_feedback(state: str) -> None:
    watched = Watched()
    assert watched.look(pipeline(state=state), []).fed_back
    assert told(watched, FEEDBACK) == {}


def test_workflows_that_are_not_configured_are_no_part_of_it() -> None:
    watched = Watched(project("collectors: [pipelines]\nworkflows: {exclude: [slow]}"))
    watched.look(pipeline(), [run("success", 0, 100), run("running", 0, None, "slow", 2)], {1: [job("a", 5, 95)]})
    assert told(watched, FEEDBACK) == {("pipeline_feedback_seconds", "main", "success"): 95}


def test_without_jobs_a_run_that_was_on_hold_leaves_its_pipeline_without_feedback() -> None:
    watched = Watched(project("collectors: [pipelines]\npipelines: {jobs: false}"))
    known = watched.look(pipeline(), [run("on_hold")])
    watched.look(known, [run("success", 0, 500)], after=60)
    assert told(watched, FEEDBACK) == {}


def test_what_was_under_way_at_the_first_look_has_no_feedback() -> None:
    watched = Watched(date=CREATED + 50)
    begun = replace(pipeline(), fed_back=True)
    watched.look(begun, [run("success", 0, 100)], {1: [job("a", 5, 95)]})
    assert told(watched, FEEDBACK) == {}


# Any pipelines in any order


def _run(facts: Facts) -> WorkflowRun:
    again, setup = bool(facts["auto_rerun_number"]), bool(facts["setup"])
    times = facts["created"], facts["stopped"]
    return WorkflowRun(facts["id"], facts["name"], facts["status"], *times, automatic=again, setup=setup)


def _jobs(facts: Facts) -> list[Job]:
    return [
        Job(
            each["id"],
            each["name"],
            each["status"],
            each["type"] == "approval",
            each["started"],
            each["stopped"],
            tuple(each["dependencies"]),
        )
        for each in facts["jobs"]
    ]


class Exporter(Watched):
    """It looks at one pipeline, is told of its runs, and is restarted."""

    def known(self) -> WatchedPipeline:
        assert self.live is not None
        return self.live.pipelines.get(uuid(900), replace(pipeline(900), created_at=CREATED))

    def _look(self, runs: Iterable[Facts], *, whole: bool = True) -> Look:
        known_runs = {key for rows in self.runs.values() for key in rows}
        return Look(self.known(), [_run(each) for each in runs], known_runs=known_runs, whole=whole)

    def see(self, facts: Facts, random: Random | None = None) -> None:
        """Look at all of it; at times a row or the jobs of a run cannot be read, or an event comes between."""
        runs = {each["id"]: each for each in facts["workflows"]}

        def by_chance(often: float) -> bool:
            return random is not None and random.random() < often

        torn = {each for each in runs if by_chance(0.1)}
        look, book = self._look((runs[each] for each in runs if each not in torn), whole=not torn), self.book()
        wanted, counted = looks.begin(look, book, self.project, self.now)
        if random and runs and by_chance(0.2):
            self._event(random.choice([*runs.values()]), look, book)
        for each in wanted:
            if by_chance(0.2):
                continue
            expected = next((one for one in book.live.pipelines[uuid(900)].runs if one.id == each.id), None)
            jobs = replace(
                look, runs=[each], jobs={each.id: _jobs(runs[each.id])}, known_jobs=self.jobs | {*book.changes.jobs}
            )
            counted += looks.add_jobs(jobs, expected, book, self.project, self.now)
        looks.finish(look, counted, book, self.project, at=self.now, now=self.now)
        self.close(book)

    def hear(self, facts: Facts) -> None:
        """Be told of one run by an event."""
        book = self.book()
        self._event(facts, self._look(()), book)
        self.close(book)

    def _event(self, facts: Facts, look: Look, book: Any) -> None:
        known = book.live.pipelines.get(uuid(900), look.pipeline)
        known_runs = {*look.known_runs, *(key for rows in book.changes.runs.values() for key in rows)}
        alone = Look(known, [_run(facts)], known_runs=known_runs, known_jobs=self.jobs | {*book.changes.jobs})
        jobs = {facts["id"]: _jobs(facts)} if has_ended(facts) else {}
        if key_of(facts["id"]) not in known_runs:
            looks.add_run(replace(alone, jobs=jobs, told_by="webhook"), book, self.project, self.now)

    def restart(self) -> None:
        """Read again what was written."""
        assert self.live is not None
        read = {key: READ.read(parse(document(each))) for key, each in self.live.pipelines.items()}
        assert read == self.live.pipelines
        self.live = replace(self.live, pipelines=read)


def counted(watched: Watched) -> Samples:
    """What was counted of attempts and feedback, as the plain model has it."""
    watched.settle()
    assert watched.ledger is not None
    found: Samples = {}
    for key, cell in watched.ledger.cells.values.items():
        family = next((each for each in KNOWN if each.name == key.family), None)
        if family is None:
            continue
        labels = {**dict(zip(family.own, key.labels, strict=True)), "project": "gh/acme/web"}
        if isinstance(cell.value, Distribution):
            found[f"{family.name}_sum", tuple(sorted(labels.items()))] = cell.value.sum
            found[f"{family.name}_count", tuple(sorted(labels.items()))] = sum(cell.value.counts)
        else:
            found[family.name, tuple(sorted(labels.items()))] = cell.value
    return {series: value for series, value in found.items() if value}


@settings(max_examples=effort(60, 1000), deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_pipeline_and_whoever_tells_of_it_when_it_is_what_somebody_says_who_sees_all(random: Random) -> None:
    chance = Chance(random)
    began = CREATED - 5000 if random.random() < 0.7 else CREATED + random.randint(0, 200)
    exporter = Exporter(date=began)
    ends = sorted(
        {each["stopped"] for each in chance.facts["workflows"]}
        | {each["created"] for each in chance.facts["workflows"]}
    )
    moments = sorted([*(at + random.choice((0, 1, 30)) for at in ends), *(random.choice(ends) for _ in range(3))])
    fed = began < CREATED
    first = replace(exporter.known(), fed_back=not fed)
    book = exporter.book()
    book.watch(first)
    exporter.close(book)
    if not fed:
        exporter.see(chance.seen(began))
    for at in moments:
        if at <= began:
            continue
        exporter.now += 60
        if random.random() < 0.3:
            runs = chance.seen(at)["workflows"]
            exporter.hear(random.choice(runs)) if runs else None
        if random.random() < 0.6:
            exporter.see(chance.seen(at), random)
        if random.random() < 0.3:
            exporter.restart()
    for _ in range(2):
        exporter.now += 130
        exporter.see(chance.facts)
    rules = Rules({"gh/acme/web": began}, ["main"], (), ())
    of = {each.name for each in KNOWN}
    true = {
        series: value
        for series, value in plainly.whole(rules, [chance.facts]).items()
        if series[0].removesuffix("_sum").removesuffix("_count") in of
    }
    assert counted(exporter) == true
    assert [each for each in exporter.known().ended if not each.failures] == []
