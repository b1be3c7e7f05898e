"""Following hints: what CircleCI says of the workflow runs that events told of, in at most three calls each."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from exporter.config import project_slug
from exporter.counting import looks, pipeline_list
from exporter.counting.looks import Look
from exporter.counting.pipeline_book import PipelineBook
from exporter.errors import InternalError, NotFoundError
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt
from exporter.polling.inbox import Inbox, Waiting
from exporter.polling.kind import Step
from exporter.polling.side_by_side import Asked, SideBySide, Task, asked
from exporter.runs import watching
from exporter.runs.live import WatchedPipeline, WatchedRun
from exporter.runs.pipelines import FoundRun, ListedPipeline, WorkflowRun
from exporter.runs.reading import key_of
from exporter.state import StateStore

MOST_AT_ONCE = 10
"""Hints of one project that are followed side by side."""
CANCELED_ASKED_EVERY = 5.0
"""Seconds between two looks at a canceled run while event after event tells that one more of its jobs has stopped."""


class HintWork:
    """The hints of one project that are being followed.

    After a step, `followed` has those that are to be deleted, by their ids in the versions that were taken, and `moved`
    those of them that belong to another project, with what CircleCI said of their runs and that project's slug.
    """

    def __init__(self, step: Callable[[], Step], side: SideBySide, state: StateStore, inbox: Inbox, slug: str) -> None:
        """`step` gives the step that is done now. Failures are no failures of the collector."""
        self._step, self._side, self._state, self._inbox, self._slug = step, side, state, inbox, slug
        self._under_way: set[str] = set()
        self.followed: dict[str, int] = {}
        self.moved: list[tuple[Waiting, FoundRun, str]] = []

    @property
    def busy(self) -> bool:
        """Whether a hint is being followed."""
        return bool(self._under_way)

    def begin_step(self) -> None:
        """What was followed until now is committed."""
        self.followed, self.moved = {}, []

    def begin(self) -> bool:
        """Begin to follow the hints that are due; returns whether there were any."""
        watched = {run.id for pipeline in self._step().book.live.pipelines.values() for run in pipeline.runs}
        most = MOST_AT_ONCE - len(self._under_way)
        taken = self._inbox.take(self._slug, most, watched, but={*self._under_way, *self.followed})
        for waiting in taken:
            self._under_way.add(waiting.hint.id)
            self._side.add(self._follow(waiting))
        return bool(taken)

    def _follow(self, waiting: Waiting) -> Task:
        identifier, done = waiting.hint.id, False
        own = self._step().attempt.beside()
        with own.guard(f"the event about {identifier}") as held:
            try:
                done = yield from self._is_followed(own, waiting)
            except NotFoundError as error:  # an event can tell of anything
                own.count(error)
                done = True
        self._under_way.discard(identifier)
        if held.error is not None:
            self._inbox.failed(self._slug, None if own.over() else (identifier,))
            done = self._inbox.is_given_up(waiting)
        if done:
            self.followed[identifier] = waiting.version

    def _is_followed(self, own: Attempt, waiting: Waiting) -> Generator[Asked, Any, bool]:
        """Learn what a hint is about; False where it is too early for that. Raises PollError."""
        hint, book, slug = waiting.hint, self._step().book, self._slug
        if not hint.workflow:
            yield from self._look_at(own, hint.pipeline)
            return True
        pipeline, run = _watched(book, hint.workflow)
        if run is None and self._is_counted(book, hint.workflow):
            return True
        if run is not None and not hint.ended and not run.counted:
            return True  # one of its jobs has ended, and it is watched already
        if pipeline is not None and run is not None and watching.settling(run):
            early = (pipeline.looked_at or 0.0) + CANCELED_ASKED_EVERY - own.now()
            if 0 < early <= CANCELED_ASKED_EVERY:
                self._inbox.put_off(slug, hint.id, early)
                return False
        found = waiting.found or (yield from asked(lambda: ask.run(own, slug, hint.workflow)))
        named = short(found.slug)
        if named != slug:
            self.moved.append((waiting, found, named))
        elif found.run is None:
            yield from self._look_at(own, found.pipeline)
        elif self._step().project.workflows.match(found.run.name):
            yield from self._add(own, found.run, found.pipeline)
        return True

    def _look_at(self, own: Attempt, identifier: str) -> Task:
        """Have a pipeline looked at: an event named no run of it."""
        slug = self._slug
        known = self._step().book.live.pipelines.get(identifier)
        if known is None:
            listed = yield from asked(lambda: ask.pipeline(own, slug, identifier, ahead=True))
            book = self._step().book
            if short(listed.slug) == slug and identifier not in book.live.pipelines:
                book.watch(book.pipeline(pipeline_list.learned(book, listed)))
        elif watching.settled(known):
            self._step().book.look_soon(identifier)

    def _add(self, own: Attempt, run: WorkflowRun, of: str) -> Task:
        """Add a run as CircleCI describes it, with its pipeline where that is not known, and its jobs once it ended."""
        slug = self._slug
        self._step().book.dated(own.ahead())
        listed = None
        if of not in self._step().book.live.pipelines:
            listed = yield from asked(lambda: ask.pipeline(own, slug, of, ahead=True))
        look = Look(self._pipeline(of, listed), [run], told_by="webhook")
        if run.ended and looks.jobs_wanted(look, self._step().book, self._step().project):
            jobs, whole = yield from asked(lambda: ask.jobs_of(own, slug, run.id, ahead=True))
            known = self._state.known_jobs(slug, {key_of(job.id) for job in jobs if job.ended})
            look = replace(look, pipeline=self._pipeline(of, listed), known_jobs=known)
            found_jobs = {run.id: jobs}
            look = replace(look, jobs=found_jobs) if whole else replace(look, torn_jobs=found_jobs)
        known_runs = self._state.known(slug, run.name, {key_of(run.id)}).keys()  # a look may have counted it meanwhile
        step = self._step()
        looks.add_run(replace(look, known_runs=set(known_runs)), step.book, step.project, own.now())

    def _pipeline(self, identifier: str, listed: ListedPipeline | None) -> WatchedPipeline:
        """The pipeline as it is watched now, or as it would be."""
        book = self._step().book
        known = book.live.pipelines.get(identifier)
        if known is not None:
            return known
        if listed is None:  # it was watched when this began
            raise InternalError(f"pipeline {identifier} is no longer watched")
        return pipeline_list.learned(book, listed)

    def _is_counted(self, book: PipelineBook, run: str) -> bool:
        key = key_of(run)
        return any(key in runs for runs in book.changes.runs.values()) or self._state.is_known(self._slug, key)


def short(slug: str) -> str:
    """A project's slug as CircleCI names it, in its short form; nothing for what is none."""
    try:
        return project_slug(slug)
    except ValueError:
        return ""


def _watched(book: PipelineBook, identifier: str) -> tuple[WatchedPipeline | None, WatchedRun | None]:
    """The pipeline and the run that are watched, if the run is."""
    for pipeline in book.live.pipelines.values():
        for run in pipeline.runs:
            if run.id == identifier:
                return pipeline, run
    return None, None
