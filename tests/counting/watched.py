"""A project whose pipelines are watched, with a small memory in the place of the state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from exporter.counting import looks, opening
from exporter.counting.book import Changes
from exporter.counting.cells import Cell, Distribution, Key
from exporter.counting.crediting import RERUN
from exporter.counting.looks import Look
from exporter.counting.pipeline_book import PipelineBook
from exporter.runs.branches import labels_of
from exporter.runs.live import Live, WatchedPipeline
from exporter.runs.pipelines import WorkflowRun
from exporter.runs.reading import key_of
from tests.counting.making import Counted, counted
from tests.knowledge.samples import project
from tests.runs.job_lists import CREATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.config import Project
    from exporter.counting.ledger import BranchFacts, Ledger
    from exporter.insights.family import Family
    from exporter.runs.jobs import Job

NOW = CREATED + 10_000.0


def uuid(number: int) -> str:
    """An id of a pipeline or workflow run."""
    return str(UUID(int=number, version=4))


def run(status: str, start: float = 0, stop: float | None = None, name: str = "build", number: int = 1) -> WorkflowRun:
    """A workflow run; times are seconds after CREATED."""
    return WorkflowRun(uuid(number), name, status, CREATED + start, None if stop is None else CREATED + stop)


def pipeline(number: int = 100, **changes: object) -> WatchedPipeline:
    """A pipeline on main that was created at CREATED."""
    return replace(WatchedPipeline(uuid(number), CREATED, "created", "webhook", "main"), **changes)  # type: ignore[arg-type]


@dataclass
class Watched:
    """One project, what is counted of it, and what is remembered."""

    project: Project = field(default_factory=lambda: project("collectors: [pipelines]"))
    ledger: Ledger | None = None
    live: Live | None = None
    now: float = NOW
    date: float = CREATED - 5_000.0
    runs: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    jobs: set[int] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)

    def __post_init__(self) -> None:
        """Begin as a poll does."""
        lookback = self.project.runs.lookback
        self.ledger, live = opening.first_look(self.ledger, lookback, date=self.date, now=self.now)
        self.live = self.live or live

    def book(self) -> PipelineBook:
        """A book on what is counted so far."""
        assert self.ledger is not None
        assert self.live is not None
        return PipelineBook(self.ledger, self.live, self.project, labels_of(self.project, "main"), now=self.now)

    def close(self, book: PipelineBook) -> Changes:
        """Commit a book."""
        book.release()
        book.close()
        self.ledger, self.live, self.changes = book.ledger, book.live, book.changes
        for name, rows in book.changes.runs.items():
            self.runs.setdefault(name, {}).update(rows)
        for name, keys in book.changes.reruns.items():
            for key in keys:
                if not self.runs[name][key][1]:
                    self.runs[name][key] = (self.runs[name][key][0], RERUN)
        for name, keys in book.changes.credited.items():
            for key in keys:
                self.runs[name][key] = (self.runs[name][key][0], True)
        self.jobs |= book.changes.jobs.keys()
        return book.changes

    def look(
        self,
        watched: WatchedPipeline,
        runs: Sequence[WorkflowRun],
        jobs: Mapping[int, Sequence[Job]] | None = None,
        after: float = 0.0,
    ) -> WatchedPipeline:
        """Look at a pipeline `after` seconds; `jobs` by the number of their run."""
        self.now += after
        book = self.book()
        known = {key for rows in self.runs.values() for key in rows}
        read = {uuid(number): each for number, each in (jobs or {}).items()}
        look = Look(watched, runs, known_runs=known)
        wanted, counted = looks.begin(look, book, self.project, self.now)
        for run in wanted:
            expected = next((each for each in book.live.pipelines[watched.id].runs if each.id == run.id), None)
            known_jobs = self.jobs | book.changes.jobs.keys()
            with_jobs = replace(look, runs=[run], jobs=read, known_jobs=known_jobs)
            counted += looks.add_jobs(with_jobs, expected, book, self.project, self.now)
        looks.finish(look, counted, book, self.project, at=self.now, now=self.now)
        self.close(book)
        assert self.live is not None
        return self.live.pipelines[watched.id]

    def settle(self, seconds: float = 60.0) -> None:
        """Let time pass, and show what was held back."""
        self.now += seconds
        self.close(self.book())

    def counted(self, branch: str = "main", name: str = "build") -> Counted:
        """What is shown of a workflow on a branch."""
        assert self.ledger is not None
        return counted(self.ledger, branch, name)

    def facts(self, branch: str = "main", name: str = "build") -> BranchFacts:
        """What else is known of a workflow on a branch."""
        assert self.ledger is not None
        return self.ledger.workflows[name].branches[branch]

    def cell(self, family: Family, *labels: str) -> Cell | None:
        """A cell, by its family and its own labels."""
        assert self.ledger is not None
        return self.ledger.cells.values.get(Key(family.name, labels))

    def value(self, family: Family, *labels: str) -> float | Distribution:
        """What a cell shows."""
        cell = self.cell(family, *labels)
        assert cell is not None
        return cell.value


def remembered(watched: Watched, number: int, name: str = "build") -> bool:
    """Whether a run is remembered."""
    return key_of(uuid(number)) in watched.runs.get(name, {})
