"""The sample lines of all that is counted, as prometheus_client would write them: the only place that knows cells."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from exporter.counting import red
from exporter.counting.cells import Distribution
from exporter.counting.room import FAMILIES, wanted
from exporter.formats.histogram import Exemplar, Histogram, histogram_lines
from exporter.insights import run_families
from exporter.insights.questions import reachable
from exporter.publishing.live_lines import counters_expire_at
from exporter.publishing.sections import FamilyLines, sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.config import Project
    from exporter.counting.cells import Value
    from exporter.counting.ledger import BranchFacts, Ledger, WorkflowLedger
    from exporter.insights.family import Family
    from exporter.runs.live import Live

    Row = tuple[Family, tuple[str, ...], Value]
    """A series or histogram: its family, its own labels in the family's order, and what it shows."""
    Rows = Mapping[tuple[str, ...], tuple[Row, ...]]
    """What is shown or cut together, by its key; in the order of the keys it keeps its room."""

OF_RUNS = {family.name: place for place, family in enumerate(run_families.RUNS)}


def expires_at(workflow: WorkflowLedger, project: Project, live: Live | None) -> float | None:
    """When a workflow's counters are too old to be shown, in Unix seconds; None while it was never read.

    Where pipelines are watched, their list tells of all workflows, once it was walked.
    """
    if live is not None and live.listed_at is not None:
        return counters_expire_at(live, project)
    return None if workflow.polled_at is None else workflow.polled_at + project.staleness("runs")


def shown(
    ledger: Ledger, project: Project, now: float, live: Live | None = None
) -> Iterator[tuple[str, WorkflowLedger]]:
    """The workflows whose counters are shown at `now`, sorted by name.

    What could not be read for too long is not shown, and comes back with its counts when it is read again.
    """
    for name, workflow in sorted(ledger.workflows.items()):
        expiry = expires_at(workflow, project, live)
        if (
            expiry is not None
            and now < expiry
            and workflow.unlisted_at is None
            and (live is not None or reachable(name))
            and project.workflows.match(name)
        ):
            yield name, workflow


def expiries(ledger: Ledger, project: Project, live: Live | None = None) -> Iterator[float]:
    """When counters become too old to be shown, in Unix seconds."""
    for workflow in ledger.workflows.values():
        expiry = expires_at(workflow, project, live)
        if expiry is not None:
            yield expiry


def of_runs(ledger: Ledger, project: Project, now: float, live: Live | None = None, *, hidden: bool = False) -> Rows:
    """What is shown of runs at `now`, or what of it is hidden, by workflow and branch."""
    return of_workflows(ledger, project, dict(shown(ledger, project, now, live)), hidden=hidden)


def of_workflows(
    ledger: Ledger, project: Project, workflows: Mapping[str, WorkflowLedger], *, hidden: bool = False
) -> Rows:
    """Counters, histogram and newest run of these workflows, by workflow and branch."""
    chosen = {name for name in OF_RUNS if project.metrics.match(name)}
    rows: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for key, cell in ledger.cells.values.items():
        if key.family in OF_RUNS and cell.hidden is hidden and key.labels[-1] in workflows:
            group = rows[key.labels[-1], key.labels[0]]
            if key.family in chosen:
                group.append((FAMILIES[key.family], key.labels, cell.value))
    for (workflow, branch), group in rows.items():
        facts = workflows[workflow].branches.get(branch)
        group.sort(key=lambda row: (OF_RUNS[row[0].name], row[1]))
        group += [row for row in _newest(facts, (branch, workflow)) if row[0].name in chosen]
    return {key: tuple(group) for key, group in rows.items()}


def of_pipelines(
    ledger: Ledger, project: Project, now: float, live: Live, *, hidden: bool = False
) -> Mapping[Family, Mapping[tuple[str, ...], Value]]:
    """What else is counted and shown, or hidden: by family, the values by their own labels."""
    found: dict[str, dict[tuple[str, ...], Value]] = {
        name: {} for name, family in FAMILIES.items() if name not in OF_RUNS and wanted(project, family)
    }
    if now < counters_expire_at(live, project):
        for key, cell in ledger.cells.values.items():
            values = found.get(key.family)
            if values is not None and cell.hidden is hidden:
                values[key.labels] = cell.value
    return {FAMILIES[name]: values for name, values in found.items()}


def lines(project: str, _key: tuple[str, ...], rows: Iterable[Row]) -> list[FamilyLines]:
    """The lines of what is shown together."""
    return [each for family, own, value in rows for each in series(project, family, own, value)]


def series(project: str, family: Family, own: tuple[str, ...], value: Value) -> list[FamilyLines]:
    """The lines of one series or histogram of a project."""
    return [line(family, {**dict(zip(family.own, own, strict=True)), "project": project}, value)]


def line(family: Family, labels: Mapping[str, str], value: Value) -> FamilyLines:
    """One counter, gauge or histogram."""
    names = sorted(labels)
    values = [labels[name] for name in names]
    if not isinstance(value, Distribution):
        return sample(family.name, names, values, value)
    histogram = Histogram(value.bounds, value.counts, value.sum, _exemplars(value))
    return FamilyLines(family.name, *histogram_lines(family.name, names, values, histogram))


def _newest(facts: BranchFacts | None, own: tuple[str, ...]) -> Iterator[Row]:
    if facts is None:
        return
    last, verdict = facts.last, facts.verdict
    failures, since, _ = red.of(facts.row) if facts.row else (None, None, "")
    values = (
        None if verdict is None else verdict.value,
        None if last is None else last.value,
        None if last is None else last.stopped_at,
        failures,
        since,
    )
    for family, value in zip((*run_families.LAST_RUN, *run_families.RED), values, strict=True):
        if value is not None:
            yield family, own, value


def _exemplars(value: Distribution) -> list[Exemplar | None]:
    """Exemplars as they are written; a bucket whose run is still held back has none."""
    return [
        Exemplar((("workflow_id", each.workflow_id),), each.value, each.stopped_at) if each and count else None
        for each, count in zip(value.exemplars, value.counts, strict=False)
    ]
