"""Which of a project's counters are shown: those that were shown first stay, what has no room then is hidden. Pure.

A row stands together: a family with the same labels, but for labels of a few values, such as `status`. If one series of
it were missing, a sum would be less than what happened. So a row has room for all that it may come to have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from math import prod
from operator import attrgetter

from exporter.config import Project
from exporter.counting.cells import Cells, Distribution, Key, Value
from exporter.insights import run_families
from exporter.insights.collectors import PIPELINES
from exporter.insights.family import Family
from exporter.runs import attempts
from exporter.runs import jobs as job_runs
from exporter.runs.critical_path import PHASES
from exporter.runs.pipelines import OUTCOMES
from exporter.runs.reading import STATUSES

VALUES: Mapping[str, int] = {
    "status": len(STATUSES),
    "phase": len(PHASES),
    "outcome": len(OUTCOMES),
    "kind": len(attempts.KINDS),
    "result": len(attempts.RESULTS),
}
"""The labels of a row that have few values, and how many; jobs have statuses of their own."""
FAMILIES: Mapping[str, Family] = {family.name: family for family in run_families.COUNTED}
RANKS: Mapping[str, int] = {
    **{family.name: rank for rank, family in enumerate(run_families.COUNTED, 1)},
    **{family.name: 0 for family in run_families.RUNS},
}
"""In which order rows that come at once find room. All that is shown of a workflow and branch is one row."""
OF_RUNS_IN_PROGRESS = (run_families.RUNS_IN_PROGRESS, run_families.OLDEST_RUN_IN_PROGRESS)
OF_A_HISTOGRAM = 3
"""Samples beside the buckets that have a bound: the last bucket, the sum, the count."""

Row = tuple[int, tuple[str, ...]]
"""Its rank, and its labels."""
_PLACES: Mapping[str, tuple[int, ...]] = {
    name: tuple(place for place, label in enumerate(family.own) if label not in VALUES)
    for name, family in FAMILIES.items()
}
"""Where the labels of many values stand in each family."""


def row_of(key: Key) -> Row:
    """The row in which a series stands."""
    return RANKS[key.family], tuple(key.labels[place] for place in _PLACES[key.family])


def samples(value: Value) -> int:
    """How many samples a counter or histogram has."""
    return len(value.bounds) + OF_A_HISTOGRAM if isinstance(value, Distribution) else 1


def wanted(project: Project, family: Family) -> bool:
    """Whether a project's settings show a family. Without `jobs` those of jobs do not go on, so they are not shown."""
    return project.metrics.match(family.name) and (project.pipelines.jobs or family.name not in run_families.OF_JOBS)


class Room:
    """The room of one project's counters: `limit` series, of which those have some that are shown already."""

    def __init__(self, project: Project, cells: Cells, limit: int) -> None:
        self._sizes = _sizes(project)
        self._shown = {row_of(key) for key, cell in cells.values.items() if not cell.hidden}
        self.left = limit - sum(self._sizes[rank] for rank, _ in self._shown)

    def refused(self, keys: Collection[Key]) -> set[Key]:
        """Those of some new or hidden series that have no room; once a row has none, no later one has."""
        rows = defaultdict[Row, list[Key]](list)
        for key in keys:
            rows[row_of(key)].append(key)
        waiting, refused = sorted(rows.keys() - self._shown), set[Key]()
        for row in waiting:
            size = self._sizes[row[0]]
            if refused or size > self.left:
                refused.update(rows[row])
            else:
                self.left -= size
        return refused


def _sizes(project: Project) -> Counter[int]:
    """How many samples a row may come to have, by its rank."""
    sizes = Counter[int]()
    beside = (
        *run_families.LAST_RUN,
        *run_families.RED,
        *(OF_RUNS_IN_PROGRESS if PIPELINES in project.collectors else ()),
    )
    for family in (*run_families.COUNTED, *beside):
        if wanted(project, family):
            each = 1 if not family.buckets else len(attrgetter(family.buckets)(project)) + OF_A_HISTOGRAM
            values = {**VALUES, "status": len(job_runs.STATUSES) + 1} if "job_name" in family.own else VALUES
            sizes[RANKS.get(family.name, 0)] += each * prod(values.get(name, 1) for name in family.own)
    return sizes
