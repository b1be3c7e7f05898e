"""What is shown for how long: each part lives by its own age, and what CircleCI no longer has is gone at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests import truth
from tests.faults.campaign import WORKFLOWS, failures, last_success, polled, slug_of, unharmed
from tests.faults.conftest import TOKEN
from tests.running import Exporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.circleci import RemoteCircle
    from tests.running import Scrape

A, B, C = slug_of(0), slug_of(1), slug_of(2)
STALE_AFTER = 4.0
CONFIG = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 20s}}
defaults: {{interval: 1s, stale_after: 4s, windows: [last-7-days, last-24-hours], jobs: {{max_age: 1s}}}}
projects:
  - slug: {a}
    branches: ["*"]
    all_branches: true
  - {b}
  - {{slug: {c}, stale_after: 1h}}
"""
WINDOWS = ("last-7-days", "last-24-hours")


@pytest.fixture(scope="module")
def daemon(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    config = CONFIG.format(url=circle.url, a=A, b=B, c=C)
    with Exporter(tmp_path_factory.mktemp("staleness"), config, token=TOKEN) as running:
        yield running


@pytest.fixture
def exporter(daemon: Exporter, circle: RemoteCircle) -> Iterator[Exporter]:
    everything = truth.of_project(circle, A, WORKFLOWS, windows=WINDOWS, branches=("main",))
    fresh = truth.of_project(circle, C, WORKFLOWS, windows=WINDOWS)
    daemon.until(
        lambda scrape: (
            polled(scrape, [A, B, C])
            and everything.items() <= scrape.of_project(A).items()
            and fresh.items() <= scrape.of_project(C).items()
        ),
        "all values",
    )
    yield daemon
    circle.reset()


def others(circle: RemoteCircle) -> dict[str, dict[str, float]]:
    return {B: truth.of_project(circle, B, WORKFLOWS, windows=WINDOWS)}


def rows(scrape: Scrape, mark: str, prefix: str = "", project: str = A) -> set[str]:
    return {name for name in truth.shown(scrape.of_project(project)) if mark in name and name.startswith(prefix)}


def rows_of_c(scrape: Scrape, mark: str) -> set[str]:
    """Rows that live for an hour unless a good poll takes them away."""
    return rows(scrape, mark, project=C)


def test_a_part_that_fails_keeps_its_rows_until_it_is_too_old_and_the_others_stay(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    circle.fail("not_found", rf"{A}/workflows\?.*last-24-hours")
    scrape = exporter.until(lambda scrape: failures(scrape, "workflows").get("not_found"), "the fault to show")
    begun, prefix = last_success(scrape, A), "circleci_insights_workflow_"
    assert rows(scrape, "last-24-hours", prefix)
    exporter.until(lambda scrape: not rows(scrape, "last-24-hours", prefix), "the rows to go")
    assert time.time() - begun >= STALE_AFTER
    scrape = unharmed(exporter, others(circle))
    week = truth.of_project(circle, A, WORKFLOWS, branches=("main", "all branches"))
    week = {name: value for name, value in week.items() if "all branches" not in name}
    shown = truth.shown(scrape.of_project(A))
    assert week.items() <= shown.items(), "the other window is as it was"
    assert scrape.get("collector_success", project=A, collector="workflows") == 0


def test_jobs_that_fail_go_and_their_workflow_stays(exporter: Exporter, circle: RemoteCircle) -> None:
    mark = 'job_name="job-000",project="gh/fleet/project-00000",window="last-7-days",workflow="workflow-001"'
    circle.fail("bad_request", rf"{A}/workflows/workflow-001/jobs\?")
    exporter.until(lambda scrape: failures(scrape, "jobs").get("client"), "the fault to show")
    exporter.until(lambda scrape: not rows(scrape, mark), "the jobs to go")
    scrape = unharmed(exporter, others(circle))
    assert rows(scrape, 'workflow="workflow-001"'), "the workflow itself has an answer"
    assert rows(scrape, "job-000"), "and the jobs of the other workflow too"
    circle.heal()
    exporter.until(lambda scrape: rows(scrape, mark), "the jobs to be back")


def test_everything_goes_when_the_api_is_gone_for_long_and_comes_back_with_it(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    circle.fail("unavailable")
    scrape = exporter.until(
        lambda scrape: not any(truth.shown(scrape.of_project(slug)) for slug in (A, B)), "all their gauges to go"
    )
    assert scrape.get("up") == 0
    assert scrape.get("projects") == 3
    for collector, prefix in (("workflows", "circleci_insights_workflow_"), ("jobs", "circleci_insights_job_")):
        assert scrape.get("series", collector=collector) == len(scrape.of_project(C, prefix)) > 0
    assert last_success(scrape, A) > 0, "when it last was good is told all the time"
    circle.heal()
    (known,) = others(circle).values()
    exporter.until(lambda scrape: truth.shown(scrape.of_project(B)) == known, "the values to be back")


def test_a_workflow_that_circleci_no_longer_returns_is_gone_at_the_next_good_poll(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    circle.change_projects(hide=[{"slug": C, "workflow": "workflow-001"}])
    exporter.until(lambda scrape: not rows_of_c(scrape, "workflow-001"), "workflow and jobs to go")
    scrape = unharmed(exporter, others(circle))
    left = truth.of_project(circle, C, {"workflow-000": ("job-000", "job-001")}, windows=WINDOWS)
    assert left.items() <= scrape.of_project(C).items()
    circle.change_projects(show=[{"slug": C, "workflow": "workflow-001"}])


def test_a_job_that_circleci_no_longer_returns_is_gone_at_the_next_good_poll(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    circle.fail("drop", rf"{C}/workflows/workflow-000/jobs\?", path="items.1")
    mark = 'job_name="job-001",project="gh/fleet/project-00002",window="last-7-days",workflow="workflow-000"'
    exporter.until(lambda scrape: not rows_of_c(scrape, mark), "the job to go")
    assert rows_of_c(unharmed(exporter, others(circle)), 'job_name="job-000"')


def test_a_listing_that_is_empty_is_an_answer_and_takes_all_rows_away(exporter: Exporter, circle: RemoteCircle) -> None:
    circle.fail("body", rf"{C}/workflows\?", text='{"items": [], "next_page_token": null}')
    scrape = exporter.until(lambda scrape: not rows_of_c(scrape, ""), "the rows to go")
    assert polled(scrape, [C], ("workflows",))
    unharmed(exporter, others(circle))
