from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.counting.cells import Cell, Cells, Distribution, Key, Value
from exporter.counting.ledger import BranchFacts, Ledger, Newest, WorkflowLedger
from exporter.formats.exposition import EOF, header
from exporter.insights import run_families
from exporter.insights.questions import reachable
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.counted_lines import expiries, of_runs
from exporter.publishing.counted_lines import lines as lines_of
from exporter.publishing.rendering import render
from exporter.publishing.store import SnapshotStore
from exporter.runs.reading import STATUSES
from tests.counting.making import NOW, WEB, ledger, polled, run
from tests.knowledge.samples import project
from tests.publishing.test_store import scraped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.config import Project
    from exporter.insights.family import Family
    from exporter.publishing.sections import FamilyLines

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
COUNTS = st.integers(0, 2**53)
NUMBERS = COUNTS | st.floats(0, 2**53)
NEWEST = st.none() | st.builds(Newest, NUMBERS, COUNTS, COUNTS, st.none() | NUMBERS)
BOUNDS = (0.5, 30.0, 2_592_000.0)


def lines(known: Ledger, of: Project, at: float) -> list[list[FamilyLines]]:
    return [lines_of(of.name, key, rows) for key, rows in sorted(of_runs(known, of, at).items())]


class Branch(NamedTuple):
    """What is counted of one workflow on one branch."""

    runs: dict[str, int]
    histogram: Distribution
    credits: float
    last: Newest | None
    verdict: Newest | None


BRANCHES = st.builds(
    Branch,
    st.dictionaries(st.sampled_from([*STATUSES, 'in"vented\\', "other"]), COUNTS),
    st.builds(Distribution, st.just(BOUNDS), st.tuples(*[COUNTS] * 4), NUMBERS),
    NUMBERS,
    NEWEST,
    NEWEST,
)
WORKFLOWS = st.dictionaries(NAMES.filter(reachable), st.dictionaries(NAMES, BRANCHES, max_size=2), max_size=3)
Workflows = dict[str, dict[str, Branch]]


def ledger_of(workflows: Workflows) -> Ledger:
    """A ledger with these counters."""
    known: dict[str, WorkflowLedger] = {}
    cells: dict[Key, Cell] = {}
    for name, branches in workflows.items():
        facts = {branch: BranchFacts(0, each.last, each.verdict) for branch, each in branches.items()}
        known[name] = WorkflowLedger(0, polled_at=NOW, branches=facts)
        for branch, each in branches.items():
            values: dict[Key, Value] = {}
            for status, number in each.runs.items():
                values[Key(run_families.RUNS_TOTAL.name, (branch, status, name))] = number
            values |= {
                Key(run_families.RUN_DURATION.name, (branch, name)): each.histogram,
                Key(run_families.RUN_CREDITS.name, (branch, name)): each.credits,
            }
            cells |= {key: Cell(value, 0.0, 0.0) for key, value in values.items()}
    return Ledger(0, 0, known, cells=Cells(cells))


class Library(Collector):
    """The same counters as prometheus_client renders them."""

    def __init__(self, known: Workflows) -> None:
        self.known = known

    def collect(self) -> Iterator[Metric]:
        metrics = {
            family.name: {
                "counter": CounterMetricFamily,
                "histogram": HistogramMetricFamily,
                "gauge": GaugeMetricFamily,
            }[family.kind](family.name, family.help, labels=["workflow", "project", "branch", *self._more(family)])
            for family in run_families.RUNS
        }
        for name, branches in sorted(self.known.items()):
            for branch, each in sorted(branches.items()):
                self._add(metrics, [name, WEB.name, branch], each)
        yield from (metric for metric in metrics.values() if metric.samples)

    @staticmethod
    def _more(family: Family) -> list[str]:
        return ["status"] if family is run_families.RUNS_TOTAL else []

    def _add(self, metrics: Mapping[str, Metric], labels: list[str], each: Branch) -> None:
        histogram, last, verdict = each.histogram, each.last, each.verdict
        for status, number in sorted(each.runs.items()):
            metrics[run_families.RUNS_TOTAL.name].add_metric([*labels, status], number)  # type: ignore[attr-defined]
        bounds = [*map(floatToGoString, BOUNDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
        metrics[run_families.RUN_DURATION.name].add_metric(labels, buckets, histogram.sum)  # type: ignore[attr-defined]
        for family, value in (
            (run_families.RUN_CREDITS, each.credits),
            (run_families.LAST_RUN_SUCCESS, verdict and verdict.value),
            (run_families.LAST_RUN_DURATION, last and last.value),
            (run_families.LAST_RUN_TIMESTAMP, last and last.stopped_at),
        ):
            if value is not None:
                metrics[family.name].add_metric(labels, value)  # type: ignore[attr-defined]


@pytest.mark.parametrize("openmetrics", [False, True])
@given(WORKFLOWS)
def test_the_text_is_that_of_prometheus_client_byte_for_byte(openmetrics: bool, workflows: Workflows) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Library(workflows))
    expected = generate_openmetrics(registry).removesuffix(EOF) if openmetrics else generate_latest(registry)
    found = dict.fromkeys(run_families.RUNS, b"")
    names = {family.name: family for family in run_families.RUNS}
    for each in lines(ledger_of(workflows), WEB, NOW):
        for line in each:
            found[names[line.family]] += (line.openmetrics if openmetrics else line.text).encode()
    assert expected == b"".join(
        header(family, openmetrics=openmetrics) + text for family, text in found.items() if text
    )


def shown(known: Ledger, settings: str = "", at: float = NOW) -> list[str]:
    rows = lines(known, project(settings), at)
    return [sample for each in rows for line in each for sample in line.text.splitlines()]


def test_what_was_never_read_or_is_listed_no_longer_is_not_shown() -> None:
    known = polled(ledger(), run(1))
    assert shown(known)
    assert shown(ledger()) == []
    unlisted = replace(known.workflows["build"], unlisted_at=NOW)
    assert shown(replace(known, workflows={"build": unlisted})) == []


def test_workflows_and_families_are_chosen_as_everywhere() -> None:
    known = polled(ledger(), run(1))
    assert shown(known, "workflows: {exclude: [build]}") == []
    assert {line.partition("{")[0] for line in shown(known, "metrics: {include: ['*_credits_total']}")} == {
        "circleci_workflow_run_credits_total"
    }


def test_counters_that_could_not_be_renewed_go_after_three_polls_and_come_back_as_they_were() -> None:
    known = polled(ledger(), run(1))
    assert list(expiries(known, WEB)) == [NOW + 900.0]
    assert list(expiries(ledger(), WEB)) == []
    assert shown(known, at=NOW + 899.0)
    assert shown(known, at=NOW + 900.0) == []
    assert shown(known, "stale_after: 1d", at=NOW + 900.0)
    assert shown(polled(known, at=NOW + 1000.0), at=NOW + 1000.0)[4].startswith("circleci_workflow_runs_total")


def test_a_publication_holds_the_counters_and_knows_when_they_expire() -> None:
    known = polled(ledger(), run(1, "failed"))
    web = project("collectors: [runs]")
    publication = render(Snapshot(web, ledger=known), NOW, polled=False)
    assert {family.name for family in run_families.RUNS} <= publication.families
    assert publication.series == {"runs": 16}
    assert publication.expires_at == NOW + 900.0
    assert "runs" not in render(Snapshot(project(), ledger=known), NOW, polled=False).series


def test_what_exceeds_the_limit_of_series_is_left_out_in_whole_branches() -> None:
    known = polled(ledger(), run(1), run(2, branch="develop"))
    settings = "collectors: [runs]\nbranches: [develop]\nmax_series: 20"
    publication = render(Snapshot(project(settings), ledger=known), NOW, counted=True)
    assert publication.series == {"runs": 15}
    assert publication.dropped["max_series"] == 15


def test_a_store_shows_them_beside_the_rest() -> None:
    store = SnapshotStore()
    store.publish([Snapshot(project("collectors: [runs]"), ledger=polled(ledger(), run(1, "failed")))], NOW)
    headers = [line for line in scraped(store.exposition).decode().splitlines() if line.startswith("# TYPE")]
    names = [family.name for family in run_families.RUNS]
    assert [line.split(" ")[2] for line in headers if line.split(" ")[2] in names] == names


def test_a_ledger_whose_collector_is_off_is_neither_shown_nor_waited_for() -> None:
    known = Snapshot(project("collectors: [workflows]"), ledger=polled(ledger(), run(1)))
    publication = render(known, NOW, polled=True)
    assert not publication.families & {family.name for family in run_families.RUNS}
    assert (publication.series, publication.cut, publication.expires_at) == ({}, 0, None)
    on = render(replace(known, project=project("collectors: [runs]")), NOW, polled=True)
    assert on.series == {"runs": 15}
    off_again = render(known, NOW, polled=True, before=on.shown())
    assert not off_again.families & {family.name for family in run_families.RUNS}
    store = SnapshotStore()
    for each in (replace(known, project=project("collectors: [runs]")), known):
        store.publish([each], NOW)
    assert b"circleci_workflow_run" not in scraped(store.exposition)
