"""Following what events tell of: calls, counts, and what happens when CircleCI does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from exporter.insights.collector import PIPELINES_POLL
from exporter.runs.hints import Hint
from tests.running.engine import NOON, SLUG
from tests.running.watching import Watching

if TYPE_CHECKING:
    from pathlib import Path

SELDOM = "pipelines: {interval: 1h}"
STRANGER = "7d2f6b84-1c3e-4a55-8f90-6e5d4c3b2a19"


def tell(running: Watching, workflow: str, *, ended: bool = True, slug: str = SLUG, pipeline: str = "") -> bool:
    return running.engine.inbox.accept(Hint(slug, workflow, pipeline, ended, running.now))


def of_hints(running: Watching) -> list[str]:
    """What was asked of pipelines since the last call, by kind."""
    kinds = []
    for path in running.asked():
        parts = path.split("?")[0].strip("/").split("/")
        match parts:
            case ["workflow", _]:
                kinds.append("workflow")
            case ["workflow", _, "job"]:
                kinds.append("jobs")
            case ["pipeline", _]:
                kinds.append("pipeline")
            case ["pipeline", _, "workflow"]:
                kinds.append("look")
            case ["project", *_, "pipeline"]:
                kinds.append("list")
    return kinds


def delays(running: Watching, source: str) -> float | None:
    return running.value("circleci_exporter_run_delay_seconds_count", source=source)


def test_a_run_that_nothing_else_knows_is_counted_in_three_calls() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.end(workflow, at=NOON + 121)
        running.asked()
        assert tell(running, workflow)
        running.look(121)
        assert of_hints(running) == ["workflow", "pipeline", "jobs"]
        running.look(60)
        assert (running.runs(), running.job_runs("test")) == (1, 1)
        assert (delays(running, "webhook"), delays(running, "pipelines")) == (1, 0)
        assert running.value("circleci_pipelines_total", outcome="created", trigger="webhook") == 1
        assert running.engine.state.hints() == []


def test_a_run_whose_creation_cannot_be_read_is_counted_by_a_look_at_its_pipeline() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.end(workflow, "failed", at=NOON + 121)
        running.asked()
        running.circle.pipelines.change_workflow(workflow, dated=False)
        assert tell(running, workflow)
        running.look(121)
        assert of_hints(running)[:4] == ["workflow", "pipeline", "look", "jobs"]
        running.look(61)
        assert (running.runs("failed"), running.job_runs("test", "failed")) == (1, 1)
        assert running.value("circleci_workflow_run_duration_seconds_count", branch="main") == 0
        for field in ("created_at", "stopped_at"):
            assert running.value("circleci_exporter_unreadable_fields_total", field=field, collector="pipelines")


def test_a_run_that_is_watched_is_counted_in_two_calls_and_its_source_is_the_webhook() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.look(3600)
        assert running.in_progress() == {"running": 1}
        running.end(workflow)
        running.asked()
        assert tell(running, workflow)
        running.look()
        assert of_hints(running) == ["workflow", "jobs"]
        assert running.in_progress() == {}
        running.look(60)
        assert (running.runs(), running.job_runs("test"), delays(running, "webhook")) == (1, 1, 1)


def test_events_about_a_counted_run_cost_no_call_and_count_nothing() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.end(workflow, at=NOON + 121)
        tell(running, workflow)
        running.look(121)
        running.asked()
        for ended in (True, False, True):
            assert tell(running, workflow, ended=ended)
            running.look(1)
        assert of_hints(running) == []
        assert running.engine.state.hints() == []
        running.look(60)
        assert running.runs() == 1


def test_a_thousand_events_of_one_run_that_wait_are_one_hint() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.end(workflow, at=NOON + 121)
        assert all(tell(running, workflow) for _ in range(1000))
        assert [version for _, version in running.engine.state.hints()] == [1]
        running.asked()
        running.look(121)
        assert len(of_hints(running)) == 3


def test_an_event_that_comes_while_its_run_is_asked_about_makes_it_asked_about_again() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        tell(running, workflow)
        (taken,) = running.engine.inbox.take(SLUG, 10)
        tell(running, workflow)
        running.engine.state.drop_hints({workflow: taken.version})
        running.engine.inbox.followed(SLUG, {workflow: taken.version})
        running.end(workflow, at=NOON + 121)
        running.look(121)
        running.look(60)
        assert running.runs() == 1


def test_a_job_that_ended_makes_its_run_watched_at_once_and_further_ones_cost_nothing() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.asked()
        for _ in range(3):
            assert tell(running, workflow, ended=False)
            running.look(1)
        assert of_hints(running) == ["workflow", "pipeline"]
        assert running.in_progress() == {"running": 1}
        running.end(workflow)
        tell(running, workflow)
        running.look(1)
        assert of_hints(running) == ["workflow", "jobs"]
        running.look(60)
        assert running.runs() == 1


def test_a_job_event_without_its_run_makes_its_pipeline_looked_at() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        running.start()
        pipeline = running.circle.pipelines.truth()[0]["id"]
        running.asked()
        assert tell(running, "", ended=False, pipeline=pipeline)
        running.look(1)
        assert of_hints(running) == ["pipeline", "look", "jobs"]
        assert running.in_progress() == {"running": 1}
        tell(running, "", ended=False, pipeline=pipeline)
        running.look(1)
        assert of_hints(running) == []


def test_a_rerun_of_a_settled_pipeline_is_counted_by_its_event() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.look(3600)
        running.end(workflow, "failed")
        running.look(7200)
        stopped = running.now + 31
        jobs = [{"name": "test", "status": "success", "started": running.now + 1, "stopped": stopped}]
        again = running.circle.pipelines.rerun(workflow, status="success", stopped=stopped, jobs=jobs).id
        running.pass_time(31)
        running.asked()
        tell(running, again)
        running.look(0)
        assert of_hints(running) == ["workflow", "jobs"]
        running.look(60)
        assert (running.runs("failed"), running.runs()) == (1, 1)


def test_a_canceled_run_counts_when_its_jobs_have_stopped_and_a_storm_of_events_is_slowed_down() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.pass_time(60)
        running.circle.pipelines.change_workflow(workflow, status="canceled", stopped=running.now)
        running.asked()
        for _ in range(10):
            tell(running, workflow)
            running.look(0.2)
        assert of_hints(running) == ["workflow", "pipeline", "jobs"]
        assert running.runs("canceled") == 0
        running.circle.pipelines.change_job(workflow, "test", status="canceled", stopped=running.now)
        running.look(5)
        assert of_hints(running) == ["workflow", "jobs"]
        running.look(60)
        assert running.runs("canceled") == 1


def test_an_event_about_a_run_that_goes_on_makes_it_watched_and_counts_nothing() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        tell(running, workflow)
        running.look(1)
        assert running.in_progress() == {"running": 1}
        assert running.runs() == 0
        assert running.engine.state.hints() == []


def test_a_run_that_ended_before_the_first_look_is_not_counted_when_an_old_event_comes_again() -> None:
    with Watching(settings=SELDOM) as running:
        workflow = running.start()
        running.end(workflow, at=NOON + 50)
        running.look(60)
        tell(running, workflow)
        running.look(61)
        assert running.runs() in {None, 0}
        assert running.job_runs("test") is None


def test_an_event_about_a_run_that_does_not_exist_is_dropped_after_one_call() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        running.asked()
        tell(running, STRANGER)
        running.look(1)
        assert of_hints(running) == ["workflow"]
        assert running.engine.state.hints() == []
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1
        failures = running.value(
            "circleci_exporter_collector_failures_total", collector="pipelines", reason="not_found"
        )
        assert failures == 1


def test_a_flood_of_events_about_runs_that_do_not_exist_delays_no_other() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        watched = running.start()
        running.look(3600)
        running.end(watched)
        tell(running, watched)
        for number in range(200):
            tell(running, str(UUID(int=number, version=4)))
        running.pass_time(1)
        unknown = running.start()
        running.end(unknown, at=running.now + 90)
        tell(running, unknown)
        running.asked()
        poll = running.engine.begin(SLUG, PIPELINES_POLL)
        assert poll is not None
        poll.step()
        asked = [path.split("?")[0].removeprefix("/workflow/") for path in running.asked()]
        assert {watched, unknown} <= set(asked)
        assert len(running.engine.state.hints()) == 192


def test_what_fails_is_asked_again_after_growing_gaps_and_leaves_the_outcome_of_polls_alone() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        running.end(workflow, at=NOON + 121)
        running.circle.fail("forbidden", f"/workflow/{workflow}")
        running.asked()
        tell(running, workflow)
        asked = []
        for second in range(121, 141):
            running.look(121 if second == 121 else 1)
            asked += [second - 121] * of_hints(running).count("workflow")
        assert asked == [0, 2, 6, 14]
        assert running.value("circleci_exporter_collector_success", collector="pipelines") == 1
        assert len(running.engine.state.hints()) == 1
        running.circle.heal()
        running.look(30)
        running.look(60)
        assert running.runs() == 1
        assert running.engine.state.hints() == []


def test_a_hint_that_fails_for_a_day_is_given_up() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        running.circle.fail("forbidden", f"/workflow/{STRANGER}")
        tell(running, STRANGER)
        running.look(1)
        assert len(running.engine.state.hints()) == 1
        running.look(86_401)
        assert len(running.engine.state.hints()) == 0


def test_a_hint_counts_for_the_project_that_circleci_names() -> None:
    with Watching(settings=SELDOM) as running:
        running.begin()
        running.circle.organization.roster.add("gh/acme/api")
        pipeline = running.circle.pipelines.add("gh/acme/api", "main")
        jobs = [{"name": "test", "status": "success", "started": NOON + 2, "stopped": NOON + 40}]
        workflow = running.circle.pipelines.add_workflow(
            pipeline.id, "build", status="success", stopped=NOON + 40, jobs=jobs
        ).id
        running.asked()
        tell(running, workflow)
        running.look(60)
        assert of_hints(running) == ["workflow"]
        running.look(60)
        assert running.runs() in {None, 0}
        assert running.engine.state.hints() == []


def test_hints_survive_a_kill_and_the_run_is_counted_without_another_event(tmp_path: Path) -> None:
    with Watching(tmp_path / "state.db", settings=SELDOM) as running:
        running.begin()
        workflow = running.start()
        tell(running, workflow)
        running.end(workflow, at=NOON + 121)
        running.restart()
        running.engine.inbox.restore([SLUG])
        snapshot = running.engine.store.get(SLUG)
        assert snapshot is not None
        assert running.engine.kinds["pipelines"].interval(snapshot) == 1
        running.look(121)
        running.look(60)
        assert running.runs() == 1


def test_while_one_project_gets_event_after_event_its_list_is_read_all_the_same() -> None:
    with Watching(settings="pipelines: {idle_interval: 1m}") as running:
        running.begin()
        seen = []
        for _ in range(4):
            tell(running, running.start())
            running.look(61)
            seen += of_hints(running)
        assert seen.count("list") >= 3


def test_a_pipeline_whose_end_an_event_told_of_is_looked_at_once_more_and_then_only_much_later() -> None:
    with Watching(settings="pipelines: {interval: 1m, idle_interval: 1d}") as running:
        running.begin()
        workflow = running.start()
        running.pass_time(60)
        running.end(workflow)
        tell(running, workflow)
        running.look(1)
        running.asked()
        looks = []
        for _ in range(250):
            running.look(60)
            looks.append(of_hints(running).count("look"))
        assert (sum(looks), looks.index(1)) == (1, 1)
        running.looks(20)
        assert of_hints(running).count("look") == 1
