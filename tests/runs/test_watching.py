from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.runs.live import Live, WatchedPipeline, WatchedRun
from exporter.runs.watching import list_due, look_due, next_revisit
from tests.counting.watched import pipeline
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED

SETTINGS = project().pipelines
HOUR, DAY = 3600.0, 86_400.0
LOOKBACK = 3 * DAY
WATCHING = WatchedRun("a", "build", "running", CREATED)


def live(*pipelines: WatchedPipeline, **changes: object) -> Live:
    known = Live(CREATED, listed_at=CREATED, pipelines={each.id: each for each in pipelines})
    return replace(known, **changes)  # type: ignore[arg-type]


def test_a_list_that_was_never_walked_is_due_at_once() -> None:
    assert list_due(None, SETTINGS, 5.0, covered=False) == 5.0
    assert list_due(live(listed_at=None), SETTINGS, 5.0, covered=True) == 5.0


def test_a_list_is_walked_every_interval_while_something_is_under_way() -> None:
    assert list_due(live(pipeline()), SETTINGS, CREATED + 9, covered=False) == CREATED + 60


@pytest.mark.parametrize(("quiet", "gap"), [(0.0, 60.0), (HOUR, 360.0), (2 * HOUR, 720.0), (DAY, 900.0), (None, 900.0)])
def test_a_quiet_list_is_walked_after_a_tenth_of_its_quiet(quiet: float | None, gap: float) -> None:
    newest = None if quiet is None else CREATED - quiet
    known = live(pipeline(settled_at=CREATED), newest_at=newest)
    assert list_due(known, SETTINGS, CREATED, covered=False) == pytest.approx(CREATED + gap)


def test_a_covered_list_is_walked_every_idle_interval_even_with_something_under_way() -> None:
    assert list_due(live(pipeline()), SETTINGS, CREATED + 9, covered=True) == CREATED + 900


def test_a_covered_list_is_walked_ever_more_seldom_while_nothing_was_missing() -> None:
    due = [list_due(live(), SETTINGS, CREATED, covered=True, confirmed=times) for times in range(7)]
    assert due == [CREATED + 900 * factor for factor in (1, 2, 4, 8, 16, 16, 16)]


def test_a_list_that_was_walked_in_the_future_is_walked_an_interval_from_now() -> None:
    assert list_due(live(pipeline(), listed_at=CREATED + DAY), SETTINGS, CREATED, covered=False) == CREATED + 60


@pytest.mark.parametrize(
    ("age", "gap"), [(10.0, 84.0), (HOUR - 1, 84.0), (HOUR, 360.0), (2 * HOUR, 720.0), (DAY, 900.0)]
)
def test_a_pipeline_under_way_is_looked_at_less_often_as_it_ages(age: float, gap: float) -> None:
    now = CREATED + age
    watched = pipeline(looked_at=now, runs=(WATCHING,))
    assert look_due(watched, SETTINGS, LOOKBACK, now) == pytest.approx(now + gap)


def test_a_pipeline_that_waits_for_a_person_is_looked_at_after_a_tenth_of_its_age() -> None:
    now = CREATED + 1800.0
    watched = pipeline(looked_at=now, runs=(replace(WATCHING, status="on_hold"),))
    assert look_due(watched, SETTINGS, LOOKBACK, now) == pytest.approx(now + 180)


def test_a_pipeline_that_was_never_looked_at_is_due_at_once() -> None:
    assert look_due(pipeline(), SETTINGS, LOOKBACK, CREATED + 5) == CREATED + 5


def test_a_canceled_run_is_looked_at_every_30_seconds_while_its_jobs_stop() -> None:
    settling = replace(WATCHING, ended_seen_at=CREATED + DAY)
    watched = pipeline(looked_at=CREATED + DAY, runs=(settling,))
    assert look_due(watched, SETTINGS, LOOKBACK, CREATED + DAY) == CREATED + DAY + 30


def test_a_settled_pipeline_is_looked_at_ever_more_seldom_until_the_lookback() -> None:
    settled = pipeline(looked_at=CREATED, settled_at=CREATED + 100)
    due = [look_due(replace(settled, revisits=times), SETTINGS, LOOKBACK, CREATED) for times in range(7)]
    assert due == [CREATED + 100 + 60 * 4**times for times in range(6)] + [CREATED + 100 + 60 * 4096]
    assert look_due(replace(settled, revisits=7), SETTINGS, LOOKBACK, CREATED) is None


def test_an_errored_pipeline_is_looked_at_once_since_its_setup_workflow_may_have_run() -> None:
    errored = pipeline(state="errored")
    assert look_due(errored, SETTINGS, LOOKBACK, CREATED) == CREATED
    assert look_due(replace(errored, settled_at=CREATED), SETTINGS, LOOKBACK, CREATED) is None


def test_looks_that_a_downtime_has_missed_are_made_up_for_once() -> None:
    settled = pipeline(settled_at=CREATED)
    assert next_revisit(settled, SETTINGS, CREATED + 60) == 1
    assert next_revisit(settled, SETTINGS, CREATED + 60 * 17) == 3
