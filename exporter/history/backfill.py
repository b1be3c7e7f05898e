"""From what was read to files and ledger: both appear, or neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from exporter.config import Project
from exporter.counting.book import Changes
from exporter.counting.cells import Cell, Cells, Key
from exporter.counting.ledger import Ledger, WorkflowLedger
from exporter.counting.room import Room, samples
from exporter.errors import StartError, StateError
from exporter.history.files import Files, missing, move
from exporter.history.grid import Grid
from exporter.history.growth import Growth
from exporter.history.lines import FAMILIES, Lines
from exporter.history.reading import Progress, places
from exporter.history.spool import Known, Spool
from exporter.insights.collectors import PIPELINES, RUNS
from exporter.knowledge import facts
from exporter.knowledge.plan import counters_limit
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing import counted_lines
from exporter.publishing.project_labels import ProjectLabels
from exporter.runs.branches import labels_of
from exporter.state import StateStore, Stored

ASSEMBLING = 0.2
"""The share of the time of writing that it takes to put the files together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done. `step` is in seconds, `labels` are those of the scrape."""

    output: Path
    days: int
    step: int
    labels: Mapping[str, str]


class Written(NamedTuple):
    """What was written: the files, their bytes, and the runs in them; series that `run` has no room for are not."""

    files: list[Path]
    size: int
    runs: int
    cut: int


def counted(state: StateStore, slugs: Sequence[str]) -> dict[str, Ledger]:
    """The ledgers that there are already, by slug."""
    return {stored.slug: stored.ledger for stored in state.load(slugs) if stored.ledger is not None}


def lost(spool: Spool) -> bool:
    """Whether files that an earlier call wrote are gone."""
    ready = spool.get("ready")
    return ready is not None and bool(missing(Path(ready["output"]), ready["files"]))


def committed(spool: Spool, state: StateStore) -> bool:
    """Whether an earlier call committed its ledgers, and ended before its files were in place."""
    ready = spool.get("ready")
    if ready is None:
        return False
    found = counted(state, ready["slugs"])
    return all(slug in found and found[slug].began == ready["start"] for slug in ready["slugs"])


def finish(spool: Spool) -> Written:
    """Move the files of committed ledgers into place, and forget what was read. Raises StartError."""
    ready = spool.get("ready")
    output = Path(ready["output"])
    if gone := missing(output, ready["files"]):
        raise StartError(
            f"{output / gone[0]}: no such file. An earlier backfill wrote it and committed its counters. "
            "Use --restart-counters to read everything again."
        )
    try:
        move(output, ready["files"])
    except OSError as error:
        raise StartError(f"{output}: {error}") from None
    spool.forget()
    return Written([output / name for name in ready["files"]], ready["size"], ready["runs"], ready["cut"])


class Writing:
    """Writes what was read: files first, in a folder of their own, then the ledgers in one transaction."""

    def __init__(
        self, asked: Asked, spool: Spool, state: StateStore, labels: ProjectLabels, *, start: int, now: float
    ) -> None:
        """All runs created since `start` were read; nothing is written of times after `now`. Both in Unix seconds."""
        self._asked, self._spool, self._state, self._labels = asked, spool, state, labels
        self._start, self._grid = start, Grid.over(start, now, asked.step)
        self._spans = self._grid.spans(asked.days)
        self._cut = self._total = self._workflows = self._runs = 0
        self._told: Callable[[Progress], None] = lambda _: None

    def stage(self, projects: Sequence[Project], told: Callable[[Progress], None]) -> list[Snapshot]:
        """Write the files of these projects, not yet in place; returns what `commit` takes.

        `told` is called after each workflow and each file; what it raises ends the writing. Raises StartError.
        """
        self._told = told
        self._total = sum(len(places(self._spool, project)) for project in projects)
        stored = {each.slug: each for each in self._state.load([project.slug for project in projects])}
        counting = []
        try:
            with Files(self._asked.output, self._grid, self._spans) as files:
                for project in projects:
                    known = self._spool.known(project.slug)
                    assert known is not None  # noqa: S101  it was read
                    ledger = self._project(self._labels.of(project, known.facts), known, files)
                    counting.append(_snapshot(project, known, stored.get(project.slug), ledger))
                size = files.assemble(self._tell)
        except StateError as error:
            raise StartError(str(error)) from None
        except OSError as error:
            raise StartError(f"{self._asked.output}: {error}") from None
        ready = {
            "output": str(self._asked.output.absolute()),
            "files": files.names,
            "size": size,
            "runs": self._runs,
            "cut": self._cut,
            "slugs": [project.slug for project in projects],
            "start": self._start,
        }
        self._spool.put("ready", ready)
        return counting

    def commit(self, counting: Sequence[Snapshot]) -> None:
        """Commit the ledgers, all in one transaction; `finish` comes next. Raises StartError."""
        try:
            self._state.begin_counting((snapshot, self._changes(snapshot)) for snapshot in counting)
        except StateError as error:
            raise StartError(str(error)) from None

    def _project(self, project: Project, known: Known, files: Files) -> Ledger:
        label, limit = labels_of(project, facts.default_branch(project, known.facts)), counters_limit(Snapshot(project))
        lines = Lines({**self._asked.labels, "project": project.name}, self._grid, self._spans)
        invented: tuple[str, ...] = ()
        workflows = {
            name: WorkflowLedger(0, baseline=True, newest=None if last is None else int(last))
            for name, last in known.names.items()
        }
        cells: dict[Key, Cell] = {}
        for place in places(self._spool, project):
            began = self._grid.last * self._grid.step if place.began is None else place.began
            grid = self._grid.until(began)  # what has stopped since is not known
            growth = Growth(place.name, project, grid, label, invented, limit=limit)
            growth.add(self._spool.runs(place))
            ledger, points = growth.close()
            invented, limit = ledger.invented, Room(project, ledger.cells, limit).left
            hidden = counted_lines.of_workflows(ledger, project, ledger.workflows, hidden=True)
            self._cut += sum(samples(value) for rows in hidden.values() for _, _, value in rows)
            for _, rows in sorted(counted_lines.of_workflows(ledger, project, ledger.workflows).items()):
                for family, own, value in rows:
                    if family in FAMILIES:
                        rises = points.get(Key(family.name, own), ())
                        for span, text in lines.of(family, own, rises, value, grid.last):
                            files.write(FAMILIES.index(family), span, text)
            lookback = project.runs.lookback
            workflows[place.name] = growth.to_go_on_from(start=self._start, began=began, lookback=lookback)
            cells |= ledger.cells.values
            self._workflows += 1
            self._runs += growth.counted
            self._tell()
        # Its first poll asks for new workflows, which count from their first run since the start.
        by_stop = PIPELINES in project.collectors
        return Ledger(self._start, 0.0, workflows, invented, by_stop, Cells.of(cells))

    def _tell(self, assembled: float = 0.0) -> None:
        share = (1 - ASSEMBLING) * self._workflows / max(self._total, 1) + ASSEMBLING * assembled
        self._told(Progress(share * self._total, self._total, self._runs))

    def _changes(self, snapshot: Snapshot) -> Changes:
        """All of a ledger, and the keys of the runs that `run` will meet again, by workflow."""
        assert snapshot.ledger is not None  # noqa: S101  it was just made
        workflows, cells = snapshot.ledger.workflows, snapshot.ledger.cells.values
        runs = {}
        for place in places(self._spool, snapshot.project):
            finished = self._spool.finished(place, workflows[place.name].floor)
            runs[place.name] = {key: (created_at, True) for key, created_at in finished.items()}
        return Changes(whole=True, runs=runs, cells=dict(cells))


def _snapshot(project: Project, known: Known, before: Stored | None, ledger: Ledger) -> Snapshot:
    """A project as it is stored: with its ledger, and without outcomes that would delay the first poll for runs."""
    if before is None:
        return Snapshot(project, facts=known.facts, ledger=ledger)
    outcomes = {name: each for name, each in before.outcomes.items() if name not in {RUNS, PIPELINES}}
    learned = facts.newer(before.facts, known.facts)
    return Snapshot(project, facts=learned, outcomes=outcomes, polled_at=before.polled_at, ledger=ledger)
