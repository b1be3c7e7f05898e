"""Each day of the exports is held against the ledger: what is compared, and what the figures say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.usage.reconciling import CATCHES_UP_WITHIN
from tests.campaigns.usage.world import written
from tests.running.engine import SLUG
from tests.usage.compared import HOUR, MIDNIGHT, Compared
from tests.usage.making import DAY, NULL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NOTHING = (None, None, None)
AFTER = MIDNIGHT + DAY + HOUR
"""When the first whole day is over."""
NINE = MIDNIGHT + 9 * HOUR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_a_day_that_was_watched_whole_is_compared_and_its_figures_survive_a_restart(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        for hour in range(1, 24):
            running.ran(MIDNIGHT + hour * HOUR, {}, {"name": "lint", "status": "failed"})
        running.ran(MIDNIGHT + DAY + 300)
        running.go_on(AFTER)
        running.read()
        assert (running.figures(), running.day()) == ((46, 0, 0), MIDNIGHT)
        running.restart()
        assert (running.figures(), running.day()) == ((46, 0, 0), MIDNIGHT)
        assert running.told("job runs missed") == running.told("the Usage export lacks job runs") == []


def test_the_day_of_the_first_look_is_not_compared(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(MIDNIGHT - HOUR)
        running.go_on(MIDNIGHT + HOUR)
        running.read()
        assert (running.figures(), running.day()) == (NOTHING, None)


@pytest.mark.parametrize(
    "settings", ["pipelines: {jobs: false}", "pipelines: {idle_interval: 1m}, jobs: {include: [lint]}"]
)
def test_jobs_that_the_settings_do_not_count_are_not_compared(path: Path, settings: str) -> None:
    with Compared(path, settings) as running:
        running.begin()
        running.ran(NINE)
        running.go_on(AFTER)
        running.read()
        assert running.figures() == (NOTHING if "false" in settings else (0, 0, 0))


def rerun_with_a_carried_over_job(running: Compared) -> None:
    running.ran(NINE, {}, {"name": "deploy", "status": "failed"})
    [run] = running.circle.pipelines.truth(NINE + HOUR)[-1]["workflows"]
    again = {"name": "deploy", "status": "success", "started": NINE + 1000, "stopped": NINE + 1060}
    running.circle.pipelines.rerun(
        run["id"], created=NINE + 990, status="success", stopped=NINE + 1060, jobs=[again], shown=0.0
    )


def canceled_before_its_start(running: Compared) -> None:
    job = {"status": "canceled", "started": None, "stopped": NINE + 300}
    running.ran(NINE, {}, job)
    [canceled] = [each for each in running.rows_of(MIDNIGHT, AFTER) if each["JOB_RUN_STARTED_AT"] == NULL]
    running.hidden.add(canceled["JOB_ID"])


def canceled_before_a_start_that_only_the_export_has(running: Compared) -> None:
    running.ran(NINE)
    running.unseen(NINE, JOB_RUN_STARTED_AT=NULL, JOB_BUILD_STATUS="canceled")


def of_a_renamed_project(running: Compared) -> None:
    running.named[SLUG] = "a new name"
    running.ran(NINE)


def of_another_project(running: Compared) -> None:
    running.ran(NINE)
    running.unseen(NINE, PROJECT_ID=NULL, PROJECT_NAME="api")


def of_another_workflow(running: Compared) -> None:
    running.ran(NINE)
    running.unseen(NINE, WORKFLOW_NAME="nightly")


def under_way_for_an_export(running: Compared) -> None:
    running.ran(NINE)
    running.unseen(NINE, JOB_BUILD_STATUS="running")


def on_the_edge_of_the_day(running: Compared) -> None:
    """Seconds that CircleCI's two sources round over midnight, either way."""
    [first] = running.ran(MIDNIGHT - 70)
    [last] = running.ran(MIDNIGHT + DAY - 70)
    running.ran(NINE)
    for job, stopped in ((first, MIDNIGHT - 0.1), (last, MIDNIGHT + DAY - 0.1)):
        [found] = [each for each in running.rows_of(MIDNIGHT - DAY, AFTER) if each["JOB_ID"] == job]
        running.hidden.add(job)
        running.more.append(found | {"JOB_RUN_STOPPED_AT": written(stopped)})


@pytest.mark.parametrize(
    ("happen", "both"),
    [
        (lambda running: running.ran(NINE, tag="v1"), 1),
        (lambda running: running.ran(NINE, {}, approval()), 1),
        (
            lambda running: running.ran(
                NINE, {}, {"status": "not_run", "started": None, "stopped": None, "ended": NINE}
            ),
            1,
        ),
        (rerun_with_a_carried_over_job, 3),
        (canceled_before_its_start, 1),
        (canceled_before_a_start_that_only_the_export_has, 1),
        (of_a_renamed_project, 1),
        (of_another_project, 1),
        (of_another_workflow, 1),
        (under_way_for_an_export, 1),
        (on_the_edge_of_the_day, 2),
    ],
)
def test_only_what_both_must_have_is_compared(path: Path, happen: Callable[[Compared], Any], both: int) -> None:
    with Compared(path, "pipelines: {idle_interval: 1m}, workflows: {include: [build]}") as running:
        running.begin()
        happen(running)
        running.go_on(AFTER)
        running.read()
        assert (running.figures(), running.day()) == ((both, 0, 0), MIDNIGHT)


def approval() -> dict[str, Any]:
    return {"name": "hold", "type": "approval", "started": None, "stopped": None, "ended": NINE + 60}


def test_what_was_missed_is_counted_and_20_of_it_are_logged_by_id(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(NINE)
        ids = running.unseen(NINE, 30)
        running.go_on(AFTER)
        running.read()
        assert running.figures() == (1, 30, 0)
        [told] = running.told("job runs missed")
        assert (told["project"], told["day"], told["count"]) == (SLUG, "2026-09-22", 30)
        assert len(set(told["job_ids"].split()) & set(ids)) == 20


def test_what_an_export_lacks_is_counted_and_logged_by_its_stop_until_its_rows_come(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(NINE)
        [late], [never] = running.ran(NINE + HOUR), running.ran(NINE + 2 * HOUR)
        running.late[late] = AFTER + 3 * HOUR
        running.hidden.add(never)
        running.go_on(AFTER)
        running.read()
        assert (running.figures(), running.day()) == ((1, 0, 2), MIDNIGHT)
        [told] = running.told("the Usage export lacks job runs")
        assert (told["count"], told["stopped_at"]) == (2, "10:01:10 11:01:10")
        running.go_on(AFTER + DAY)  # nothing ran on the day after, so exports have the same rows once more
        running.read()
        assert (running.figures(), running.day()) == ((2, 0, 1), MIDNIGHT)


def test_the_next_day_takes_the_place_of_a_day(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(NINE)
        running.unseen(NINE)
        running.go_on(AFTER)
        running.read()
        assert running.figures() == (1, 1, 0)
        running.ran(NINE + DAY)
        running.ran(NINE + DAY + HOUR)
        running.go_on(AFTER + DAY)
        running.read()
        assert (running.figures(), running.day()) == ((2, 0, 0), MIDNIGHT + DAY)


def test_after_a_downtime_over_midnight_the_comparison_waits_for_the_looks(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.go_on(NINE)
        running.ran(NINE + HOUR)
        running.close()
        running.pass_time(AFTER - NINE)
        running.open()
        for _ in range(8):
            running.export()
            running.pass_time(60)
        assert (running.organization._progress.newest > 0, running.figures()) == (True, NOTHING)
        running.restart()
        running.read()
        assert running.figures() == (1, 0, 0)


def test_a_project_that_does_not_catch_up_is_left_out(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(NINE)
        running.go_on(MIDNIGHT + DAY - HOUR)
        running.circle.fail("forbidden", "/project/.*/pipeline$")
        running.go_on(AFTER + CATCHES_UP_WITHIN + HOUR)
        running.read()
        assert (running.organization._progress.newest > 0, running.figures(), running.day()) == (True, NOTHING, None)


def test_a_rerun_that_looks_have_not_come_by_since_is_not_missed(path: Path) -> None:
    with Compared(path, "pipelines: {idle_interval: 1m}, runs: {sweep: 1d}") as running:
        running.begin()
        running.ran(NINE)
        running.go_on(MIDNIGHT + DAY - 2 * HOUR)
        [run] = running.circle.pipelines.truth()[-1]["workflows"]
        at = MIDNIGHT + DAY - 2 * HOUR
        again = {"name": "test", "status": "success", "started": at + 10, "stopped": at + 70}
        running.circle.pipelines.rerun(
            run["id"], from_failed=False, created=at, status="success", stopped=at + 70, jobs=[again], shown=at + DAY
        )
        running.go_on(AFTER)
        running.read()
        assert running.job_runs("test") == 1
        assert running.figures() == (1, 0, 0)


def test_figures_stay_until_another_day_is_compared_and_go_with_the_last_project_that_is(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(NINE)
        running.go_on(AFTER)
        running.read()
        assert running.figures() == (1, 0, 0)
        running.restart(settings="pipelines: {idle_interval: 1m}, jobs: {exclude: [lint]}")
        running.ran(NINE + DAY)
        running.go_on(AFTER + DAY)
        running.read()
        assert (running.figures(), running.day()) == ((1, 0, 0), MIDNIGHT)
        running.restart(settings="pipelines: {jobs: false}")
        running.ran(NINE + 2 * DAY)
        running.go_on(AFTER + 2 * DAY)
        running.read()
        assert (running.figures(), running.day()) == (NOTHING, None)


def test_a_day_on_which_other_jobs_were_chosen_is_not_compared_and_the_next_one_is(path: Path) -> None:
    with Compared(path) as running:
        running.begin()
        running.ran(NINE)
        running.go_on(NINE + HOUR)
        running.restart(settings="pipelines: {idle_interval: 1m}, jobs: {exclude: [lint]}")
        running.go_on(AFTER)
        running.read()
        assert running.figures() == NOTHING
        running.ran(NINE + DAY, {}, {"name": "lint"})
        running.go_on(AFTER + DAY)
        running.read()
        assert (running.figures(), running.day()) == ((1, 0, 0), MIDNIGHT + DAY)
