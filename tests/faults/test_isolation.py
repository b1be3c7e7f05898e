"""A project that is slow, and one that was never answered: the others are served as if there were none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import truth
from tests.faults.campaign import (
    WORKFLOWS,
    Case,
    configuration,
    failures,
    polled,
    slug_of,
    still_polled,
    unharmed,
)
from tests.faults.conftest import TOKEN
from tests.running import Exporter
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.circleci import RemoteCircle

FIRST = [
    Case("a project that is not found", "not_found", "not_found", "$"),
    Case("a project's document that is no JSON", "invalid_json", "payload", "$"),
    Case(
        "a default branch that is a number",
        "put",
        "payload",
        "$",
        options={"path": "vcs_info.default_branch", "value": 7},
    ),
    Case("a project without a default branch", "put", "payload", "$", options={"path": "vcs_info.default_branch"}),
    Case("a project without anything about its repository", "drop", "payload", "$", options={"path": "vcs_info"}),
    Case("branches without their list", "drop", "payload", "/branches$", options={"path": "branches"}),
    Case("runs without their list", "missing_items", "payload", r"/workflows/workflow-000\?", "runs"),
    Case("runs that are refused", "forbidden", "forbidden", r"/workflows/workflow-000\?", "runs"),
    Case("flaky tests without their list", "drop", "payload", "/flaky-tests", "flaky_tests", {"path": "flaky_tests"}),
    Case("tests that are a list", "body", "payload", "/workflows/workflow-000/test-metrics", "tests", {"text": "[]"}),
    Case("a summary in HTML", "html_200", "payload", r"/workflows/workflow-000/summary", "workflow_summary"),
    Case("buckets that are not found", "not_found", "not_found", "/workflows/.*granularity", "job_trend"),
    Case("a project's summary that is refused", "bad_request", "client", "pages/.*/summary", "project"),
]
VICTIMS = {case: slug_of(number) for number, case in enumerate(map(str, FIRST))}
BYSTANDERS = [slug_of(60), slug_of(61)]
EVERY = "workflows, jobs, runs, flaky_tests, tests, project, job_trend, workflow_summary"


def match(case: Case, slug: str) -> str:
    """The expression for what a case spoils; of a project's summary the slug stands in the middle."""
    return case.path.replace(".*", slug) if case.path.startswith("pages/") else slug + case.path


@pytest.fixture(scope="module")
def exporter(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter for which all this fails from its first request on."""
    for case in FIRST:
        circle.fail(case.kind, match(case, VICTIMS[str(case)]), **case.options)
    config = configuration(circle, [], timeout="2s").replace("stale_after: 1h", "stale_after: 1h, runs: {interval: 1s}")
    for case in FIRST:
        collectors = EVERY if case.collector not in {"workflows", "jobs"} else "workflows, jobs"
        branches = ', branches: ["release/*"]' if "branches" in str(case) else ""
        config += f"  - {{slug: {VICTIMS[str(case)]}, collectors: [{collectors}]{branches}}}\n"
    config += "".join(f"  - {slug}\n" for slug in BYSTANDERS)
    with Exporter(tmp_path_factory.mktemp("first"), config, token=TOKEN) as running:
        yield running
    circle.reset()


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_a_fault_from_the_first_poll_on_is_named_and_harms_nothing_else(
    case: Case, exporter: Exporter, circle: RemoteCircle
) -> None:
    slug = VICTIMS[str(case)]
    exporter.until(
        lambda scrape: scrape.get("collector_success", project=slug, collector=case.collector) == 0, "the fault to show"
    )
    exporter.until(lambda scrape: polled(scrape, BYSTANDERS), "the others to be polled")
    scrape = unharmed(exporter, {each: truth.of_project(circle, each, WORKFLOWS) for each in BYSTANDERS})
    (told,) = wait_until(lambda: exporter.events("project is failing", project=slug), why="a line in the log")
    assert (told["collector"], told["reason"]) == (case.collector, case.names)
    assert failures(scrape, case.collector)[case.names] >= 1
    assert "internal" not in failures(scrape, case.collector)
    if case.collector != "workflows":
        exporter.until(lambda scrape: polled(scrape, [slug]), "the project's own gauges")
        shown = truth.shown(exporter.scrape().of_project(slug))
        assert truth.of_project(circle, slug, WORKFLOWS).items() <= shown.items()


def test_a_project_that_begins_to_answer_is_complete_with_its_next_poll(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    circle.heal()
    exporter.until(lambda scrape: polled(scrape, list(VICTIMS.values())), "good polls of all")
    for case in FIRST:
        slug = VICTIMS[str(case)]
        exporter.until(
            lambda scrape, slug=slug, case=case: scrape.get(  # type: ignore[misc]
                "collector_success", project=slug, collector=case.collector
            ),
            "a good poll",
        )
        assert truth.of_project(circle, slug, WORKFLOWS).items() <= exporter.scrape().of_project(slug).items()


@pytest.mark.parametrize("kind", ["drip_body", "hang"])
def test_four_slow_projects_cannot_fill_four_slots_for_long(kind: str, circle: RemoteCircle, tmp_path: Path) -> None:
    slow, others = [slug_of(number) for number in range(20, 24)], [slug_of(number) for number in range(24, 34)]
    known = {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in others}
    options = {} if kind == "hang" else {"interval": 0.5}
    for slug in slow:
        circle.fail(kind, slug, **options)
    with Exporter(
        tmp_path, configuration(circle, [*slow, *others], concurrency=4, timeout="1s"), token=TOKEN
    ) as exporter:
        exporter.until(lambda scrape: polled(scrape, others), "the others to be polled")
        unharmed(exporter, known)
        for _ in range(2):
            still_polled(exporter, others)
        scrape = unharmed(exporter, known)
        assert all(truth.shown(scrape.of_project(slug)) == {} for slug in slow)
        exporter.until(lambda scrape: failures(scrape, "workflows").get("timeout"), "the slow ones to be told")
    circle.heal()
