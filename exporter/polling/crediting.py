"""Reading Insights' lists of runs for a project whose pipelines are watched: credits, and what nothing else saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from typing import Any

from exporter.config import Project
from exporter.counting import asking, crediting
from exporter.counting.ledger import Ledger
from exporter.counting.pipeline_list import met
from exporter.errors import ForbiddenError, NotFoundError
from exporter.insights.payloads import text
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt
from exporter.polling.kind import Step
from exporter.polling.side_by_side import Asked, Task, Turn, asked
from exporter.runs.entries import entries
from exporter.runs.live import INSIGHTS
from exporter.runs.reading import Run, key_of, read_page
from exporter.state import StateStore

NAMES_EVERY = 86_400.0
"""Seconds after which the names of workflows are asked for again: pipelines tell of new ones themselves."""
RESOLVED_AT_ONCE = 50
"""Runs that only Insights has told of whose pipelines are asked for in one go."""
REFUSED_FOR = 86_400.0
"""Seconds after which it is forgotten that CircleCI refused to tell of a run."""


def names_due(ledger: Ledger, project: Project, now: float) -> float:
    """When the names of workflows are asked for next, Unix time: more often while there is no list of runs to read."""
    every = NAMES_EVERY if asking.wanted(ledger, project) else min(NAMES_EVERY, project.runs.longest_sweep)
    return min(ledger.names_at, now) + every


def sweeps(ledger: Ledger, project: Project, vain: Mapping[str, int], now: float) -> dict[str, float]:
    """When each workflow's list is read next, Unix time; `vain` says how often in a row that has brought nothing."""
    swept = {name: min(ledger.workflows[name].swept_at or 0.0, now) for name in asking.wanted(ledger, project)}
    sweep, longest = project.runs.sweep, project.runs.longest_sweep
    return {name: at + min(sweep * 2 ** min(vain.get(name, 0), 16), longest) for name, at in swept.items()}


class Insights:
    """What Insights tells of one project's runs, on its way into the book."""

    def __init__(
        self, attempt: Attempt, step: Callable[[], Step], state: StateStore, refused: dict[int, float], turn: Turn
    ) -> None:
        """Failures and requests count for the collector of the attempt; what is learned goes into the step's book.

        `refused` has runs that CircleCI did not tell of when it was last asked, by key, and the Unix time of that.
        """
        self._attempt, self._step, self._state, self._refused, self._turn = attempt, step, state, refused, turn

    def learn_names(self) -> Task:
        """Learn the names of the workflows that Insights lists. Raises PollError or Stopped."""
        attempt, slug, unread = self._attempt, self._step().project.slug, Counter[str]()
        pages = yield from asked(lambda: list(attempt.pages(asking.listing(slug))), self._turn)
        found = [name for page in pages for entry in entries(page, unread) if (name := entry.may("name", text))]
        attempt.unread(unread)
        self._step().book.list_names(found, attempt.now())

    def sweep(self, name: str) -> Generator[Asked, Any, bool]:
        """Read one workflow's list of runs: credits, and what nothing else saw; returns whether it brought something.

        Raises PollError or Stopped.
        """
        attempt, project, now, book = self._attempt, self._step().project, self._attempt.now(), self._step().book
        start = asking.start_of(book.ledger.workflows[name], now, project.runs.lookback)
        start = min(start, int(book.owed_since(name)))
        question = asking.recent(project.slug, name, start)

        def read() -> list[Run]:
            rows = []
            for page in attempt.pages(question):
                found, unread = read_page(page, attempt.date())
                attempt.unread(unread)
                rows += found
            return rows

        rows = yield from asked(read, self._turn)
        book = self._step().book
        book.dated(attempt.ahead())
        keys = {row.key for row in rows}
        known = self._state.known(project.slug, name, keys)
        watched = {key_of(run.id) for pipeline in book.live.pipelines.values() for run in pipeline.runs}
        sorted_rows = crediting.sorted_rows(rows, name, known, watched, book)
        crediting.credit(book, name, sorted_rows.credits, known)
        for row in sorted_rows.past:
            book.remember(name, row.key, row.created, credited=True)
        lately = self._refused_lately(now)
        unseen = [row for row in sorted_rows.unseen if row.key not in lately]
        for row in unseen[:RESOLVED_AT_ONCE]:
            yield from self._resolve(name, row)
        if len(unseen) <= RESOLVED_AT_ONCE:
            waiting = [row.created for row in sorted_rows.unseen if row.key in self._refused]
            created = [row.created_at for row in rows]
            self._step().book.read(name, created, now=now, start=start, waiting=waiting)
        return bool(sorted_rows.credits or sorted_rows.early or sorted_rows.unseen)

    def _refused_lately(self, now: float) -> set[int]:
        """The runs that CircleCI refused to tell of since the last sweep; what was refused long ago is forgotten."""
        for key in [key for key, at in self._refused.items() if not 0 <= now - at < REFUSED_FOR]:
            del self._refused[key]
        return {key for key, at in self._refused.items() if now - at < self._step().project.runs.sweep / 2}

    def _resolve(self, name: str, row: Run) -> Task:
        """Watch the pipeline of a run that only Insights has told of.

        Where CircleCI refuses to tell of it at two sweeps in a row, the run is counted as told, without its jobs.
        """
        attempt, slug = self._attempt, self._step().project.slug
        try:
            identifier = yield from asked(lambda: ask.pipeline_of_run(attempt, slug, row.id), self._turn)
            if identifier not in self._step().book.live.pipelines:
                found = yield from asked(lambda: ask.pipeline(attempt, slug, identifier), self._turn)
                met(self._step().book, [found], told_by=INSIGHTS)
        except (NotFoundError, ForbiddenError) as error:
            if error.of_all:
                raise
            attempt.count(error)
            if self._refused.pop(row.key, None) is None:  # it may well be found the next time
                self._refused[row.key] = attempt.now()
                self._step().book.ask_again(name, row.created)
            else:
                crediting.count(self._step().book, name, row)
        else:
            self._refused.pop(row.key, None)
            self._step().book.look_soon(identifier, row.id)
