"""Which rows of an export the ledger must have, and what two days of job runs differ in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.knowledge.snapshots import Snapshot
from exporter.runs.live import Live
from exporter.usage.comparing import TOLD, Compared, Comparison, Judge, compared
from tests.knowledge.samples import FACTS, project
from tests.usage.making import NULL

CREATED = datetime(2026, 11, 24, 9)  # noqa: DTZ001  as an export tells of it
DAY = 86_400.0


def judge(hours: float, settings: str = "") -> Judge:
    """As of some hours after the creation of the pipeline."""
    now = CREATED.replace(tzinfo=UTC).timestamp() + hours * 3600
    return Judge({"gh/acme/web": project(f"collectors: [pipelines]\n{settings}")}, now)


def test_the_ledger_keeps_the_jobs_of_its_projects_that_the_settings_choose() -> None:
    judging = judge(0, "runs: {lookback: 2d}\nworkflows: {include: [build]}\njobs: {exclude: [lint]}")
    assert judging.lookback("gh/acme/web", "build", "test") == 2 * DAY
    for row in (("gh/acme/api", "build", "test"), ("gh/acme/web", "nightly", "test"), ("gh/acme/web", "build", "lint")):
        assert judging.lookback(*row) is None


@pytest.mark.parametrize(
    ("began", "asked", "lookback", "found"),
    [
        (0.1, 1, 3 * DAY, True),
        (5, 20, 3 * DAY, True),
        (5, 19, 3 * DAY, False),
        (13, 60, 2 * DAY, False),
        (12, 60, 2 * DAY, True),
    ],
)
def test_a_rerun_is_found_once_its_pipeline_is_four_times_as_old_and_within_the_lookback(
    began: float, asked: float, lookback: float, found: bool
) -> None:
    began_at = str(CREATED + timedelta(hours=began))
    assert judge(asked).is_found(str(CREATED), began_at, lookback) is found


def test_a_row_without_its_times_is_taken_for_no_rerun() -> None:
    for times in ((NULL, str(CREATED)), (str(CREATED), NULL), (str(CREATED), "soon")):
        assert judge(0).is_found(*times, DAY)


def test_projects_are_compared_that_are_of_the_organization_and_whose_jobs_and_id_are_known() -> None:
    web = project("collectors: [pipelines]")
    whole = Snapshot(web, replace(FACTS, id="7d2f"), live=Live(0.0))
    others = [
        replace(whole, facts=FACTS),
        replace(whole, facts=None),
        replace(whole, live=None),
        replace(whole, project=project("collectors: [runs]")),
        replace(whole, project=project("collectors: [pipelines]\npipelines: {jobs: false}")),
        replace(whole, project=project("collectors: [pipelines]", slug="gh/other/web")),
    ]
    assert compared("gh/acme", others) == {}
    assert compared("gh/acme", [*others, whole]) == {"gh/acme/web": whole}


def test_a_comparison_counts_what_both_have_and_what_each_has_alone() -> None:
    comparing = Comparison("web")
    comparing.exported([1, 2, 3], {1, 2})
    comparing.exported([4], set())
    comparing.kept({number: number + 100 for number in range(50)}, set(range(10)))
    assert comparing.result == Compared("web", 2, 2, 40)
    assert comparing.lacking == [number + 100 for number in range(10, 10 + TOLD)]
