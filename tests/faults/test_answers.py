"""What a server can answer that is no good: each fault alone, on one project, beside one that nothing happens to.

`test_wire` has some of them as an operator meets them, in a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.insights.collector import RUNS_POLL
from tests.faults.campaign import Case, slug_of
from tests.faults.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

VICTIM, BYSTANDER = slug_of(0), slug_of(1)
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
GONE = [
    Case("a listing that is empty", "body", "", options={"text": '{"items": [], "next_page_token": null}'}),
    Case("a listing without a workflow", "drop", 'workflow="workflow-001"', options={"path": "items.1"}),
    Case("jobs without one of them", "drop", 'workflow="workflow-000"', JOBS, "jobs", {"path": "items.1"}),
]
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


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with Stage(f"  - {VICTIM}\n  - {BYSTANDER}\n") as begun:
        yield begun


@pytest.fixture
def scene(running: Stage) -> Stage:
    """Everything in order before a case, so also after the one before."""
    running.circle.heal()
    running.polls(VICTIM, BYSTANDER)
    assert [running.success(slug, name) for slug in (VICTIM, BYSTANDER) for name in ("workflows", "jobs")] == [1] * 4
    assert running.shown(VICTIM) == running.known(VICTIM)
    running.log.calls.clear()
    return running


def poll(scene: Stage) -> dict[tuple[str, str], float]:
    """Poll both: the one to which nothing happens is exact; what failed meanwhile, by collector and reason."""
    before = scene.failures()
    scene.polls(VICTIM, BYSTANDER)
    assert scene.shown(BYSTANDER) == scene.known(BYSTANDER)
    assert scene.success(BYSTANDER) == scene.success(BYSTANDER, "jobs") == 1
    after = scene.failures()
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}


@pytest.mark.parametrize("case", FAILING, ids=str)
def test_a_bad_answer_fails_one_question_by_its_name_and_harms_nothing_else(case: Case, scene: Stage) -> None:
    fault = scene.circle.fail(case.kind, case.match(VICTIM), **case.options)
    assert poll(scene) == {(case.collector, case.names): 1}
    assert scene.success(VICTIM, case.collector) == 0
    assert [(line["collector"], line["reason"]) for line in scene.told("project is failing", project=VICTIM)] == [
        (case.collector, case.names)
    ]
    assert scene.shown(VICTIM) == scene.known(VICTIM), "a failed part keeps its rows"
    assert case.asked in {None, fault.hits}


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_a_field_that_cannot_be_read_is_counted_and_costs_nothing_else(case: Case, scene: Stage) -> None:
    labels = {"collector": case.collector, "field": case.names}
    before, good = scene.scrape().get("unreadable_fields_total", **labels) or 0, scene.known(VICTIM)
    of_the_row = sum('workflow="workflow-000"' in name for name in good)
    scene.circle.fail(case.kind, case.match(VICTIM), **case.options)
    assert poll(scene) == {}
    left = scene.shown(VICTIM)
    assert (scene.scrape().get("unreadable_fields_total", **labels) or 0) > before
    assert left.items() <= good.items()
    assert len(good) - len(left) == {"name": of_the_row, "window_end": 0}.get(case.names, 1)
    assert scene.success(VICTIM) == scene.success(VICTIM, "jobs") == 1


@pytest.mark.parametrize("case", HARMLESS, ids=str)
def test_an_unusual_answer_that_is_good_is_taken(case: Case, scene: Stage) -> None:
    fault = scene.circle.fail(case.kind, case.match(VICTIM), **case.options)
    assert poll(scene) == {}
    assert fault.hits
    assert scene.success(VICTIM) == 1
    assert scene.shown(VICTIM) == scene.known(VICTIM)


@pytest.mark.parametrize("case", GONE, ids=str)
def test_what_circleci_no_longer_returns_is_gone_with_the_poll(case: Case, scene: Stage) -> None:
    scene.circle.fail(case.kind, case.match(VICTIM), **case.options)
    assert poll(scene) == {}
    known = scene.known(VICTIM)
    gone = {name for name in known if case.names in name and (case.collector == "workflows" or "job-001" in name)}
    assert gone
    assert scene.shown(VICTIM) == {name: value for name, value in known.items() if name not in gone}
    assert scene.success(VICTIM) == scene.success(VICTIM, "jobs") == 1


def test_a_project_logs_once_that_it_fails_and_once_that_it_recovered(scene: Stage) -> None:
    scene.circle.fail("not_found", rf"{VICTIM}/workflows\?")
    for _ in range(3):
        assert poll(scene) == {("workflows", "not_found"): 1}
    assert len(scene.told("project is failing")) == 1
    assert scene.told("project recovered") == []
    scene.circle.heal()
    for _ in range(2):
        assert poll(scene) == {}
    assert scene.told("project recovered") == [{"project": VICTIM}]


EVERY = "workflows, jobs, runs, flaky_tests, tests, project, job_trend, workflow_summary"


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_a_fault_from_the_first_poll_on_is_named_and_the_next_good_poll_is_complete(case: Case) -> None:
    collectors = EVERY if case.collector not in {"workflows", "jobs"} else "workflows, jobs"
    branches = ', branches: ["release/*"]' if "branches" in str(case) else ""
    with Stage(f"  - {{slug: {VICTIM}, collectors: [{collectors}]{branches}}}\n  - {BYSTANDER}\n") as scene:
        match = case.path.replace(".*", VICTIM) if case.path.startswith("pages/") else VICTIM + case.path
        scene.circle.fail(case.kind, match, **case.options)
        scene.polls(VICTIM, kind=RUNS_POLL)
        failed = poll(scene)
        assert {reason for name, reason in scene.failures() if name == case.collector} == {case.names}
        assert "internal" not in {reason for _, reason in scene.failures()}
        assert failed or case.collector == "runs"
        assert scene.success(VICTIM, case.collector) == 0
        assert scene.told("project is failing", project=VICTIM)[0]["reason"] == case.names
        if case.collector != "workflows":
            assert scene.known(VICTIM).items() <= scene.shown(VICTIM).items(), "the project's own gauges"
        scene.circle.heal()
        scene.polls(VICTIM, kind=RUNS_POLL)
        assert poll(scene) == {}
        assert scene.success(VICTIM, case.collector) == 1
        assert scene.known(VICTIM).items() <= scene.shown(VICTIM).items()
