"""What a look at pipelines costs in CPU once it has learned something: counting, and publishing what changed.

A project of 200 jobs on 5 branches has 30,000 series of jobs. Run it with `python -m benchmarks.looks`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from exporter.config import parse
from exporter.counting import opening
from exporter.counting.cells import Exemplar
from exporter.counting.ledger import FinishedRun
from exporter.counting.pipeline_book import PipelineBook
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.store import SnapshotStore
from exporter.runs.jobs import Job
from exporter.runs.pipelines import WorkflowRun

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_790_000_000.0
BRANCHES = ("main", "develop", "release", "staging", "next")
JOBS, LOOKS = 200, 25
SETTINGS = f"defaults: {{collectors: [pipelines], max_series: 100000, branches: [{', '.join(BRANCHES[1:])}]}}"


class Watched:
    """One project, and what is shown of it."""

    def __init__(self) -> None:
        """Count a run of all jobs on each branch, twice, so that everything has risen."""
        self._project = parse(f"{SETTINGS}\nprojects: [gh/acme/web]").projects[0]
        self._now, self._number, self.store = START, 0, SnapshotStore()
        self._ledger, self._live = opening.first_look(None, 86_400, date=START - 86_400, now=START - 86_400)
        for branch in BRANCHES * 2:
            self.look(branch, range(JOBS))

    def look(self, branch: str, jobs: Sequence[int]) -> tuple[float, float]:
        """A run of these jobs has ended; CPU seconds to count it, and to publish it."""
        self._now += 120
        began = time.process_time()
        book = PipelineBook(self._ledger, self._live, self._project, lambda branch: branch, now=self._now)
        book.release()
        self._count(book, branch, jobs)
        book.close()
        self._ledger, self._live = book.ledger, replace(book.live, listed_at=self._now)
        counted = time.process_time()
        self.store.publish([Snapshot(self._project, ledger=self._ledger, live=self._live)], self._now)
        published = time.process_time()
        self.store.settle()  # as a thread does
        return counted - began, published - counted

    def _count(self, book: PipelineBook, branch: str, jobs: Sequence[int]) -> None:
        self._number += 1
        identifier, stopped = f"{self._number:08x}-0000-4000-8000-000000000000", self._now - 5
        run = WorkflowRun(identifier, "build", "success", self._now - 300, stopped)
        ended = [
            Job(f"{self._number} {job}", f"job number {job}", "success", False, run.created_at + job / 2, stopped)
            for job in jobs
        ]
        book.jobs(run, branch, ended, ())
        book.path(run, branch, ended)
        exemplar = Exemplar(identifier, 295.0, stopped)
        finished = FinishedRun(self._number, run.status, run.created_at, stopped, 295.0, exemplar=exemplar)
        book.count(run.name, branch, finished, "pipelines", credited=False)


def publications() -> list[float]:
    """CPU seconds to publish all series after each of some looks that learned of one job."""
    watched = Watched()
    return [watched.look(BRANCHES[number % len(BRANCHES)], range(1))[1] for number in range(LOOKS)]


def main() -> None:
    """Print the table."""
    watched = Watched()
    series = sum(watched.store.series.values())
    print(f"{series} series\n\n| a look learned of the end of | to count it | to publish it |\n|---|---|---|")
    for jobs in (1, 10, JOBS):
        found = [watched.look(BRANCHES[number % len(BRANCHES)], range(jobs)) for number in range(LOOKS)]
        counting, publishing = (1000 * median(each) for each in zip(*found, strict=True))
        print(f"| a run, and {jobs} of its jobs | {counting:.1f} ms | {publishing:.1f} ms |")


if __name__ == "__main__":
    main()
