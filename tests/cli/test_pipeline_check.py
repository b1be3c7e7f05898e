"""What `check` finds out about a project's pipelines."""

from __future__ import annotations

import pytest

from exporter.cli import pipeline_check
from exporter.cli.online_check import examine, with_pipelines
from exporter.errors import ServerError
from exporter.knowledge.pipeline_calls import PipelineDay, Sampled
from tests.running.engine import NOON, SLUG
from tests.running.watching import Watching

HOUR = 3600.0


def add(running: Watching, age: float, *runs: tuple[float, float], status: str = "success", jobs: int = 0) -> str:
    """Add a pipeline that was created so long ago, with runs from and to seconds after that."""
    created = running.now - age
    listed = [{"name": f"job-{number}", "status": "success"} for number in range(jobs)]
    workflows = [
        {"name": "build", "status": status, "created": created + start, "stopped": created + stop, "jobs": listed}
        for start, stop in runs
    ]
    return running.circle.pipelines.add(SLUG, created=created, workflows=workflows).id


def survey(running: Watching) -> pipeline_check.Survey:
    return pipeline_check.survey(running.engine.attempts, running.project)


def test_a_project_without_pipelines_has_an_empty_day_and_a_first_look_at_its_list() -> None:
    with Watching() as running:
        found = survey(running)
        assert (found.day, found.first_look) == (PipelineDay(), 1)
        assert running.asked() == [f"/project/{SLUG}/pipeline"]


def test_the_pipelines_of_a_day_count_for_it_and_those_of_the_lookback_for_the_first_look() -> None:
    with Watching() as running:
        for age in (HOUR, 23 * HOUR, 25 * HOUR, 71 * HOUR, 73 * HOUR):
            add(running, age, (0, 60))
        found = survey(running)
        assert found.day.created == (NOON - 23 * HOUR, NOON - HOUR)
        assert found.day.a_day == 2
        assert (found.within_lookback, found.first_look) == (4, 5)


def test_some_pipelines_are_read_for_how_long_they_and_their_runs_last() -> None:
    with Watching() as running:
        add(running, 5 * HOUR, (0, 100), (50, 250), (600, 700))
        add(running, 4 * HOUR, (0, 60), status="failed")
        add(running, 3 * HOUR)
        running.circle.pipelines.add(SLUG, created=running.now - 2 * HOUR, state="errored")
        assert survey(running).day.sampled == (
            Sampled(350, (100, 200, 100)),
            Sampled(60, (60,), succeeded=False),
            Sampled(5 * 60),
            Sampled(0, errored=True),
        )


def test_what_is_under_way_has_lasted_until_now() -> None:
    with Watching() as running:
        pipeline = running.circle.pipelines.add(SLUG, created=running.now - 300)
        running.circle.pipelines.add_workflow(pipeline.id, "build", created=running.now - 240)
        assert survey(running).day.sampled == (Sampled(240, (240,), succeeded=False),)


def test_five_pipelines_spread_over_the_day_are_read_and_the_jobs_of_one_run() -> None:
    with Watching() as running:
        ids = [add(running, (20 - number) * HOUR, (0, 60 + number), jobs=25) for number in range(20)]
        found = survey(running)
        assert [each.lasts for each in found.day.sampled] == [60, 64, 68, 72, 76]
        assert found.day.job_pages == 2
        asked = running.asked()
        assert [path.split("/")[-2] for path in asked if path.endswith("/workflow")] == ids[::4]
        assert len([path for path in asked if path.endswith("/job")]) == 2


def test_no_jobs_are_read_where_none_are_asked_for_and_only_workflows_that_are_wanted_count() -> None:
    settings = "pipelines: {jobs: false}, workflows: {exclude: [build]}"
    with Watching(settings=settings) as running:
        add(running, HOUR, (0, 60), jobs=25)
        day = survey(running).day
        assert (day.job_pages, day.sampled[0].runs) == (1, ())
        assert not [path for path in running.asked() if path.endswith("/job")]


def test_a_long_list_is_read_for_some_pages_and_those_stand_for_the_rest() -> None:
    with Watching() as running:
        for number in range(100):
            add(running, (number + 1) * 360)
        found = pipeline_check.survey(running.engine.attempts, running.project, pages=2)
        assert len(found.day.created) == 40
        assert found.day.seconds == 40 * 360
        assert found.day.a_day == pytest.approx(240)
        assert found.within_lookback == pytest.approx(3 * 240)


def test_a_list_that_cannot_be_read_is_the_projects_error() -> None:
    with Watching() as running:
        running.circle.fail("server_error", f"/project/{SLUG}/pipeline")
        with pytest.raises(ServerError):
            survey(running)
        finding = with_pipelines(examine(running.engine.client, running.project), running.engine.attempts)
        assert (finding.reason, finding.pipelines) == ("server", None)
        assert f"GET /project/{SLUG}/pipeline: HTTP 5" in finding.error


def test_a_project_without_the_collector_is_asked_nothing_more() -> None:
    with Watching(collectors="workflows") as running:
        finding = examine(running.engine.client, running.project)
        running.asked()
        assert with_pipelines(finding, running.engine.attempts) is finding
        assert running.asked() == []
