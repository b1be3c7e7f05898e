"""Reading all runs of some projects into the spool, page by page, with the limiter and the retries of every poll."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from exporter.config import Project
from exporter.counting import asking
from exporter.counting.ledger import FURTHEST
from exporter.errors import ClientError, NotFoundError
from exporter.history.growth import ended_at
from exporter.history.spool import Known, Place, Spool
from exporter.insights.collectors import RUNS
from exporter.insights.payloads import Column, Reading, items, timestamp
from exporter.insights.questions import reachable
from exporter.knowledge.facts import default_branch
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.project_facts import refresh
from exporter.runs.reading import read_page

PATIENCE = 86_400.0
"""Seconds that one project may take."""
PAGES_AT_ONCE = 500
"""Pages that are read as one answer, with one deadline; the next answer goes on from there."""
LAST_RUN = Column("window_end", timestamp)


class Progress(NamedTuple):
    """How far reading or writing is: workflows, parts of them by their share, of how many; and runs in this call."""

    workflows: float
    total: int
    runs: int


class Unread(NamedTuple):
    """Something that could not be read, and why."""

    what: str
    why: str


class Reader:
    """Reads projects, some at once. `told` is called after each page, from any thread."""

    def __init__(
        self, spool: Spool, attempts: Attempts, start: int, told: Callable[[Progress], None], *, at_once: int
    ) -> None:
        """Runs created since `start`, in Unix seconds, are read, by so many threads."""
        self._spool, self._attempts, self._start, self._told, self._at_once = spool, attempts, start, told, at_once
        self._parts: dict[int, float] = {}
        self._runs = 0
        self.left_out = 0

    def read(self, projects: Sequence[Project]) -> list[Unread]:
        """Read what the spool does not have; returns what could not be read. Raises Stopped."""
        with ThreadPoolExecutor(self._at_once) as pool:
            unread = [each for found in pool.map(self._names, projects) for each in found]
            for project in projects:
                self._parts |= {place.id: float(place.done) for place in places(self._spool, project)}
            unread += [each for found in pool.map(self._project, projects) for each in found]
        return unread

    def _names(self, project: Project) -> list[Unread]:
        slug = project.slug
        known = self._spool.known(slug)
        attempt = self._attempts.begin(RUNS, PATIENCE)
        with attempt.guard(f"the workflows of {slug}") as held:
            # Of an earlier call; the settings may be others than then.
            facts, error = refresh(attempt, project, known.facts if known else None, branches=False)
            if error is not None or facts is None:
                return [Unread(slug, str(error))]
            default_branch(project, facts)  # without one, runs could not be told apart
            known = Known(facts, self._workflows(attempt, slug) if known is None else known.names)
            self._spool.learn(slug, known, _chosen(project, known))
        return [] if held.error is None else [Unread(slug, str(held.error))]

    def _workflows(self, attempt: Attempt, slug: str) -> dict[str, float | None]:
        """The names of a project's workflows, each with the time of its last run. Raises PollError or Stopped."""
        reading = Reading()
        for page in attempt.pages(asking.listing(slug)):
            reading.add(items(page), ("name",), (LAST_RUN,))
        attempt.unread(reading.unread)
        self.left_out += sum(reading.unread.values())
        return {name: last for (name,), (last,) in reading.rows}

    def _project(self, project: Project) -> Iterable[Unread]:
        attempt = self._attempts.begin(RUNS, PATIENCE)
        unread = []
        remaining = [place for place in places(self._spool, project) if not place.done]
        for number, place in enumerate(remaining):
            if attempt.gave_up is not None:
                unread.append(Unread(f"{project.slug}, {len(remaining) - number} more workflows", str(attempt.gave_up)))
                break
            what = f"{project.slug}, workflow {place.name}"
            with attempt.guard(what) as held:
                self._workflow(attempt, place)
            if held.error is not None:
                unread.append(Unread(what, str(held.error)))
        return unread

    def _workflow(self, attempt: Attempt, place: Place) -> None:
        """Read a workflow to its oldest run. Raises PollError or Stopped."""
        following = place.next
        if following is not None and place.start is not None:
            try:
                following = self._some(attempt, place, place.start, following)
            except (ClientError, NotFoundError):  # CircleCI no longer knows the page
                following = None
            else:
                if following is None:
                    return
        start = place.start
        if following is None or start is None:
            now = attempt.date()
            start = max(self._start, int(now - FURTHEST))
            place = self._spool.begin(place, now, start)
        while True:
            following = self._some(attempt, place, start, following)
            if following is None:
                return

    def _some(self, attempt: Attempt, place: Place, start: int, following: str | None) -> str | None:
        """Read some pages from a token on; returns that of the page after them, None after the last."""
        question = asking.recent(place.slug, place.name, start)
        with closing(attempt.pages(question, after=following)) as pages:
            for page in islice(pages, PAGES_AT_ONCE):
                found, unread = read_page(page, attempt.date())
                attempt.unread(unread)
                self.left_out += sum(unread.values())
                rows = [(run, ended_at(run)) for run in found if run.created_at >= self._start]
                following = _token(page)
                self._spool.add(place, rows, following)
                self._tell(place, rows[-1][0].created if rows else None, len(rows), done=following is None)
        return following

    def _tell(self, place: Place, reached: float | None, added: int, *, done: bool) -> None:
        self._runs += added
        began = place.began or self._attempts.clocks.wall()
        if done:
            self._parts[place.id] = 1.0
        elif reached is not None:
            self._parts[place.id] = min(max((began - reached) / max(began - self._start, 1.0), 0.0), 1.0)
        self._told(Progress(sum(self._parts.copy().values()), len(self._parts), self._runs))


def places(spool: Spool, project: Project) -> list[Place]:
    """How far the workflows of a project are read that its settings include, by name."""
    return [place for place in spool.places(project.slug) if project.workflows.match(place.name)]


def _chosen(project: Project, known: Known) -> list[str]:
    return [name for name in known.names if reachable(name) and project.workflows.match(name)]


def _token(page: object) -> str | None:
    """The token of the page that follows; the client has read it already."""
    token = page.get("next_page_token") if isinstance(page, dict) else None
    return token if isinstance(token, str) and token else None
