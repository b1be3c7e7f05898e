"""What a network or a server does to a connection: all at once, each to its own project, beside three others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.circleci import truth
from tests.faults.campaign import WORKFLOWS, Case, configuration, polled, slug_of, still_polled, unharmed
from tests.faults.conftest import TOKEN
from tests.running.program import Exporter
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.circleci import RemoteCircle

CASES = [
    Case("status 500", "server_error", "server", asked=4),
    Case("status 502 with a page in HTML", "bad_gateway", "server", asked=4),
    Case(
        "status 503 that says when to come again",
        "status",
        "server",
        options={"code": 503, "headers": {"Retry-After": "1"}},
    ),
    Case("a status that is none", "status", "server", options={"code": 999}),
    Case("a body that ends before its length", "truncated", "truncated", asked=4),
    Case("a chunk that is cut off", "cut_chunk", "truncated", asked=4),
    Case("a connection reset in the middle of the body", "reset", "truncated", options={"sent": 600}),
    Case("a connection reset before the answer", "reset", "connection", asked=4),
    Case("a connection reset in the middle of the headers", "reset", "connection", options={"sent": 20}),
    Case("a connection closed without an answer", "close", "connection", asked=4),
    Case("a header of 70,000 letters", "headers", "connection", options={"headers": {"X-Long": "x" * 70_000}}),
    Case(
        "two hundred headers",
        "headers",
        "connection",
        options={"headers": {f"X-{number}": "x" for number in range(200)}},
    ),
    Case("a server that says nothing", "hang", "timeout"),
    Case("an answer that comes too late", "delay", "timeout", options={"seconds": 5}),
    Case("a body that comes one byte a second", "drip_body", "timeout", options={"interval": 0.3}),
    Case("headers that come one byte a second", "drip_headers", "timeout", options={"interval": 0.3}),
    Case(
        "jobs of which the body drips",
        "drip_body",
        "timeout",
        r"/workflows/workflow-000/jobs\?",
        "jobs",
        {"interval": 0.3},
    ),
    Case("a body that is no JSON", "invalid_json", "payload", asked=4),
    Case("a project's list that is not found", "not_found", "not_found", asked=1),
    Case("a body of 40 MiB with its length", "oversize", "too_large", asked=1),
    Case("jobs that end early", "truncated", "truncated", r"/workflows/workflow-000/jobs\?", "jobs"),
]
VICTIMS = {case: slug_of(number) for number, case in enumerate(map(str, CASES))}
BYSTANDERS = [slug_of(60), slug_of(61), slug_of(62)]


@pytest.fixture(scope="module")
def bystanders(circle: RemoteCircle) -> dict[str, dict[str, float]]:
    return {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in BYSTANDERS}


@pytest.fixture(scope="module")
def exporter(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that had polled everything before all the faults began at once."""
    config = configuration(circle, [*VICTIMS.values(), *BYSTANDERS], timeout="1s", concurrency=16)
    with Exporter(tmp_path_factory.mktemp("wire"), config, token=TOKEN) as running:
        running.until(lambda scrape: polled(scrape, [*VICTIMS.values(), *BYSTANDERS]), "a good poll of everything")
        for case in CASES:
            circle.fail(case.kind, case.match(VICTIMS[str(case)]), **case.options)
        yield running


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_connection_fails_one_question_by_its_name_and_harms_nothing_else(
    case: Case, exporter: Exporter, circle: RemoteCircle, bystanders: dict[str, dict[str, float]]
) -> None:
    slug = VICTIMS[str(case)]
    exporter.until(
        lambda scrape: scrape.get("collector_success", project=slug, collector=case.collector) == 0,
        "the fault to show",
    )

    scrape = unharmed(exporter, bystanders)
    (told,) = wait_until(lambda: exporter.events("project is failing", project=slug), why="a line in the log")
    assert (told["collector"], told["reason"]) == (case.collector, case.names)
    assert scrape.failures(case.collector)[case.names] >= 1
    if case.asked != 1:
        assert (scrape.get("api_retries_total", reason=case.names) or 0) >= 3, "it was asked again"
    assert truth.shown(scrape.of_project(slug)) == truth.of_project(circle, slug, WORKFLOWS), (
        "a failed part keeps its rows"
    )
    if case.asked is not None:
        asked = [one for one in circle.requests() if one["fault"] == case.kind and slug in one["path"]]
        assert len(asked) >= case.asked


def test_the_others_are_polled_on_while_many_fail(exporter: Exporter) -> None:
    still_polled(exporter, BYSTANDERS)


def test_every_project_recovers_when_the_network_does(exporter: Exporter, circle: RemoteCircle) -> None:
    circle.heal()
    exporter.until(lambda scrape: polled(scrape, list(VICTIMS.values())), "good polls of all that failed")
    assert "internal" not in exporter.scrape().failures("workflows") | exporter.scrape().failures("jobs")
