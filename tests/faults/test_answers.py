"""What a server can answer that is no good: each fault alone, on one project, beside two that nothing happens to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import truth
from tests.faults.campaign import (
    WORKFLOWS,
    Case,
    Scene,
    configuration,
    failures,
    last_success,
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

    from tests.circleci import RemoteCircle
    from tests.running import Scrape

VICTIMS, BYSTANDERS = [slug_of(number) for number in range(8)], [slug_of(8), slug_of(9)]
"""So many victims that no case waits for the recovery of the one before, nor long for a poll."""
JOBS = r"/workflows/workflow-000/jobs\?"

FAILING = [
    Case("a login page in HTML with status 200", "html_200", "payload", asked=4),
    Case("an empty body", "empty", "payload"),
    Case("a body that is no JSON", "invalid_json", "payload"),
    Case("a body that is no UTF-8", "invalid_utf8", "payload"),
    Case("lists nested a hundred thousand deep", "deep", "payload"),
    Case("an integer of 6,000 digits", "huge_integer", "payload"),
    Case("a document that is a list", "body", "payload", options={"text": "[]"}),
    Case("a document that is null", "body", "payload", options={"text": "null"}),
    Case("status 204 without a body", "status", "payload", options={"code": 204}),
    Case("a listing without its list", "missing_items", "payload"),
    Case("an object in the place of the list", "items_object", "payload"),
    Case("two rows of the same name", "duplicate_rows", "payload"),
    Case("a body that claims to be gzip and is none", "gzip_garbage", "payload"),
    Case("an encoding that nobody asked for", "headers", "payload", options={"headers": {"Content-Encoding": "br"}}),
    Case("a page token that is a number", "bad_token", "payload"),
    Case("a page token of ten thousand letters", "bad_token", "payload", options={"value": "x" * 10_000}),
    Case(
        "a page token of half a surrogate pair",
        "body",
        "payload",
        options={"text": '{"items": [], "next_page_token": "\\ud800"}'},
    ),
    Case("jobs without their list", "missing_items", "payload", JOBS, "jobs"),
    Case("two jobs of the same name", "duplicate_rows", "payload", JOBS, "jobs"),
    Case("a page token that comes again", "repeated_token", "pagination"),
    Case(
        "a page token that CircleCI then refuses",
        "put",
        "client",
        r"/workflows\?branch=main&reporting-window=last-7-days$",
        options={"path": "next_page_token", "value": "not-from-here"},
    ),
    Case("a body of 40 MiB with its length", "oversize", "too_large", asked=1),
    Case("a body of 40 MiB in chunks of unknown number", "oversize", "too_large", options={"chunked": True}),
    Case("64 MiB packed into 64 KiB", "gzip_bomb", "too_large"),
    Case("more than a million values", "body", "too_large", options={"text": f"[{'1,' * 1_100_000}1]"}),
    Case("a redirect to another host", "redirect", "redirect", options={"to": "http://127.0.0.2:9/steal"}, asked=1),
    Case("a permanent redirect to the same host", "redirect", "redirect", options={"to": "/api/v2/me", "code": 308}),
    Case("a redirect without a place to go to", "status", "redirect", options={"code": 303}),
    Case("status 400", "bad_request", "client", asked=1),
    Case("status 418", "status", "client", options={"code": 418}),
    Case("status 403 from CircleCI", "forbidden", "forbidden", asked=1),
    Case("the block of a content delivery network, for one project", "cdn_block", "forbidden"),
    Case("status 404", "not_found", "not_found", asked=1),
    Case("jobs that are not found", "not_found", "not_found", JOBS, "jobs"),
]
UNREADABLE = [
    Case("a ratio that is NaN", "nan", "metrics.success_rate"),
    Case("a ratio that is infinite", "nan", "metrics.success_rate", options={"value": "-Infinity"}),
    Case("a number of 400 digits", "huge_integer", "metrics.total_runs", options={"digits": 400}),
    Case("a number that is a text", "text_number", "metrics.total_runs"),
    Case(
        "a number that is true",
        "put",
        "metrics.failed_runs",
        options={"path": "items.0.metrics.failed_runs", "value": True},
    ),
    Case(
        "a number that is a list",
        "put",
        "metrics.throughput",
        options={"path": "items.0.metrics.throughput", "value": [1]},
    ),
    Case("a time that is none", "put", "window_end", options={"path": "items.0.window_end", "value": "yesterday"}),
    Case("a name with half a surrogate pair", "surrogate", "name"),
    Case("a row without a name", "nameless_row", "name"),
    Case("a row that is a text", "row_is_text", "name"),
    Case("a name that is an object", "put", "name", options={"path": "items.0.name", "value": {"a": 1}}),
    Case(
        "a job's duration that is a text",
        "put",
        "metrics.duration_metrics.p95",
        JOBS,
        "jobs",
        {"path": "items.0.metrics.duration_metrics.p95", "value": "12"},
    ),
]
HARMLESS = [
    Case("a good body in chunks", "chunked", ""),
    Case("a good body in gzip", "gzip", ""),
    Case("a good body of another content type", "content_type", "", options={"value": "text/plain"}),
    Case("keys that nobody knows yet", "put", "", options={"path": "items.0.novelty", "value": [{}]}),
    Case("a good body that comes late", "delay", "", options={"seconds": 0.5}),
]


@pytest.fixture(scope="module")
def bystanders(circle: RemoteCircle) -> dict[str, dict[str, float]]:
    return {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in BYSTANDERS}


@pytest.fixture(scope="module")
def daemon(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("answers")
    config = configuration(circle, [*VICTIMS, *BYSTANDERS], state=folder / "state.db")
    with Exporter(folder, config, token=TOKEN) as exporter:
        yield exporter


@pytest.fixture
def scene(daemon: Exporter, circle: RemoteCircle, bystanders: dict[str, dict[str, float]]) -> Iterator[Scene]:
    """Everything in order before a case, and in order again soon after it."""

    def in_order(scrape: Scrape) -> list[str]:
        return [slug for slug in VICTIMS if polled(scrape, [slug])] if polled(scrape, BYSTANDERS) else []

    scrape = daemon.until(lambda scrape: len(in_order(scrape)) >= 2, "good polls")
    # The one that is polled next may be under way already; the one after it meets the fault soonest.
    victim = sorted(in_order(scrape), key=lambda slug: last_success(scrape, slug, "jobs"))[1]
    yield Scene(daemon, circle, victim, truth.of_project(circle, victim, WORKFLOWS), bystanders)
    circle.heal()


def success(scrape: Scrape, victim: str, collector: str = "workflows") -> float | None:
    return scrape.get("collector_success", project=victim, collector=collector)


def unreadable(scrape: Scrape, case: Case) -> float:
    return scrape.get("unreadable_fields_total", collector=case.collector, field=case.names) or 0.0


@pytest.mark.parametrize("case", FAILING, ids=str)
def test_a_bad_answer_fails_one_question_by_its_name_and_harms_nothing_else(case: Case, scene: Scene) -> None:
    exporter, circle, victim = scene.exporter, scene.circle, scene.victim
    before, asked_before = failures(exporter.scrape(), case.collector), len(circle.requests())

    def told() -> list[tuple[str, str]]:
        return [(one["collector"], one["reason"]) for one in exporter.events("project is failing", project=victim)]

    known = len(told())
    circle.fail(case.kind, case.match(victim), **case.options)
    exporter.until(lambda scrape: success(scrape, victim, case.collector) == 0, "the fault to show")

    scrape = unharmed(exporter, scene.bystanders)
    after = failures(scrape, case.collector)
    assert after[case.names] > before.get(case.names, 0)
    assert wait_until(lambda: told()[known:], why="a line in the log") == [(case.collector, case.names)]
    assert truth.shown(scrape.of_project(victim)) == scene.good, "a failed part keeps its rows"
    if case.asked is not None:
        faulty = [one for one in circle.requests(asked_before) if one["fault"] == case.kind and victim in one["path"]]
        polls = after[case.names] - before.get(case.names, 0)
        assert 0 < len(faulty) <= (polls + 1) * case.asked, "it is not asked again"


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_a_field_that_cannot_be_read_is_counted_and_costs_nothing_else(case: Case, scene: Scene) -> None:
    exporter, circle, victim = scene.exporter, scene.circle, scene.victim
    before = unreadable(exporter.scrape(), case)
    of_the_row = sum('workflow="workflow-000"' in name for name in scene.good)
    size = len(scene.good) - {"name": of_the_row, "window_end": 0}.get(case.names, 1)
    circle.fail(case.kind, case.match(victim), **case.options)

    def told(scrape: Scrape) -> bool:
        left = truth.shown(scrape.of_project(victim))
        return unreadable(scrape, case) > before and left.items() <= scene.good.items() and len(left) == size

    exporter.until(told, "a row to go that has no name, or a single number that is none")
    scrape = unharmed(exporter, scene.bystanders)
    assert success(scrape, victim) == success(scrape, victim, "jobs") == 1


@pytest.mark.parametrize("case", HARMLESS, ids=str)
def test_an_unusual_answer_that_is_good_is_taken(case: Case, scene: Scene) -> None:
    exporter, circle, victim = scene.exporter, scene.circle, scene.victim
    counted, asked_before = failures(exporter.scrape(), "workflows"), len(circle.requests())
    circle.fail(case.kind, case.match(victim), **case.options)
    seen = last_success(exporter.scrape(), victim)
    exporter.until(
        lambda scrape: (
            case.kind in {one["fault"] for one in circle.requests(asked_before)} and last_success(scrape, victim) > seen
        ),
        "a poll that met it",
    )

    scrape = unharmed(exporter, scene.bystanders)
    assert truth.shown(scrape.of_project(victim)) == scene.good
    assert failures(scrape, "workflows") == counted


def test_pages_that_never_end_are_given_up_after_a_thousand(scene: Scene) -> None:
    exporter, circle, victim = scene.exporter, scene.circle, scene.victim
    before, asked_before = failures(exporter.scrape(), "workflows"), len(circle.requests())
    circle.fail("endless_pages", rf"{victim}/workflows\?", times=1100)
    exporter.until(lambda scrape: success(scrape, victim) == 0, "the pages to be given up")
    scrape = unharmed(exporter, scene.bystanders)
    assert failures(scrape, "workflows")["pagination"] == before.get("pagination", 0) + 1
    assert [one["fault"] for one in circle.requests(asked_before)].count("endless_pages") >= 1000
    assert truth.shown(scrape.of_project(victim)) == scene.good


def test_the_others_are_polled_on_while_one_project_fails(scene: Scene) -> None:
    exporter, circle, victim = scene.exporter, scene.circle, scene.victim
    circle.fail("html_200", victim)
    exporter.until(lambda scrape: success(scrape, victim) == 0, "the fault to show")
    still_polled(exporter, BYSTANDERS)


def test_a_project_logs_once_that_it_fails_and_once_that_it_recovered(scene: Scene) -> None:
    exporter, circle, victim = scene.exporter, scene.circle, scene.victim
    failed = len(exporter.events("project is failing", project=victim))
    recovered = len(exporter.events("project recovered", project=victim))
    before = failures(exporter.scrape(), "workflows").get("not_found", 0)
    circle.fail("not_found", rf"{victim}/workflows\?")
    exporter.until(lambda scrape: failures(scrape, "workflows").get("not_found", 0) >= before + 3, "three failed polls")
    assert len(exporter.events("project is failing", project=victim)) == failed + 1
    circle.heal()
    exporter.until(lambda scrape: success(scrape, victim) == 1, "a good poll")
    assert len(exporter.events("project recovered", project=victim)) == recovered + 1


def test_no_fault_of_all_these_was_a_defect_of_the_exporter(daemon: Exporter) -> None:
    assert "internal" not in {reason for name in ("workflows", "jobs") for reason in failures(daemon.scrape(), name)}
    assert "Traceback" not in daemon.log
