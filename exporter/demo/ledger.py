"""Runs that a test drives: added by hand, finished later, never forgotten."""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.demo.model import Run


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happened."""

    slug: str
    workflow: str


class Ledger:
    """The driven runs of all workflows, oldest first. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[Place, list[Run]] = {}
        self._where: dict[str, Place] = {}
        self.version = 0

    def add(self, place: Place, run: Run) -> None:
        """Insert by time of creation; of equal times, the newer entry counts as newer."""
        with self._lock:
            if run.id in self._where:
                raise ValueError(f"run {run.id} exists")
            insort(self._runs.setdefault(place, []), run, key=_created)
            self._where[run.id] = place
            self.version += 1

    def change(self, run_id: str, **changes: object) -> Run:
        """Replace fields of a run. Raises KeyError for an unknown id."""
        with self._lock:
            runs = self._runs[self._where[run_id]]
            index = next(index for index, run in enumerate(runs) if run.id == run_id)
            runs[index] = replace(runs[index], **changes)  # type: ignore[arg-type]
            self.version += 1
            return runs[index]

    def runs(self, place: Place) -> tuple[Run, ...]:
        """Return the driven runs of one workflow, oldest first."""
        with self._lock:
            return tuple(self._runs.get(place, ()))

    def workflows(self, slug: str) -> list[str]:
        """Return the names of a project's workflows that have driven runs, in the order of their first."""
        return [place.workflow for place in self.places() if place.slug == slug]

    def places(self) -> tuple[Place, ...]:
        """Every workflow that has driven runs, in the order of their first."""
        with self._lock:
            return tuple(self._runs)


def _created(run: Run) -> float:
    return run.created


@dataclass(frozen=True, slots=True)
class Tally:
    """The true counters of one (project, workflow, branch, status): what an exact exporter has counted."""

    slug: str
    workflow: str
    branch: str
    status: str
    runs: int
    credits: int
    durations: tuple[int, ...]
    """Seconds, of the runs that are no approvals and have one."""


def tallies(finished: Iterable[tuple[Place, Run]]) -> list[Tally]:
    """Count finished runs by workflow, branch and status, in sorted order."""
    groups: dict[tuple[str, str, str, str], list[Run]] = {}
    for place, run in finished:
        groups.setdefault((place.slug, place.workflow, run.branch, str(run.status)), []).append(run)
    return [
        Tally(
            *key,
            runs=len(runs),
            credits=sum(run.credits for run in runs),
            durations=tuple(run.duration for run in runs if run.duration is not None and not run.is_approval),
        )
        for key, runs in sorted(groups.items())
    ]
