"""Following hints: what CircleCI says of the workflow runs that events told of, in at most three calls each."""

from __future__ import annotations

from dataclasses import replace

from exporter.config import Project, project_slug
from exporter.counting import looks, pipeline_list
from exporter.counting.looks import Look
from exporter.counting.pipeline_book import PipelineBook
from exporter.errors import NotFoundError
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt
from exporter.polling.inbox import Inbox, Waiting
from exporter.runs import watching
from exporter.runs.live import WatchedPipeline, WatchedRun
from exporter.runs.pipelines import FoundRun, WorkflowRun
from exporter.runs.reading import key_of
from exporter.state import StateStore

MOST_A_STEP = 10
"""Hints after which what they led to is committed and shown."""
CANCELED_ASKED_EVERY = 5.0
"""Seconds between two looks at a canceled run while event after event tells that one more of its jobs has stopped."""


class HintWork:
    """The hints of one project in one step of its poll.

    Afterwards `followed` has those that are to be deleted, by their ids in the versions that were taken, and `moved`
    those of them that belong to another project, with what CircleCI said of their runs and that project's slug.
    """

    def __init__(self, attempt: Attempt, project: Project, state: StateStore, inbox: Inbox) -> None:
        """Failures count for `attempt`; they are no failures of the collector."""
        self._attempt, self._project, self._state, self._inbox = attempt, project, state, inbox
        self._slug = project.slug
        self.followed: dict[str, int] = {}
        self.moved: list[tuple[Waiting, FoundRun, str]] = []

    def follow(self, book: PipelineBook) -> bool:
        """Follow the hints that are due; returns whether there were any. Raises Stopped."""
        watched = {run.id for pipeline in book.live.pipelines.values() for run in pipeline.runs}
        taken = self._inbox.take(self._slug, MOST_A_STEP, watched)
        for waiting in taken:
            if self._attempt.over():
                self._inbox.failed(self._slug)
                break
            self._follow(book, waiting)
        return bool(taken)

    def _follow(self, book: PipelineBook, waiting: Waiting) -> None:
        identifier, done = waiting.hint.id, False
        with self._attempt.guard(f"the event about {identifier}") as held:
            try:
                done = self._is_followed(book, waiting)
            except NotFoundError as error:  # an event can tell of anything
                self._attempt.count(error)
                done = True
        if held.error is not None:
            self._inbox.failed(self._slug, (identifier,))
            done = self._inbox.is_given_up(waiting)
        if done:
            self.followed[identifier] = waiting.version

    def _is_followed(self, book: PipelineBook, waiting: Waiting) -> bool:
        """Learn what a hint is about; False where it is too early for that. Raises PollError."""
        hint = waiting.hint
        if not hint.workflow:
            self._look_at(book, hint.pipeline)
            return True
        pipeline, run = _watched(book, hint.workflow)
        if run is None and self._is_counted(book, hint.workflow):
            return True
        if run is not None and not hint.ended and not run.counted:
            return True  # one of its jobs has ended, and it is watched already
        if pipeline is not None and run is not None and watching.settling(run):
            early = (pipeline.looked_at or 0.0) + CANCELED_ASKED_EVERY - self._attempt.now()
            if 0 < early <= CANCELED_ASKED_EVERY:
                self._inbox.put_off(self._slug, hint.id, early)
                return False
        found = waiting.found or ask.run(self._attempt, self._slug, hint.workflow)
        slug = short(found.slug)
        if slug != self._slug:
            self.moved.append((waiting, found, slug))
        elif found.run is None:
            self._look_at(book, found.pipeline)
        elif self._project.workflows.match(found.run.name):
            self._add(book, found.run, found.pipeline)
        return True

    def _look_at(self, book: PipelineBook, identifier: str) -> None:
        """Have a pipeline looked at: an event named no run of it."""
        known = book.live.pipelines.get(identifier)
        if known is None:
            listed = ask.pipeline(self._attempt, self._slug, identifier, ahead=True)
            if short(listed.slug) == self._slug:
                book.watch(pipeline_list.learned(book, listed))
        elif watching.settled(known):
            book.look_soon(identifier)

    def _add(self, book: PipelineBook, run: WorkflowRun, of: str) -> None:
        """Add a run as CircleCI describes it, with its pipeline where that is not known, and its jobs once it ended."""
        book.dated(self._attempt.ahead())
        pipeline = book.live.pipelines.get(of)
        if pipeline is None:
            listed = ask.pipeline(self._attempt, self._slug, of, ahead=True)
            pipeline = pipeline_list.learned(book, listed)
        look = Look(pipeline, [run], told_by="webhook")
        if run.ended and looks.jobs_wanted(look, book, self._project):
            jobs, whole = ask.jobs_of(self._attempt, self._slug, run.id, ahead=True)
            known = self._state.known_jobs(self._slug, {key_of(job.id) for job in jobs if job.ended})
            found_jobs = {run.id: jobs}
            look = replace(look, known_jobs=known)
            look = replace(look, jobs=found_jobs) if whole else replace(look, torn_jobs=found_jobs)
        looks.add_run(look, book, self._project, self._attempt.now())

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
