"""A project's snapshot, rendered once for all scrapes until what it was rendered from changes.

Pure: snapshot, time and the publication before in, sample lines by section out. Counters that are shown keep their room
within `max_series`; gauges have the rest, those of workflows before those of jobs, and in the order of their labels.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from exporter.counting.room import samples
from exporter.insights import own_families, run_families
from exporter.insights.collectors import COLLECTORS, PIPELINES, RUNS, counts
from exporter.publishing import counted_lines, live_lines, own_lines
from exporter.publishing.figures import PageFigures
from exporter.publishing.sections import NO_TEXTS, Room, of_rows
from exporter.publishing.tables import table_section

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from exporter.counting.ledger import Ledger
    from exporter.insights.family import Family
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part, Snapshot
    from exporter.publishing.sections import Basis, FamilyLines, FamilyText, Rendered, Section
    from exporter.runs.live import Live

UNLIMITED = sys.maxsize
MAX_SERIES, BRANCHES = "max_series", "branches"
JOBS_IN_PROGRESS = "jobs in progress"

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        own_families.PROJECT_INFO,
        own_families.DEFAULT_BRANCH,
        *(family for collector in COLLECTORS.values() for table in collector.tables for family in table.families),
        *run_families.RUNS,
        *run_families.LIVE,
        *own_families.OWN,
    )
}
"""Every family that a project's publication can hold, by name, in the order of a scrape."""


class Publication(NamedTuple):
    """What one project shows: its sections, series by collector, and when the first of them are too old.

    `dropped` counts the series left out so far by reason, `cut` those that this publication leaves out. `beside` are
    shown and are not counted. `texts` are the lines of all sections that were rendered anew, by family.
    """

    sections: Mapping[str, Section]
    series: Mapping[str, int]
    dropped: Mapping[str, int]
    cut: int
    beside: int
    figures: PageFigures
    expires_at: float | None
    texts: Mapping[str, FamilyText] = NO_TEXTS

    @property
    def families(self) -> frozenset[str]:
        """The families of which it has lines."""
        return frozenset().union(*[section.families for section in self.sections.values()])

    def shown(self) -> Publication:
        """The same without the lines, which live on in the blocks of their families."""
        return Publication(*self[:-1])


_NOTHING: Mapping[Any, Any] = MappingProxyType({})
UNPUBLISHED = Publication(_NOTHING, _NOTHING, _NOTHING, 0, 0, PageFigures(), None)
"""What a project showed before it was published."""


def render(
    snapshot: Snapshot,
    now: float,
    *,
    polled: bool = False,
    counted: bool = False,
    before: Publication = UNPUBLISHED,
) -> Publication:
    """Render what is young enough at `now`, in Unix seconds, and is not as it was `before`.

    What the limit leaves out counts once a poll: of gauges where these were `polled`, else where it was `counted`.
    """
    counters = Room(snapshot.project.max_series, before.sections)
    series, hidden, expiries = _counters(counters, snapshot, now)
    gauges = Room(counters.left, before.sections)
    page = _gauges(gauges, snapshot, now, before.figures, series)
    dropped = {MAX_SERIES: 0, BRANCHES: 0, **snapshot.dropped}
    dropped[MAX_SERIES] += (gauges.cut if polled else 0) + (hidden if counted else 0)
    own, jobs = _own(snapshot, dropped, before.sections), counters.sections.get(JOBS_IN_PROGRESS)
    expiries += [expires_at for _, _, expires_at in snapshot.fresh(now)]
    return Publication(
        {**counters.sections, **gauges.sections, **own.sections},
        {name: count for name, count in series.items() if count},
        dropped,
        gauges.cut + hidden,
        gauges.series + (jobs.series if jobs else 0),
        page,
        min(expiries, default=None),
        {**counters.texts, **gauges.texts, **own.texts},
    )


def _gauges(room: Room, snapshot: Snapshot, now: float, page: PageFigures, series: dict[str, int]) -> PageFigures:
    """Add the tables of what was read; returns the page's figures, and counts `series` by collector."""
    project = snapshot.project
    fresh: defaultdict[str, list[tuple[Question, Part]]] = defaultdict(list)
    for question, part, _ in snapshot.fresh(now):
        fresh[question.collector].append((question, part))
    for collector in COLLECTORS.values():
        if collector.name not in project.collectors:
            continue
        parts = fresh[collector.name]
        basis = project, *chain.from_iterable((question, part.rows) for question, part in parts)
        for table in collector.tables:
            added = room.add(f"{collector.name} {table.name}", basis, partial(table_section, project, table, parts))
            series[collector.name] = series.get(collector.name, 0) + added.series
        if collector.page:
            page = PageFigures(project, parts, page)
    return page


def _counters(room: Room, snapshot: Snapshot, now: float) -> tuple[dict[str, int], int, list[float]]:
    """Add what is counted, and what is in progress, in the order in which it keeps its room.

    Returns how many series each collector has, how many are left out, and when something is too old.
    """
    project, ledger, live = snapshot.project, snapshot.ledger, snapshot.live
    if ledger is None or not counts(project.collectors):
        return {}, 0, []
    lines = partial(counted_lines.lines, project.name)
    runs = counted_lines.of_runs(ledger, project, now, live)
    hidden = counted_lines.of_runs(ledger, project, now, live, hidden=True) if ledger.cells.hidden else {}
    cut = sum(samples(value) for rows in hidden.values() for _, _, value in rows)
    series = {RUNS: _label_sets(room, RUNS, (project, runs), lines)}
    expiries = [*counted_lines.expiries(ledger, project, live)]
    if live is not None:
        series[PIPELINES], more = _live(room, snapshot, ledger, live, now, hidden.keys())
        cut += more
        expiries += live_lines.expiries(live, project)
    return series, cut + room.cut, [at for at in expiries if at > now]


def _live(  # noqa: PLR0917  what is shown, when and where
    room: Room, snapshot: Snapshot, ledger: Ledger, live: Live, now: float, hidden: Collection[tuple[str, ...]]
) -> tuple[int, int]:
    """Add what happens now, then the counters of jobs, then their histograms; returns their series, and the hidden."""
    project = snapshot.project
    complete = live_lines.is_complete(live, project, now)
    workflows = counted_lines.shown(ledger, project, now, live) if complete else ()
    branches = [(name, branch) for name, each in workflows for branch in sorted(each.branches)]
    fresh, stale = live_lines.under_way(live, project, now)
    runs, row = live_lines.runs_in_progress(snapshot, branches, fresh, stale), partial(live_lines.runs_row, project)
    shown = {key: found for key, found in runs.items() if key not in hidden}
    cut = sum(each.samples for key in runs.keys() - shown.keys() for each in row(key, runs[key]))
    known = complete and not stale
    jobs = (
        project,
        known,
        tuple((run.jobs, run.waiting_since, run.waiting_job, run.name) for each in fresh for run in each.runs),
    )
    series = _label_sets(room, "runs in progress", (project, shown), row)
    series += room.add(
        JOBS_IN_PROGRESS, jobs, partial(of_rows, live_lines.jobs_rows(project, fresh, known=known))
    ).series
    for family, values in counted_lines.of_pipelines(ledger, project, now, live).items():
        write = partial(counted_lines.series, project.name, family)
        series += _label_sets(room, family.name, (project, values), write)
    if ledger.cells.hidden:
        others = counted_lines.of_pipelines(ledger, project, now, live, hidden=True)
        cut += sum(samples(value) for values in others.values() for value in values.values())
    return series, cut


def _label_sets(
    limited: Room, name: str, basis: Basis, row: Callable[[tuple[str, ...], Any], Sequence[FamilyLines]]
) -> int:
    """Add the label sets in which `basis` ends, in their order; returns how many series they are."""

    def render(room: int) -> Rendered:
        values = cast("Mapping[tuple[str, ...], Any]", basis[-1])
        return of_rows([row(key, values[key]) for key in sorted(values)], room)

    return limited.add(name, basis, render).series


def _own(snapshot: Snapshot, dropped: Mapping[str, int], before: Mapping[str, Section]) -> Room:
    """What the exporter says of a project, which has room in any case."""
    project, outcomes, room = snapshot.project, snapshot.outcomes, Room(UNLIMITED, before)
    times = project.name, own_lines.poll_times(outcomes)
    room.add("times", times, partial(own_lines.times_section, *times))
    about = project, snapshot.facts, own_lines.poll_results(outcomes), dropped
    room.add("about", about, partial(own_lines.about_section, *about))
    return room
