"""Reading all runs of some projects into the spool, page by page, with the limiter and the retries of every poll."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from exporter.config import Project
from exporter.counting import asking
from exporter.counting.ledger import FURTHEST
from exporter.errors import ClientError, NotFoundError
from exporter.history.growth import ended_at
from exporter.history.spool import Known, Place, Spool
from exporter.insights.collectors import RUNS
from exporter.insights.questions import reachable
from exporter.knowledge.facts import default_branch
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.project_facts import refresh
from exporter.polling.runs import workflows_of
from exporter.polling.side_by_side import Asked, Task, asked
from exporter.runs.reading import read_page

PATIENCE = 86_400.0
"""Seconds that one project may take."""
PAGES_AT_ONCE = 500
"""Pages that are read as one answer, with one deadline; the next answer goes on from there."""


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
    """Reads the workflows of all projects side by side. `told` is called after each page."""

    def __init__(self, spool: Spool, attempts: Attempts, start: int, told: Callable[[Progress], None]) -> None:
        """Runs created since `start`, in Unix seconds, are read."""
        self._spool, self._attempts, self._start, self._told = spool, attempts, start, told
        self._parts: dict[int, float] = {}
        self._unread: list[Unread] = []
        self._runs = 0
        self.left_out = 0

    def read(self, projects: Sequence[Project]) -> list[Unread]:
        """Read what the spool does not have; returns what could not be read. Raises Stopped."""
        self._unread = []
        self._all(self._names(project) for project in projects)
        for project in projects:
            self._parts |= {place.id: float(place.done) for place in places(self._spool, project)}
        attempts: dict[str, Attempt] = {}
        unasked = Counter[str]()
        self._all(self._workflows(projects, attempts, unasked))
        for slug, more in unasked.items():
            self._unread.append(Unread(f"{slug}, {more} more workflows", str(attempts[slug].gave_up)))
        return self._unread

    def _all(self, tasks: Iterable[Task]) -> None:
        for _ in self._attempts.side_by_side().all(tasks):
            pass

    def _names(self, project: Project) -> Task:
        """Learn the facts and the workflows of a project."""
        slug = project.slug
        known = self._spool.known(slug)
        attempt = self._attempts.begin(RUNS, PATIENCE)
        with attempt.guard(f"the workflows of {slug}") as held:
            # Of an earlier call; the settings may be others than then.
            before = known.facts if known else None
            facts, error = yield from asked(lambda: refresh(attempt, project, before, branches=False))
            if error is not None or facts is None:
                self._unread.append(Unread(slug, str(error)))
                return
            default_branch(project, facts)  # without one, runs could not be told apart
            if known is None:
                names, unread = yield from asked(lambda: workflows_of(attempt, slug))
                self._left_out(attempt, unread)
            else:
                names = dict(known.names)
            known = Known(facts, names)
            self._spool.learn(slug, known, _chosen(project, known))
        if held.error is not None:
            self._unread.append(Unread(slug, str(held.error)))

    def _left_out(self, attempt: Attempt, unread: Mapping[str, int]) -> None:
        attempt.unread(unread)
        self.left_out += sum(unread.values())

    def _workflows(
        self, projects: Iterable[Project], attempts: dict[str, Attempt], unasked: Counter[str]
    ) -> Iterator[Task]:
        for project in projects:
            attempt = attempts[project.slug] = self._attempts.begin(RUNS, PATIENCE)
            for place in places(self._spool, project):
                if not place.done:
                    yield self._workflow(attempt, place, unasked)

    def _workflow(self, attempt: Attempt, place: Place, unasked: Counter[str]) -> Task:
        """Read a workflow; `unasked` counts by project those that were given up with others."""
        what = f"{place.slug}, workflow {place.name}"
        if attempt.over():
            unasked[place.slug] += 1
            return
        with attempt.guard(what) as held:
            yield from self._whole(attempt, place)
        if held.error is not None and attempt.gave_up not in (None, held.error):
            unasked[place.slug] += 1
        elif held.error is not None:
            self._unread.append(Unread(what, str(held.error)))

    def _whole(self, attempt: Attempt, place: Place) -> Task:
        """Read a workflow to its oldest run. Raises PollError or Stopped."""
        following = place.next
        if following is not None and place.start is not None:
            try:
                following = yield from self._some(attempt, place, place.start, following)
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
            following = yield from self._some(attempt, place, start, following)
            if following is None:
                return

    def _some(
        self, attempt: Attempt, place: Place, start: int, following: str | None
    ) -> Generator[Asked, Any, str | None]:
        """Read some pages from a token on; returns that of the page after them, None after the last."""
        question = asking.recent(place.slug, place.name, start)
        with closing(attempt.pages(question, after=following)) as pages:
            for _ in range(PAGES_AT_ONCE):
                page = yield from asked(lambda: next(pages, None))
                if page is None:
                    break
                found, unread = read_page(page, attempt.date())
                self._left_out(attempt, unread)
                rows = [(run, ended_at(run)) for run in found if run.created_at >= self._start]
                following = _token(page)
                self._spool.add(place, rows, following)
                self._tell(place, rows[-1][0].created if rows else None, len(rows), done=following is None)
                if following is None:
                    break
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
