"""Every collector from a payload to its exposition, and what each of them asks."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.config import Organization
from exporter.formats.deflate import inflate
from exporter.insights.collectors import COLLECTORS, NAMES, ORGANIZATIONS
from exporter.insights.payloads import at, entries
from exporter.insights.questions import ALL_BRANCHES, Question
from exporter.insights.readers import BUCKETS
from exporter.knowledge import discovered_projects
from exporter.knowledge.packing import pack
from exporter.knowledge.snapshots import Part, Snapshot
from exporter.publishing.store import SnapshotStore
from tests.insights import payloads
from tests.knowledge.samples import project

if TYPE_CHECKING:
    from exporter.insights.collector import Collector, Table
    from exporter.insights.family import Family

GOLDEN = Path(__file__).with_name("golden")
SLUG, NOON = "gh/acme/web", 1_787_227_200.0
"""2026-08-20T12:00:00Z: the day of the payloads."""
WINDOW, MAIN = ("reporting-window", "last-7-days"), ("branch", "main")
EVERYTHING = f"collectors: [{', '.join(name for name in NAMES if name != ORGANIZATIONS)}]"
TOP = EVERYTHING + "\nflaky_tests: {top: 10}\ntests: {top: 10}"
CASES = {
    # payloads, which are the pages of one answer: the collector that reads them, and what was asked
    "workflows": ("workflows", (MAIN, WINDOW)),
    "workflows.page-1 workflows": ("workflows", (("all-branches", "true"), WINDOW)),
    "workflows.nulls": ("workflows", (MAIN, WINDOW)),
    "workflows.names": ("workflows", (MAIN, WINDOW)),
    "workflows.empty": ("workflows", (MAIN, WINDOW)),
    "workflows.rounded": ("workflows", (MAIN, ("reporting-window", "last-90-days"))),
    "jobs": ("jobs", (MAIN, WINDOW)),
    "project-summary": ("project", (WINDOW,)),
    "project-summary.long-window": ("project", (("reporting-window", "last-90-days"),)),
    "project-summary.bare": ("project", (WINDOW,)),
    "project-summary.branch": ("project", (WINDOW,)),
    "workflow-summary": ("workflow_summary", (MAIN,)),
    "workflow-summary.nulls": ("workflow_summary", (MAIN,)),
    "job-timeseries": ("job_trend", (MAIN, ("granularity", "daily"))),
    "flaky-tests": ("flaky_tests", ()),
    "flaky-tests.kebab-case": ("flaky_tests", ()),
    "flaky-tests.none": ("flaky_tests", ()),
    "flaky-tests.subtests": ("flaky_tests", ()),
    "test-metrics": ("tests", (MAIN,)),
    "test-metrics.none": ("tests", (MAIN,)),
    "organization-summary": (ORGANIZATIONS, (WINDOW,)),
    "organization-summary.bare": (ORGANIZATIONS, (WINDOW,)),
    "organization-summary.no-projects": (ORGANIZATIONS, (WINDOW,)),
}
BY_COLLECTOR = [(case, collector) for case, (collector, _) in CASES.items()]


def golden_file(case: str) -> Path:
    return GOLDEN / f"{case.split(maxsplit=1)[0]}.txt"


def exposition(case: str, settings: str = TOP) -> str:
    """What a project, or an organization, shows of an answer; without what the exporter says of itself."""
    name, params = CASES[case]
    collector = COLLECTORS[name]
    asked = project(settings)
    if name == ORGANIZATIONS:
        asked = discovered_projects.itself(Organization(slug="gh/acme", windows=asked.windows))
    workflow = "build-and-test" if "workflow" in collector.over else ""
    question = Question(name, collector.endpoint, asked.slug, workflow, params)
    rows, unread = collector.read([payloads.document(page) for page in case.split()], question, NOON)
    assert not unread
    store = SnapshotStore()
    store.publish([Snapshot(asked, None, {question: Part(pack(collector, rows), NOON, NOON)})], NOON)
    pieces = (inflate(piece) for piece in store.exposition.text.pieces)
    return "".join(text for text in map(bytes.decode, pieces) if "circleci_exporter_" not in text.split("{")[0])


@pytest.mark.parametrize("case", CASES)
def test_a_payload_becomes_exactly_this_exposition(case: str, request: pytest.FixtureRequest) -> None:
    text = exposition(case)
    golden = golden_file(case)
    if request.config.getoption("--update-golden"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_there_is_no_golden_file_without_a_payload() -> None:
    assert set(GOLDEN.glob("*.txt")) == set(map(golden_file, CASES))


@pytest.mark.parametrize("case", CASES)
def test_every_label_set_comes_once(case: str) -> None:
    samples = [sample for family in text_string_to_metric_families(exposition(case)) for sample in family.samples]
    named = [(sample.name, *sorted(sample.labels.items())) for sample in samples]
    assert len(named) == len(set(named))


FAMILIES = [
    pytest.param(collector, table, family, id=family.name)
    for collector in COLLECTORS.values()
    for table in collector.tables
    for family in table.families
]


@pytest.mark.parametrize(("collector", "table", "family"), FAMILIES)
def test_the_field_of_every_metric_is_in_a_payload(collector: Collector, table: Table, family: Family) -> None:
    found = []
    for case, name in BY_COLLECTOR:
        if name == collector.name:
            for page in case.split():
                found += [row for row in rows_of(payloads.document(page), table) if at(row, family.path) is not None]
    assert found


def rows_of(page: Any, table: Table) -> list[object]:
    if table.name == "test":  # its reader knows the lists that it reads
        return [*page["most_failed_tests"], *page["slowest_tests"]]
    try:
        return entries(page, table.rows)
    except Exception:  # noqa: BLE001  a page in another spelling
        return []


@pytest.mark.parametrize(("collector", "table", "family"), FAMILIES)
def test_every_metric_is_in_a_golden_file(collector: Collector, table: Table, family: Family) -> None:
    texts = [golden_file(case).read_text("utf-8") for case, name in BY_COLLECTOR if name == collector.name]
    assert any(f"\n{family.name}{{" in text for text in texts)


def test_all_names_have_the_prefix_and_the_labels_are_sorted() -> None:
    for collector in COLLECTORS.values():
        for table in collector.tables:
            assert list(table.labels) == sorted(table.labels)
            assert len(table.own) == len(table.keys)
            assert all(family.name.startswith("circleci_insights_") for family in table.families)


def test_both_spellings_of_flaky_tests_say_the_same() -> None:
    assert exposition("flaky-tests") == exposition("flaky-tests.kebab-case")


def test_tests_have_no_names_unless_a_project_wants_them() -> None:
    for case in ("flaky-tests", "test-metrics"):
        assert "test_name" in exposition(case)
        assert "test_name" not in exposition(case, EVERYTHING)


def test_the_worst_tests_are_chosen_among_the_wanted_jobs() -> None:
    text = exposition("flaky-tests", f"{EVERYTHING}\nflaky_tests: {{top: 1}}\njobs: {{exclude: [unit-tests]}}")
    assert text.count("circleci_insights_flaky_test_top_flakes{") == 1
    assert 'job_name="unit-tests"' not in text


def test_a_metric_that_is_not_wanted_is_not_shown() -> None:
    text = exposition("test-metrics", f"{TOP}\nmetrics: {{exclude: ['*_failed_runs', '*_tests']}}")
    assert "circleci_insights_test_runs{" in text
    assert "failed_runs" not in text
    assert "circleci_insights_workflow_tests{" not in text


def asked(name: str, **scope: Any) -> list[tuple[tuple[str, str], ...]]:
    return [question.params for question in COLLECTORS[name].questions(SLUG, **scope)]


def test_each_collector_asks_once_for_what_it_repeats_over() -> None:
    windows = ("last-7-days", "last-90-days")
    each = [("reporting-window", window) for window in windows]
    assert asked("workflows", branch="main", windows=windows) == [(MAIN, window) for window in each]
    assert asked("jobs", workflow="w", branch="main", windows=windows) == [(MAIN, window) for window in each]
    assert asked("project", windows=windows) == [(window,) for window in each]
    assert asked(ORGANIZATIONS, windows=windows) == [(window,) for window in each]
    assert asked("flaky_tests", branch="main", windows=windows) == [()]
    for name in ("tests", "workflow_summary"):
        assert asked(name, workflow="w", branch="main", windows=windows) == [(MAIN,)]
        assert asked(name, workflow="w", branch=ALL_BRANCHES, windows=windows) == [(("all-branches", "true"),)]


def test_buckets_are_asked_for_in_both_lengths_and_never_of_all_branches() -> None:
    assert asked("job_trend", workflow="w", branch="main") == [
        (MAIN, ("granularity", "daily")),
        (MAIN, ("granularity", "hourly")),
    ]
    assert asked("job_trend", workflow="w", branch=ALL_BRANCHES) == []


@pytest.mark.parametrize(
    ("granularity", "start"), [("daily", "2026-08-17T00:00:00Z"), ("hourly", "2026-08-18T12:00:00Z")]
)
def test_buckets_are_asked_for_from_the_start_of_one_on_that_is_still_of_interest(granularity: str, start: str) -> None:
    collector = COLLECTORS["job_trend"]
    (question,) = [
        question
        for question in collector.questions(SLUG, workflow="w", branch="main")
        if question.granularity == granularity
    ]
    expected = (MAIN, ("granularity", granularity), ("start-date", start))
    assert collector.sent(question, NOON).params == expected
    assert collector.sent(question, NOON + 1799).params == expected
    assert collector.sent(question, NOON + BUCKETS[granularity]).params != expected
    assert question.params == (MAIN, ("granularity", granularity))


def test_other_questions_are_sent_as_they_are() -> None:
    (question,) = COLLECTORS["flaky_tests"].questions(SLUG)
    assert COLLECTORS["flaky_tests"].sent(question, NOON) == question


def test_a_field_that_two_tables_read_is_counted_once() -> None:
    collector = COLLECTORS["flaky_tests"]
    document = payloads.document("flaky-tests")
    document["flaky_tests"][0]["times_flaked"] = "seven"
    (question,) = collector.questions(SLUG)
    rows, unread = collector.read([document], question, NOON)
    assert unread == {"times_flaked": 1}
    assert rows["job"][0] == (("unit-tests", "build-and-test"), (2, 480))


def test_what_is_kept_of_an_answer_is_compressed() -> None:
    collector = COLLECTORS["flaky_tests"]
    (question,) = collector.questions(SLUG)
    rows, _ = collector.read([payloads.document("flaky-tests")], question, NOON)
    assert zlib.decompress(pack(collector, rows)).startswith(b'{"project":')


@pytest.mark.parametrize("collector", COLLECTORS.values(), ids=COLLECTORS.keys())
def test_the_fields_of_a_collector_are_all_that_it_reads_each_once(collector: Collector) -> None:
    fields = collector.fields()
    assert len(set(fields)) == len(fields)
    assert all(path and not path.startswith("?") for path in fields)
    assert {family.column.path for table in collector.tables for family in table.families} <= set(fields)
