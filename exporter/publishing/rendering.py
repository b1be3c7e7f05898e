"""A project's snapshot, rendered once for all scrapes until the next publication.

Pure: snapshot and time in, compressed sample lines out. Rows are sorted by their labels, workflows
before jobs, so that what `max_series` cuts off is the same at every publication.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from exporter.formats.deflate import fragment
from exporter.formats.exposition import escaped, label_pattern, label_text, sample_line
from exporter.insights import families
from exporter.insights.collectors import COLLECTORS
from exporter.knowledge.snapshots import unpack, unpack_texts
from exporter.publishing import run_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from exporter.config import Project
    from exporter.formats.deflate import Fragment
    from exporter.insights.collectors import Collector, Table
    from exporter.insights.families import Family
    from exporter.insights.payloads import Number
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part, Snapshot

MAX_SERIES, BRANCHES = "max_series", "branches"

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        families.PROJECT_INFO,
        families.DEFAULT_BRANCH,
        *(family for collector in COLLECTORS.values() for table in collector.tables for family in table.families),
        *families.RUNS,
        *families.OWN,
    )
}
"""Every family that a project's publication can hold, by name, in the order of a scrape."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The few numbers of a workflow that a person wants to see, and those of the answer before."""

    workflow: str
    branch: str
    window: str
    success_ratio: Number | None
    median: Number | None
    p95: Number | None
    runs: Number | None
    previous_success_ratio: Number | None = None
    previous_p95: Number | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """What one project shows: lines by family, series by collector, and when the first of them are too old.

    `dropped` counts the series left out so far by reason, `cut` those that this publication leaves out.
    """

    fragments: Mapping[str, Fragment]
    series: Mapping[str, int]
    dropped: Mapping[str, int]
    cut: int
    figures: tuple[Figures, ...]
    expires_at: float | None
    families: frozenset[str]

    def shown(self) -> Publication:
        """The same without the lines, which live on in the whole."""
        return replace(self, fragments={})


class _Row(NamedTuple):
    """One label set: by what it is sorted, how it stands in the braces, and its numbers as texts."""

    order: tuple[str, ...]
    labels: str
    values: tuple[str | None, ...]


class _Lines:
    """Sample lines by family, up to the project's limit."""

    def __init__(self, limit: int) -> None:
        self.text: defaultdict[str, list[str]] = defaultdict(list)
        self.series: defaultdict[str, int] = defaultdict(int)
        self.left = limit
        self.dropped = 0

    def add(self, collector: str, row: list[tuple[str, str]]) -> None:
        """Add all samples of one label set, or none of them; once one did not fit, no other does."""
        if self._fits(collector, len(row)):
            for family, line in row:
                self.text[family].append(line)

    def add_table(self, collector: str, names: Sequence[str], rows: Iterable[_Row]) -> None:
        """Add label sets, each with the texts of its numbers by family."""
        kept = [row for row in rows if self._fits(collector, len(names) - row.values.count(None))]
        for place, name in enumerate(names):
            self.text[name] += [
                f"{name}{{{row.labels}}} {value}\n"  # what sample_line writes, without its call
                for row in kept
                if (value := row.values[place]) is not None
            ]

    def _fits(self, collector: str, samples: int) -> bool:
        if self.dropped or samples > self.left:
            self.dropped += samples
            return False
        self.left -= samples
        self.series[collector] += samples
        return True


def render(snapshot: Snapshot, now: float, *, polled: bool) -> Publication:
    """Render all that is young enough at `now`, in Unix seconds; what the limit leaves out counts once a poll."""
    project = snapshot.project
    lines = _Lines(project.max_series)
    figures: list[Figures] = []
    for collector in COLLECTORS.values():
        if collector.name not in project.collectors:
            continue
        fresh = [
            (question, part)
            for question, part in snapshot.parts.items()
            if question.collector == collector.name and snapshot.fresh(question, now)
        ]
        for table in collector.tables:
            _table(lines, project, collector, table, fresh)
        if collector.name == "workflows":
            figures = [figure for question, part in fresh for figure in _figures(project, question, part)]
    expiries = [at for question in snapshot.parts if (at := snapshot.expires_at(question)) > now]
    if snapshot.ledger is not None and "runs" in project.collectors:
        for row in run_lines.lines(snapshot.ledger, project, now):
            lines.add("runs", row)
        expiries += [at for at in run_lines.expiries(snapshot.ledger, project) if at > now]
    dropped = {MAX_SERIES: 0, BRANCHES: 0, **snapshot.dropped}
    if polled:
        dropped[MAX_SERIES] += lines.dropped
    for family, line in (*_about(snapshot), *_own(snapshot, dropped)):
        lines.text[family].append(line)
    return Publication(
        {family: fragment("".join(text).encode()) for family, text in lines.text.items() if text},
        dict(lines.series),
        dropped,
        lines.dropped,
        tuple(figures),
        min(expiries, default=None),
        frozenset(family for family, text in lines.text.items() if text),
    )


def _table(
    lines: _Lines, project: Project, collector: Collector, table: Table, fresh: list[tuple[Question, Part]]
) -> None:
    """Add the rows of all parts of one table, sorted by their labels."""
    chosen = [place for place, family in enumerate(table.families) if project.metrics.match(family.name)]
    if not chosen:
        return
    every = len(chosen) == len(table.families)
    limit = table.limit(project)
    rows: list[_Row] = []
    for question, part in fresh:
        labels = {
            "project": project.name,
            "workflow": question.workflow,
            "branch": question.branch,
            "window": question.window,
            "granularity": question.granularity,
            "organization": question.slug,
        }
        pattern = label_pattern(table.labels, labels, table.own)
        found: list[_Row] = []
        for own, texts in unpack_texts(part.rows, table):
            labels.update(zip(table.own, own, strict=True))
            if selected(project, labels):
                order = tuple([labels[name] for name in table.labels])
                values = texts if every else tuple([texts[place] for place in chosen])
                found.append(_Row(order, pattern % tuple([escaped(value) for value in own]), values))
        rows += found[:limit]
    rows.sort(key=attrgetter("order"))
    lines.add_table(collector.name, [table.families[place].name for place in chosen], rows)


def selected(project: Project, labels: Mapping[str, str]) -> bool:
    """Whether the settings want a row, by the names of its workflow and job."""
    job = labels.get("job_name", "")
    workflow = labels["workflow"]
    return (not workflow or project.workflows.match(workflow)) and (not job or project.jobs.match(job))


def _figures(project: Project, question: Question, part: Part) -> Iterator[Figures]:
    """The numbers of each workflow of a part that a page shows."""
    (table,) = COLLECTORS["workflows"].tables
    place = {family.path: index for index, family in enumerate(table.families)}
    success, p95 = place["metrics.success_rate"], place["metrics.duration_metrics.p95"]
    median, runs = place["metrics.duration_metrics.median"], place["metrics.total_runs"]
    before = dict(unpack(part.previous, table)) if part.previous else {}
    for (workflow,), values in unpack(part.rows, table):
        if project.workflows.match(workflow):
            old = before.get((workflow,))
            yield Figures(
                workflow,
                question.branch,
                question.window,
                values[success],
                values[median],
                values[p95],
                values[runs],
                old[success] if old else None,
                old[p95] if old else None,
            )


def _about(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What is known of the project itself, for joins."""
    project, facts = snapshot.project, snapshot.facts
    if facts is None:
        return
    info = {
        "project": project.name,
        "slug": project.slug,
        "project_name": facts.project_name,
        "organization": facts.organization,
        "provider": facts.provider,
        "default_branch": facts.default_branch,
        **dict(project.labels),
    }
    branch = {"branch": facts.default_branch, "project": project.name}
    for family, labels in ((families.PROJECT_INFO, info), (families.DEFAULT_BRANCH, branch)):
        if project.metrics.match(family.name) and (family is families.PROJECT_INFO or facts.default_branch):
            yield family.name, _line(family, labels, 1)


def _own(snapshot: Snapshot, dropped: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """What the exporter says of its polls of the project."""
    name = snapshot.project.name
    for collector, outcome in sorted(snapshot.outcomes.items()):
        labels = {"collector": collector, "project": name}
        yield _sample(families.COLLECTOR_SUCCESS, labels, int(outcome.success))
        yield _sample(families.COLLECTOR_DURATION, labels, outcome.duration)
        if outcome.last_success is not None:
            yield _sample(families.COLLECTOR_LAST_SUCCESS, labels, outcome.last_success)
    for reason, count in sorted(dropped.items()):
        yield _sample(families.DROPPED_SERIES, {"project": name, "reason": reason}, count)


def _sample(family: Family, labels: Mapping[str, str], value: Number) -> tuple[str, str]:
    return family.name, _line(family, labels, value)


def _line(family: Family, labels: Mapping[str, str], value: Number) -> str:
    names = sorted(labels)
    return sample_line(family.name, label_text(names, [labels[name] for name in names]), value)
