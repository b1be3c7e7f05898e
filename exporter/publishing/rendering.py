"""A project's snapshot, rendered once for all scrapes until what it was rendered from changes.

Pure: snapshot, time and the publication before in, sample lines by section out. Workflows come before jobs, and rows
are kept by their labels, so that what `max_series` cuts off is the same at every publication.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from exporter.insights import own_families, run_families
from exporter.insights.collectors import COLLECTORS, PIPELINES, RUNS, counts
from exporter.publishing import counted_lines, live_lines, own_lines
from exporter.publishing.figures import PageFigures
from exporter.publishing.sections import NO_TEXTS, Room, of_rows
from exporter.publishing.tables import table_section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.counting.ledger import Ledger
    from exporter.insights.family import Family
    from exporter.insights.questions import Question
    from exporter.knowledge.snapshots import Part, Snapshot
    from exporter.publishing.sections import Basis, FamilyLines, FamilyText, Rendered, Section
    from exporter.runs.live import Live

UNLIMITED = sys.maxsize
MAX_SERIES, BRANCHES = "max_series", "branches"

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

    `dropped` counts the series left out so far by reason, `cut` those that this publication leaves out. `texts` are the
    lines of all sections that were rendered anew, by family.
    """

    sections: Mapping[str, Section]
    series: Mapping[str, int]
    dropped: Mapping[str, int]
    cut: int
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


UNPUBLISHED = Publication(MappingProxyType({}), MappingProxyType({}), MappingProxyType({}), 0, PageFigures(), None)
"""What a project showed before it was published."""


def render(snapshot: Snapshot, now: float, *, polled: bool, before: Publication = UNPUBLISHED) -> Publication:
    """Render what is young enough at `now`, in Unix seconds, and is not as it was `before`.

    What the limit leaves out counts once a poll.
    """
    project, ledger = snapshot.project, snapshot.ledger
    limited = Room(project.max_series, before.sections)
    series: dict[str, int] = {}
    page = before.figures
    fresh: defaultdict[str, list[tuple[Question, Part]]] = defaultdict(list)
    expiries = []
    for question, part, expires_at in snapshot.fresh(now):
        fresh[question.collector].append((question, part))
        expiries.append(expires_at)
    for collector in COLLECTORS.values():
        if collector.name not in project.collectors:
            continue
        parts = fresh[collector.name]
        basis = project, *chain.from_iterable((question, part.rows) for question, part in parts)
        series[collector.name] = 0
        for table in collector.tables:
            name = f"{collector.name} {table.name}"
            render_table = partial(table_section, project, table, parts)
            series[collector.name] += limited.add(name, basis, render_table).series
        if collector.page:
            page = PageFigures(project, parts, page)
    if ledger is not None and counts(project.collectors):
        live = snapshot.live
        runs = project, counted_lines.of_runs(ledger, project, now, live)
        series[RUNS] = _label_sets(limited, RUNS, runs, partial(counted_lines.lines, project.name))
        expiries += [at for at in counted_lines.expiries(ledger, project, live) if at > now]
    if ledger is not None and snapshot.live is not None:
        series[PIPELINES] = _live(limited, snapshot, ledger, snapshot.live, now)
        expiries += [at for at in live_lines.expiries(snapshot.live, project) if at > now]
    cut = sum(section.cut for section in limited.sections.values())
    dropped = {MAX_SERIES: 0, BRANCHES: 0, **snapshot.dropped}
    if polled:
        dropped[MAX_SERIES] += cut
    own = _own(snapshot, dropped, before.sections)
    return Publication(
        {**limited.sections, **own.sections},
        {name: count for name, count in series.items() if count},
        dropped,
        cut,
        page,
        min(expiries, default=None),
        {**limited.texts, **own.texts},
    )


def _live(limited: Room, snapshot: Snapshot, ledger: Ledger, live: Live, now: float) -> int:
    """Add what happens now, then the counters of jobs, then their histograms; returns how many series they are."""
    project = snapshot.project
    complete = live_lines.is_complete(live, project, now)
    workflows = counted_lines.shown(ledger, project, now, live) if complete else ()
    shown = [(name, branch) for name, each in workflows for branch in sorted(each.branches)]
    fresh, stale = live_lines.under_way(live, project, now)
    runs = project, live_lines.runs_in_progress(snapshot, shown, fresh, stale)
    known = complete and not stale
    jobs = project, known, tuple((run.jobs, run.waiting_since) for each in fresh for run in each.runs)
    added = [
        _label_sets(limited, "runs in progress", runs, partial(live_lines.runs_row, project)),
        limited.add(
            "jobs in progress", jobs, partial(of_rows, live_lines.jobs_rows(project, fresh, known=known))
        ).series,
    ]
    for family, values in counted_lines.of_pipelines(ledger, project, now, live).items():
        write = partial(counted_lines.series, project.name, family)
        added.append(_label_sets(limited, family.name, (project, values), write))
    return sum(added)


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
