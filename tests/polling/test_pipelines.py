"""The poll for pipelines against a synthetic CircleCI: what is asked, what is shown, what is counted."""

from __future__ import annotations

import shutil
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from exporter.insights.collector import PIPELINES_POLL, RUNS_POLL
from exporter.publishing.scrape import scrape
from exporter.runs.pipelines import ListedPipeline
from tests.running.engine import NOON, SLUG
from tests.running.watching import Watching

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400.0
SWEEPS = "runs: {sweep: 10m}"


def counted(running: Watching) -> tuple[float | None, ...]:
    return running.runs(), running.job_runs("build"), running.job_runs("test")


def test_a_run_is_seen_under_way_and_counted_at_its_end() -> None:
    with Watching() as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        assert running.in_progress() == {"running": 1}
        assert running.value("circleci_jobs_in_progress", status="running") == 1
        assert counted(running) == (0, 0, 0)
        running.end(workflow, at=NOON + 121)
        running.looks(3)
        assert running.in_progress() == {}
        assert counted(running) == (1, 1, 1)
        assert running.value("circleci_workflow_run_duration_seconds_sum", workflow="build") == 120
        assert running.value("circleci_job_run_wait_seconds_sum", job_name="test") == 10
        assert running.value("circleci_pipelines_total", outcome="created", trigger="webhook") == 1
        assert sum(running.samples("circleci_job_critical_path_seconds_total").values()) == 120


def test_what_has_ended_at_the_first_look_is_not_counted_whoever_tells_of_it_later() -> None:
    with Watching(settings=SWEEPS) as running:
        ended, going = running.start(), running.start()
        running.end(ended, at=NOON + 50, credits=5)
        running.look(60)
        running.looks(2, 900)
        running.end(going, credits=7)
        running.looks(3, 900)
        assert running.runs() == 1
        assert running.credits() == 7


def test_what_ended_before_a_backup_was_restored_is_not_counted_though_the_machine_s_clock_is_behind(
    tmp_path: Path,
) -> None:
    path, backup = tmp_path / "state.db", tmp_path / "backup.db"
    with Watching(path) as running:
        running.circle.clock.advance(40)
        running.begin()
        running.restart()
        shutil.copyfile(path, backup)
        workflow = running.start()
        running.look(90)
        running.end(workflow, at=running.now + 40)
        running.look()
        running.close()
        shutil.copyfile(backup, path)
        running.open()
        running.look()
        running.looks(3)
        assert running.runs() in {None, 0}


def test_credits_are_added_when_insights_shows_the_run_and_once() -> None:
    with Watching(settings=SWEEPS) as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        running.end(workflow, credits=11, shown=NOON + 7200)
        running.looks(7, 900)
        assert (running.runs(), running.credits()) == (1, 0)
        running.looks(4, 900)
        assert (running.runs(), running.credits()) == (1, 11)


def test_a_run_of_a_tag_counts_among_all_tags_and_insights_never_knows_of_it() -> None:
    with Watching(settings=SWEEPS) as running:
        running.begin()
        workflow = running.start(None, tag="v1")
        running.look(90)
        running.end(workflow, credits=11)
        running.looks(5, 900)
        assert running.runs(branch="all tags") == 1
        assert running.credits("all tags") == 0


def test_a_rerun_of_a_settled_pipeline_is_found_without_a_hint() -> None:
    with Watching() as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        running.end(workflow, "failed")
        running.look(60)
        stopped = running.now + 31
        jobs = [{"name": "test", "status": "success", "started": running.now + 1, "stopped": stopped}]
        running.circle.pipelines.rerun(workflow, status="success", stopped=stopped, jobs=jobs)
        running.looks(20)
        assert (running.runs("failed"), running.runs()) == (1, 1)
        assert (running.job_runs("build"), running.job_runs("test"), running.job_runs("test", "failed")) == (1, 1, 1)


def test_a_pipeline_whose_configuration_does_not_compile_is_counted_as_errored() -> None:
    with Watching() as running:
        running.begin()
        running.circle.pipelines.add(SLUG, state="errored", errors=(("config", "Unable to parse YAML"),))
        running.look(900)
        running.look(60)
        assert running.value("circleci_pipelines_total", outcome="errored", branch="main") == 1
        assert running.value("circleci_pipelines_total", outcome="created", branch="main") == 0


def test_a_look_that_learns_nothing_costs_one_call_and_renders_nothing() -> None:
    with Watching(settings="pipelines: {jobs: false}") as running:
        running.begin()
        running.start()
        running.look(900)
        running.looks(3)
        shown = running.engine.store.exposition
        running.asked()
        running.look(60)
        assert len([path for path in running.asked() if path.endswith("/workflow")]) == 1
        assert running.engine.store.exposition is shown


def test_without_jobs_there_is_no_number_of_jobs_in_progress_not_even_0() -> None:
    for jobs, shown in ("false", False), ("true", True):
        with Watching(settings=f"pipelines: {{idle_interval: 1m, jobs: {jobs}}}") as running:
            running.begin()
            running.start()
            running.looks(3, 90)
            assert running.in_progress() == {"running": 1}
            assert bool(running.samples("circleci_jobs_in_progress")) is shown


def test_what_is_under_way_is_looked_at_even_while_the_list_fails() -> None:
    with Watching() as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        running.circle.fail("server_error", "/project/gh/acme/web/pipeline")
        running.end(workflow)
        running.looks(2)
        assert running.runs() == 1
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 0
        running.circle.heal()
        running.look(60)
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1


def test_one_pipeline_that_cannot_be_looked_at_costs_no_other() -> None:
    with Watching() as running:
        running.begin()
        workflows = [running.start() for _ in range(3)]
        running.look(90)
        pipeline = running.circle.pipelines.truth()[0]["id"]
        running.circle.fail("server_error", f"/pipeline/{pipeline}/workflow")
        for workflow in workflows:
            running.end(workflow)
        running.looks(2)
        assert (running.runs(), running.in_progress()) == (2, {"running": 1})
        running.circle.heal()
        running.looks(2)
        assert (running.runs(), running.in_progress()) == (3, {})


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite") as running:
        running.begin()
        first, second = running.start(), running.start()
        running.look(90)
        running.end(first)
        running.looks(2)
        running.restart()
        assert (running.runs(), running.in_progress()) == (1, {"running": 1})
        running.end(second)
        running.look(60)
        assert counted(running) == (2, 2, 2)


def test_a_commit_that_fails_counts_nothing_until_it_succeeds(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite") as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        running.end(workflow)
        connection = running.engine.state._connection
        connection.execute("PRAGMA query_only = ON")
        running.look(60)
        assert running.runs() == 0
        assert running.value("circleci_exporter_collector_failures_total", collector="pipelines", reason="state") == 1
        connection.execute("PRAGMA query_only = OFF")
        running.looks(2)
        assert counted(running) == (1, 1, 1)


def test_counters_of_runs_go_on_when_pipelines_are_switched_on_and_off(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite", "runs: {sweep: 10m, interval: 5m}", "runs") as running:
        running.look()
        first = running.start()
        running.end(first, at=NOON + 50, credits=3, shown=NOON + 60)
        running.looks(3, 3600)
        assert (running.runs(), running.credits()) == (1, 3)
        second = running.start()
        running.end(second, at=running.now + 50, credits=4, shown=running.now + 7200)
        running.pass_time(60)
        running.restart(collectors="pipelines")
        running.looks(3)
        assert (running.runs(), running.credits()) == (2, 3)
        third = running.start()
        running.looks(2)
        running.end(third, credits=5, shown=running.now + 7200)
        running.looks(2)
        assert running.runs() == 3
        running.restart(collectors="runs")
        running.looks(30, 300)
        assert (running.runs(), running.credits()) == (3, 12)


@pytest.mark.parametrize("refusal", ["not_found", "forbidden"])
def test_run_counters_stay_shown_when_pipelines_are_switched_on_and_their_list_is_refused(refusal: str) -> None:
    settings = "runs: {sweep: 10m, interval: 5m}, pipelines: {idle_interval: 1m}"
    with Watching(settings=settings, collectors="runs") as running:
        running.look()
        running.end(running.start(), at=NOON + 50, credits=3, shown=NOON + 60)
        running.looks(3, 3600)
        running.circle.fail(refusal, f"/project/{SLUG}/pipeline")
        running.switch("pipelines")
        for _ in range(20):
            assert running.runs() == 1
            assert running.samples("circleci_workflow_runs_in_progress") == {}
            running.look(300)
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 0
        running.circle.fail("server_error", "/insights/")
        running.looks(17, 900)
        assert running.runs() is None  # its own list could not be read for too long either
        running.circle.heal()
        running.looks(2, 900)
        assert running.runs() == 1
        assert running.in_progress() == {}
        assert len(running.samples("circleci_workflow_runs_in_progress", workflow="build")) == 5


def test_the_setup_workflow_of_a_pipeline_that_then_errs_is_counted() -> None:
    with Watching() as running:
        running.begin()
        workflow = running.start(state="errored", before=[("setup", NOON + 200)])
        running.end(workflow, at=NOON + 121)
        running.look(900)
        running.look(60)
        assert counted(running) == (1, 1, 1)
        assert running.value("circleci_pipelines_total", outcome="errored", branch="main") == 1
        running.asked()
        running.looks(3, 900)
        assert [path for path in running.asked() if path.endswith("/workflow")] == []


@pytest.mark.parametrize("days", [-4, 4])
def test_a_clock_that_is_days_wrong_neither_hides_a_pipeline_nor_ends_it_early(days: int) -> None:
    with Watching() as running:
        running.now += days * DAY
        running.begin()
        workflow = running.start(state="created", before=[("setup", NOON + 300)])
        running.look(90)
        assert running.in_progress() == {"running": 1}
        assert running.value("circleci_pipelines_total", outcome="created", branch="main") is None
        running.end(workflow, at=NOON + 121)
        running.looks(8)
        assert running.runs() == 1
        assert running.value("circleci_pipelines_total", outcome="created", branch="main") == 1
        running.end(running.start(), at=running.circle.clock.now() + 60)
        running.looks(4)
        assert running.runs() == 2


def test_a_clock_of_circleci_that_is_set_back_after_the_first_look_loses_no_count() -> None:
    with Watching() as running:
        clock = running.circle.clock
        clock.advance(600)

        def ended() -> None:
            """A run of half a minute that ends now, by CircleCI's clock."""
            created, stopped = clock.now() - 30, clock.now()
            jobs = [{"name": "test", "status": "success", "started": created + 1, "stopped": stopped}]
            workflow = {"name": "build", "status": "success", "created": created, "stopped": stopped, "jobs": jobs}
            running.circle.pipelines.add(SLUG, created=created, workflows=[workflow])

        for _ in range(25):  # more than a page
            clock.advance(-1)
            ended()
        clock.advance(25)
        running.look()
        clock.advance(-600)
        running.pass_time(31)
        for _ in range(3):
            for _ in range(10):
                running.pass_time(6)
                ended()
            running.look()
        running.looks(3)
        assert (running.runs(), running.job_runs("test")) == (30, 30)
        assert running.value("circleci_pipelines_total", outcome="created") == 30


def test_jobs_of_a_run_that_is_on_hold_for_longer_than_the_lookback_count_once() -> None:
    with Watching(settings="runs: {lookback: 1d, sweep: 10m}") as running:
        running.begin()
        workflow = running.start()
        running.circle.pipelines.change_workflow(workflow, status="on_hold")
        running.looks(2, 90)
        assert running.job_runs("build") == 1
        for _ in range(5):
            running.looks(3, DAY / 3)
            running.start()  # something else goes on, and is committed
            running.looks(2)
        running.end(workflow)
        running.looks(3, 900)
        assert running.job_runs("build") == 6


def test_what_is_counted_stays_shown_while_the_organizations_list_shows_that_nothing_is_new() -> None:
    with Watching(settings="pipelines: {idle_interval: 5m}") as running:
        running.begin()
        workflow = running.start()
        running.looks(2, 90)
        running.end(workflow)
        running.looks(3)
        coverage, kind = running.engine.coverage, running.engine.kinds[PIPELINES_POLL]
        [pipeline] = running.circle.pipelines.truth()
        newest = ListedPipeline(pipeline["id"], SLUG, 1, "created", pipeline["created"], "webhook", "main", "")
        running.asked()
        for _ in range(180):
            coverage.saw("gh/acme", [newest.id], [newest], running.now, 60)
            running.pass_time(60)
            snapshot = running.engine.store.get(SLUG)
            assert snapshot is not None
            if (kind.due(snapshot) or 0) <= running.now:
                running.look()
            renewed = running.engine.store.get(SLUG)
            assert renewed is not None
            running.engine.store.publish([renewed], running.now)
            assert running.runs() == 1
        assert len([path for path in running.asked() if path.endswith("/pipeline")]) < 10


def test_what_is_held_back_is_seen_at_0_once_more_after_a_restart_then_rises(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite") as running:
        running.begin()
        running.end(running.start(), at=NOON + 71)
        running.look(90)  # born, and held back
        running.close()
        running.pass_time(100)
        running.restart()
        assert counted(running) == (0, 0, 0)
        running.look(1)
        assert counted(running) == (0, 0, 0)
        snapshot = running.engine.store.get(SLUG)
        assert snapshot is not None
        assert running.engine.kinds[PIPELINES_POLL].interval(snapshot) <= 60
        running.look(60)
        assert counted(running) == (1, 1, 1)


class Slow(Watching):
    """Its clock goes on whenever it is read, by so many seconds, so that a look takes a while."""

    tick = 0.0

    @property
    def now(self) -> float:
        self._now += self.tick
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        self._now = now


def test_a_series_is_at_0_for_an_interval_from_when_it_was_published_however_long_the_look_took() -> None:
    running = Slow()
    try:
        running.begin()
        running.end(running.start(), at=NOON + 71)
        running.pass_time(90)
        poll = running.engine.begin(SLUG, PIPELINES_POLL)
        assert poll is not None
        running.tick = 1.0
        more = poll.step()
        running.tick = 0.0
        published = running.now
        while more:
            more = poll.step()
        assert published > NOON + 91 + 15
        assert counted(running) == (0, 0, 0)
        while counted(running) == (0, 0, 0):
            snapshot = running.engine.store.get(SLUG)
            assert snapshot is not None
            running.look(running.engine.kinds[PIPELINES_POLL].interval(snapshot))
        assert counted(running) == (1, 1, 1)
        assert 58 <= running.now - published <= 61
    finally:
        running.close()
        running.circle.stop()


def test_an_answer_with_an_entry_that_cannot_be_read_costs_nothing_once_it_can_be_read() -> None:
    with Watching() as running:
        running.begin()
        workflow, tag = running.start(), running.start(None, tag="v1")
        running.look(90)
        running.circle.fail("put", "/workflow/[^/]*/job", path="items.0.id")
        running.circle.fail("put", "/pipeline/[^/]*/workflow", times=2, path="items.0.name", value=7)
        running.look(90)
        assert running.in_progress() == {"running": 1}
        for each in (workflow, tag):
            running.end(each)
        running.looks(2, 90)
        running.circle.heal()
        running.looks(3, 90)
        assert (running.runs(), running.runs(branch="all tags")) == (1, 1)
        assert (running.job_runs("build"), running.job_runs("test")) == (2, 2)
        assert running.in_progress() == {}


def test_a_pipeline_that_could_not_be_read_in_the_list_is_found_by_the_next_walk() -> None:
    with Watching() as running:
        running.begin()
        running.start()
        running.circle.fail("put", "/project/gh/acme/web/pipeline", times=1, path="items.1.created_at", value="noon")
        running.pass_time(1)
        running.start()
        running.look(90)
        assert running.in_progress() == {"running": 1}
        running.look(60)
        assert running.in_progress() == {"running": 2}


def test_jobs_that_can_never_be_read_cost_only_themselves() -> None:
    with Watching() as running:
        running.begin()
        workflow = running.start()
        running.circle.fail("put", "/workflow/[^/]*/job", path="items.0.id")
        running.look(90)
        running.end(workflow)
        running.looks(40, 120)
        assert (running.runs(), running.job_runs("build"), running.job_runs("test")) == (1, None, 1)


def test_a_pipeline_that_is_listed_later_than_a_newer_one_is_found() -> None:
    with Watching() as running:
        running.begin()
        running.pass_time(30)
        running.start()
        running.look(30)
        running.start(created=NOON + 5)
        running.look(60)
        assert running.in_progress() == {"running": 2}


def test_a_pipeline_that_is_listed_late_is_found_behind_a_page_of_newer_ones() -> None:
    with Watching() as running:
        running.begin()
        for number in range(25):
            running.circle.pipelines.add(SLUG, "main", created=NOON + 20 + number, state="errored")
        running.look(60)
        running.circle.pipelines.add(SLUG, "main", created=NOON + 15, state="errored")
        running.looks(4)
        assert running.value("circleci_pipelines_total", outcome="errored") == 26
        running.asked()
        running.look(60)
        assert (
            len([path for path in running.asked() if path.endswith("/pipeline")]) == 1
        )  # none of them is new any more


def test_a_workflow_that_insights_does_not_list_is_shown_all_the_same() -> None:
    with Watching(settings=SWEEPS) as running:
        running.begin()
        running.end(running.start(None, tag="v1"), at=NOON + 61)
        running.looks(3)
        running.looks(30, 3600)  # the names of Insights' workflows are read again
        assert running.runs(branch="all tags") == 1
        running.end(running.start(None, tag="v2"), at=running.now + 61)
        running.looks(3)
        assert running.runs(branch="all tags") == 2


def test_credits_of_a_run_that_took_longer_than_the_lookback_are_added(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite", "runs: {lookback: 2d, sweep: 10m}") as running:
        running.begin()
        workflow = running.start()
        running.circle.pipelines.change_workflow(workflow, status="on_hold")
        running.looks(2, 90)
        for _ in range(10):
            running.end(running.start(), at=running.now + 60, credits=1)
            running.looks(3, DAY / 4)
        assert (running.runs(), running.credits()) == (10, 10)
        running.end(workflow, credits=7, shown=running.now + DAY * 0.9)
        running.looks(3, 900)
        assert (running.runs(), running.credits()) == (11, 10)
        running.restart()
        running.looks(24, 3600)
        assert (running.runs(), running.credits()) == (11, 17)


def rerun_of_what_is_forgotten(running: Watching) -> str:
    """Have a run happen of which only Insights tells: a re-run of a pipeline older than the lookback."""
    running.begin()
    workflow = running.start()
    running.looks(2, 90)
    running.end(workflow)
    running.looks(24, 600)
    assert running.runs() == 1
    created, stopped = running.now + 1, running.now + 31
    jobs = [{"name": "test", "status": "success", "started": created, "stopped": stopped}]
    again = running.circle.pipelines.rerun(workflow, status="success", stopped=stopped, created=created, jobs=jobs)
    running.pass_time(60)
    return again.id


def missed(running: Watching) -> tuple[float | None, list[str], float | None]:
    """How many runs were missed, those that the log names, and how many Insights told of first."""
    named = [call.kwargs["workflow_id"] for call in running.log.calls if "missed" in str(call.args[0])]
    delays = running.value("circleci_exporter_run_delay_seconds_count", source="insights")
    return running.value("circleci_exporter_missed_runs_total"), named, delays


def test_a_run_that_only_insights_has_told_of_is_counted_as_missed_and_named_once_also_over_a_kill(
    tmp_path: Path,
) -> None:
    settings = "pipelines: {idle_interval: 1m}, runs: {lookback: 1h, sweep: 10m}"
    with Watching(tmp_path / "state.sqlite", settings) as running:
        rerun = rerun_of_what_is_forgotten(running)
        assert missed(running) == (0, [], 0)
        running.circle.fail("forbidden", "/pipeline/[^/]*/workflow$")
        running.looks(15)
        assert running.runs() == 1
        running.circle.heal()
        running.restart()
        running.looks(25)
        assert (running.runs(), *missed(running)) == (2, 1, [rerun], 1)
        running.restart()
        running.looks(25)
        assert missed(running) == (1, [rerun], 0)  # delays are of this process


def test_a_rerun_that_insights_shows_before_its_pipeline_is_looked_at_again_is_missed(tmp_path: Path) -> None:
    settings = "pipelines: {idle_interval: 1m}, runs: {lookback: 3d, sweep: 10m}"
    with Watching(tmp_path / "state.sqlite", settings) as running:
        running.begin()
        workflow = running.start()
        running.looks(2, 90)
        running.end(workflow)
        running.looks(24, 3600)
        created, stopped = running.now + 1, running.now + 31
        jobs = [{"name": "test", "status": "success", "started": created, "stopped": stopped}]
        running.circle.pipelines.rerun(workflow, status="success", stopped=stopped, created=created, jobs=jobs)
        running.looks(1, 60)
        running.looks(20, 3600)
        assert running.runs() == 2
        count, named, delays = missed(running)
        assert (count, len(named), delays) == (1, 1, 1)


def test_a_rerun_that_a_look_finds_is_not_missed_though_insights_told_of_its_pipeline_first() -> None:
    with Watching(settings=SWEEPS) as running:
        running.begin()
        running.end(running.start(), at=running.now + 61)
        running.looks(3)
        running.circle.fail("forbidden", "/project/.*/pipeline$")
        first = running.start()
        running.end(first, at=running.now + 61)
        running.looks(30)
        running.circle.heal()
        running.looks(20)
        assert (running.runs(), missed(running)[0]) == (2, 1)
        again = running.circle.pipelines.rerun(first, status="running")
        running.looks(40, 120)
        running.circle.pipelines.change_workflow(again.id, status="success", stopped=running.now)
        running.looks(25)
        assert (running.runs(), missed(running)[0]) == (3, 1)


def test_no_run_is_missed_that_looks_have_found(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite", SWEEPS) as running:
        running.begin()
        for _ in range(3):
            running.end(running.start(), at=running.now + 61, credits=3)
            running.looks(20)
        running.looks(60)
        assert (running.runs(), running.credits(), *missed(running)) == (3, 9, 0, [], 0)


@pytest.mark.parametrize("refusal", ["not_found", "forbidden"])
def test_a_run_that_only_insights_knows_counts_with_its_jobs_although_it_was_refused_once(refusal: str) -> None:
    with Watching(settings="pipelines: {idle_interval: 1m}, runs: {lookback: 1h, sweep: 10m}") as running:
        rerun_of_what_is_forgotten(running)
        fault = running.circle.fail(refusal, "/workflow/[^/]*$", times=1)
        running.looks(25)
        assert fault.hits == 1
        assert (running.runs(), running.job_runs("test")) == (2, 2)


def test_a_run_that_only_insights_knows_and_that_is_refused_at_two_sweeps_counts_as_told_without_its_jobs() -> None:
    with Watching(settings="pipelines: {idle_interval: 1m}, runs: {lookback: 1h, sweep: 10m}") as running:
        rerun_of_what_is_forgotten(running)
        running.circle.fail("not_found", "/workflow/[^/]*$")
        running.asked()
        running.looks(9)
        assert running.runs() == 1
        running.looks(20)
        assert (running.runs(), running.job_runs("test")) == (2, 1)
        assert len([path for path in running.asked() if path.startswith("/workflow/") and path.count("/") == 2]) == 2


@pytest.mark.parametrize("buckets", ["[1m]", "[31s, 61s, 2m, 5m, 10m, 20m, 40m, 1h, 2h, 4h]"])
def test_a_histogram_that_other_buckets_have_begun_anew_is_new_in_the_state_as_well(
    tmp_path: Path, buckets: str
) -> None:
    counts = "circleci_job_run_duration_seconds_count", "circleci_job_run_wait_seconds_count"
    with Watching(tmp_path / "state.sqlite") as running:
        running.begin()
        running.end(running.start(), at=NOON + 121)
        running.looks(3, 90)
        assert [running.value(name, job_name="test") for name in counts] == [1, 1]
        running.restart(
            settings=f"pipelines: {{idle_interval: 1m, wait_buckets: {buckets}}}, runs: {{buckets: {buckets}}}"
        )
        running.look(60)
        for _ in range(2):
            assert [running.value(name, job_name="test") for name in counts] == [0, 0]
            assert running.job_runs("test") == 1
            running.restart()
            running.look()
        assert running.samples("circleci_exporter_state_damaged_records_total", kind="counter") == {
            '{kind="counter"}': 0
        }


def test_without_jobs_counters_of_jobs_are_not_shown_and_they_come_back_with_what_they_had(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite") as running:
        running.begin()
        running.end(running.start(), at=NOON + 121)
        running.looks(3, 90)
        running.restart(settings="pipelines: {idle_interval: 1m, jobs: false}")
        running.look(60)
        assert (running.runs(), running.job_runs("test")) == (1, None)
        assert running.samples("circleci_job_critical_path_seconds_total") == {}
        running.restart(settings="pipelines: {idle_interval: 1m}")
        running.look(60)
        assert (running.runs(), running.job_runs("test")) == (1, 1)


def exemplars(running: Watching) -> dict[str, str]:
    """What stands behind the buckets in OpenMetrics, by the sample before it."""
    pieces, _ = scrape(running.engine.store, running.engine.telemetry, openmetrics=True, gzip=False)
    lines = [line for line in b"".join(pieces).decode().splitlines() if " # {" in line]
    return {line.partition(" # ")[0]: line.partition(" # ")[2] for line in lines}


def test_exemplars_survive_a_restart(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.sqlite") as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        running.end(workflow, at=NOON + 121)
        running.looks(3)
        before = exemplars(running)
        assert len(before) == 3  # of the run, and of its two jobs
        assert all(text.startswith(f'{{workflow_id="{workflow}"}} ') for text in before.values())
        running.restart()
        assert exemplars(running) == before


# How it went


def went(running: Watching, collector: str = "pipelines") -> tuple[float | None, float | None]:
    """Success, and how old the newest success is."""
    newest = running.value("circleci_exporter_collector_last_success_timestamp_seconds", collector=collector)
    age = None if newest is None else running.now - newest
    return running.value("circleci_exporter_collector_success", collector=collector), age


def logged(running: Watching, *events: str) -> list[str]:
    return [str(call.args[0]) for call in running.log.calls if call.args[0] in events]


@pytest.mark.parametrize("refusal", ["not_found", "forbidden"])
def test_while_the_list_is_refused_no_other_answer_is_a_success(refusal: str) -> None:
    with Watching() as running:
        running.begin()
        running.start()
        running.look(90)
        assert went(running) == (1, 0)
        running.circle.fail(refusal, "/project/gh/acme/web/pipeline")
        for seconds in range(10, 310, 10):
            running.look(10)
            if seconds >= 60:
                assert went(running) == (0, seconds)
        assert len([path for path in running.asked() if path.endswith("/workflow")]) > 1, "all else is asked"
        assert logged(running, "project is failing", "project recovered") == ["project is failing"]
        running.circle.heal()
        running.look(60)
        assert went(running) == (1, 0)
        assert logged(running, "project is failing", "project recovered")[1:] == ["project recovered"]


@pytest.mark.parametrize("of", ["/pipeline/[^/]*/workflow", "/workflow/[^/]*/job"])
def test_a_look_that_failed_fails_every_step_until_it_succeeds(of: str) -> None:
    with Watching() as running:
        running.begin()
        workflow = running.start()
        running.look(90)
        running.circle.fail("forbidden", of)
        for _ in range(30):
            running.look(10)
        success, age = went(running)
        assert success == 0
        assert age is not None
        assert age >= 200
        assert logged(running, "project is failing", "project recovered") == ["project is failing"]
        running.circle.heal()
        running.end(workflow)
        running.looks(2)
        assert went(running)[0] == 1


def test_a_step_that_asks_nothing_renews_nothing() -> None:
    with Watching(settings="pipelines: {interval: 1m, idle_interval: 15m}, runs: {sweep: 1h}") as running:
        running.begin()
        running.start()
        running.look(90)
        running.asked()
        for collector in ("pipelines", "runs"):
            assert went(running, collector)[0] == 1
        before = [went(running, collector)[1] for collector in ("pipelines", "runs")]
        for _ in range(5):
            running.look(5)
        assert running.asked() == []
        snapshot = running.engine.store.get(SLUG)
        assert snapshot is not None
        for collector, age in zip(("pipelines", "runs"), before, strict=True):
            newest = snapshot.outcomes[collector].last_success
            assert newest is not None
            assert age is not None
            assert running.now - newest == age + 25


def test_a_workflow_whose_list_of_runs_is_refused_fails_runs_until_it_is_read() -> None:
    with Watching(settings=SWEEPS) as running:
        running.begin()
        for workflow in ("build", "deploy"):
            pipeline = running.circle.pipelines.add(SLUG)
            jobs = [{"name": "test", "status": "success", "started": running.now, "stopped": running.now + 5}]
            running.circle.pipelines.add_workflow(
                pipeline.id, workflow, status="success", stopped=running.now + 5, jobs=jobs
            )
        running.looks(2)
        running.circle.fail("forbidden", "/workflows/build")
        results = []
        for _ in range(20):
            running.look(120)
            results.append(went(running, "runs")[0])
        assert results[-10:] == [0] * 10
        assert went(running)[0] == 1, "what runs now is known all the same"
        running.circle.heal()
        running.looks(30, 120)
        assert went(running, "runs")[0] == 1


def test_the_shown_interval_of_runs_is_the_longest_time_between_two_reads_of_what_brings_nothing() -> None:
    with Watching(settings="runs: {sweep: 10m}") as running:
        running.begin()
        running.start()
        every = running.value("circleci_exporter_collector_interval_seconds", collector="runs")
        assert every == 4800
        ages = []
        for _ in range(200):
            running.look(300)
            ages.append(went(running, "runs")[1] or 0.0)
        assert every - 300 <= max(ages) <= every + 600
        assert went(running, "runs")[0] == 1


def test_a_project_without_a_workflow_is_asked_for_the_names_so_often_that_runs_are_not_stale() -> None:
    with Watching(settings="runs: {sweep: 10m}") as running:
        for _ in range(40):
            running.look(300)
            success, age = went(running, "runs")
            assert success == 1
            assert age is not None
            assert age <= 4800


def test_a_pipeline_that_can_never_be_looked_at_is_set_aside_and_leaves_with_the_lookback(tmp_path: Path) -> None:
    settings = "pipelines: {idle_interval: 15m}, runs: {lookback: 1d, sweep: 1h}"
    with Watching(tmp_path / "state.sqlite", settings=settings) as running:
        running.begin()
        running.start()
        broken = running.circle.pipelines.truth()[0]["id"]
        running.circle.fail("forbidden", f"/pipeline/{broken}/workflow")

        def said() -> list[str]:
            return [str(call.args[0]) for call in running.log.calls if call.args[0] != "CircleCI accepts the token"]

        running.pass_time(1)
        running.start()
        for _ in range(60):
            running.look(60)
            assert len(said()) < 4
        assert said().count("pipeline set aside") == said().count("project is failing") == 1
        assert said()[-1] == "project recovered"
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1
        assert running.in_progress() == {"running": 1}
        running.asked()
        running.restart()
        for _ in range(60):
            running.look(60)
            assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1
        assert said().count("pipeline set aside") == 1
        looks = [path for path in running.asked() if broken in path]
        assert len(looks) == 4
        running.looks(24, 3600)
        running.asked()
        running.looks(5, 3600)
        assert [path for path in running.asked() if broken in path] == []


def test_looks_that_all_fail_with_the_list_set_nothing_aside() -> None:
    with Watching(settings="pipelines: {idle_interval: 15m}") as running:
        running.begin()
        running.start()
        running.look(60)
        running.circle.fail("forbidden", "/pipeline")
        running.looks(40, 300)
        assert "pipeline set aside" not in {str(call.args[0]) for call in running.log.calls}
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 0
        assert running.in_progress() == {}
        assert running.samples("circleci_workflow_runs_in_progress") == {}


def test_an_ended_run_whose_jobs_circleci_does_not_know_settles_without_any() -> None:
    with Watching(settings="pipelines: {idle_interval: 15m}") as running:
        running.begin()
        workflow = running.start()
        running.look(60)
        running.end(workflow)
        running.circle.fail("not_found", f"/workflow/{workflow}/job")
        running.asked()
        running.looks(30)
        assert len([path for path in running.asked() if path.endswith("/job")]) == 3
        assert running.runs() == 1
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1
        assert sum(running.samples("circleci_jobs_in_progress").values()) == 0


def live_through(running: Watching, seconds: float, poll: str = PIPELINES_POLL) -> list[str]:
    """Poll as the schedule would for so long; the paths that were asked for."""
    running.asked()
    kind, end = running.engine.kinds[poll], running.now + seconds
    while running.now < end:
        snapshot = running.engine.store.get(SLUG)
        assert snapshot is not None
        running.look(kind.interval(snapshot))
    return running.asked()


def test_a_project_that_was_never_found_is_asked_for_at_growing_gaps_up_to_a_day() -> None:
    with Watching() as running:
        running.circle.fail("not_found", SLUG)
        running.look()
        assert len(live_through(running, DAY)) <= 12
        assert set(live_through(running, 5 * DAY)) == {f"/project/{SLUG}"}
        running.circle.heal()
        running.start()
        live_through(running, DAY)
        assert running.in_progress() == {"running": 1}
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1


def test_a_project_that_is_gone_is_asked_for_at_growing_gaps_and_found_again() -> None:
    with Watching(settings="pipelines: {idle_interval: 15m}") as running:
        running.begin()
        running.start()
        running.look(900)
        running.circle.fail("not_found", f"{SLUG}|/pipeline|/workflow")
        asked = live_through(running, DAY)
        assert len(asked) <= 25
        assert set(live_through(running, 3 * DAY)) == {f"/project/{SLUG}"}
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 0
        running.circle.heal()
        live_through(running, 2 * DAY)
        assert running.in_progress() == {"running": 1}


def test_facts_that_cannot_be_read_and_a_token_that_is_refused_are_asked_again_ever_more_seldom() -> None:
    for refusal in ("forbidden", "unauthorized"):
        with Watching(settings="pipelines: {idle_interval: 15m}") as running:
            running.circle.fail(refusal)
            running.look()
            snapshot = running.engine.store.get(SLUG)
            assert snapshot is not None
            gaps = []
            for _ in range(7):
                gaps.append(running.engine.kinds[PIPELINES_POLL].interval(snapshot))
                running.look(gaps[-1])
            assert gaps == [60, 120, 240, 480, 900, 900, 900]


def test_a_list_that_is_refused_is_asked_for_ever_more_seldom_while_looks_go_on() -> None:
    with Watching(settings="pipelines: {idle_interval: 15m}") as running:
        running.begin()
        workflow = running.start()
        running.look(900)
        running.circle.fail("forbidden", f"/project/{SLUG}/pipeline")
        asked = live_through(running, 1500)
        assert len([path for path in asked if path.endswith(f"{SLUG}/pipeline")]) <= 5
        running.end(workflow)
        live_through(running, 600)
        assert running.runs() == 1


def test_runs_alone_ask_for_a_project_that_is_not_found_at_growing_gaps_too() -> None:
    with Watching(collectors="runs") as running:
        running.circle.fail("not_found", SLUG)
        asked = live_through(running, DAY, RUNS_POLL)
        assert len(asked) <= 12
        running.circle.heal()
        live_through(running, 2 * DAY, RUNS_POLL)
        assert running.value("circleci_exporter_collector_success", collector="runs") == 1
        running.circle.fail("not_found", SLUG)
        assert len(live_through(running, DAY, RUNS_POLL)) <= 24


def test_what_the_limit_leaves_out_counts_also_where_nothing_new_is_seen() -> None:
    with Watching(settings="max_series: 60") as running:
        running.begin()
        running.end(running.start())
        running.looks(3)
        dropped = [running.value("circleci_exporter_dropped_series_total", reason="max_series")]
        for _ in range(3):
            running.look(900)
            dropped.append(running.value("circleci_exporter_dropped_series_total", reason="max_series"))
        steps = {after - before for before, after in pairwise(dropped) if before is not None and after is not None}
        assert len(steps) == 1
        assert steps.pop() > 0
        assert running.runs() == 1
        assert running.samples("circleci_job_run_wait_seconds_count") == {}
        logged = [str(call.args[0]) for call in running.log.calls]
        assert logged.count("limit exceeded, data dropped") == 1
