"""What one step of a poll for pipelines asks: the list, some looks, and at times a list of runs from Insights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from exporter.counting import looks, opening, pipeline_list
from exporter.counting.looks import Look
from exporter.counting.pipeline_book import PipelineBook
from exporter.errors import ForbiddenError, NotFoundError, PollError, StateError
from exporter.insights.collectors import PIPELINES, RUNS
from exporter.knowledge import absence, facts, plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt, Held
from exporter.polling.crediting import Insights, names_due, sweeps
from exporter.polling.hint_work import HintWork
from exporter.polling.pace import LIST, NAMES, PROJECT, Pace
from exporter.polling.project_facts import refresh
from exporter.runs import watching
from exporter.runs.branches import labels_of
from exporter.runs.jobs import Job
from exporter.runs.live import WatchedPipeline
from exporter.runs.pipelines import OUTCOMES, WorkflowRun, pipelines_of
from exporter.runs.reading import key_of
from exporter.state import StateStore

TORN_WALKS = 5
"""Walks in a row that may meet an unreadable entry before what is behind it is taken to be known all the same."""
LOOKS_A_STEP = 10
"""Looks after which what they saw is committed and shown, before the next ones."""


class Work:
    """One step. Afterwards `book` has what was learned, if anything could be; `more` says that more is due.

    `insights` is how reading from Insights went, where something was read; `hints` what became of the hints, and
    `hurried` that nothing else was done. `set_aside` has the pipelines that this step has set aside, and why;
    `absent` says that CircleCI does not know the project.
    """

    def __init__(self, attempt: Attempt, snapshot: Snapshot, state: StateStore, pace: Pace) -> None:
        self._project, self._ledger, self._live = snapshot.project, snapshot.ledger, snapshot.live
        self._slug, self._limit = snapshot.project.slug, plan.counters_limit(snapshot)
        self._attempt, self._state = attempt, state
        self._postponed, self._coverage = pace.of(self._slug), pace.coverage
        self._met: set[str] = set()
        self.facts = snapshot.facts
        self.book: PipelineBook | None = None
        self.more = False
        self.insights: Attempt | None = None
        self.hints = HintWork(attempt.beside(PIPELINES), snapshot.project, state, pace.inbox)
        self.hurried = False
        self.absent = False
        self._was_absent = absence.since(snapshot, PIPELINES) is not None
        self.set_aside: dict[str, str] = {}

    def do(self, *, resume: bool, hurry: bool) -> None:
        """Ask for what is due, and with `hurry` for nothing but what hints tell of, if there are any.

        Raises PollError or Stopped; what was learned until then is in the book.
        """
        attempt, project = self._attempt, self._project
        try:
            book = self.book = self._opened(resume=resume)
        except PollError as error:
            if not error.held:
                self._postponed.retry(PROJECT, attempt.now(), project.pipelines.interval, project.pipelines.longest)
            raise
        self._postponed.clear(PROJECT)
        self.hurried = self.hints.follow(book) and hurry
        if self.hurried:
            self.more = True
        else:
            self._ask(book)
        book.release()
        pipeline_list.forget(book, project.runs.lookback, attempt.earlier())
        book.close()

    def _ask(self, book: PipelineBook) -> None:
        """Ask for what is due by itself."""
        pipeline_list.met(book, self._coverage.take(self._slug), told_by="pipelines")
        self._list(book)
        if self.absent:
            self._postponed.waiting = None
            return
        self._look(book)
        if self._attempt.answered:
            self._postponed.answered_at = self._attempt.now()
        looked = (id_ for id_, each in book.live.pipelines.items() if not watching.is_set_aside(each))
        self._still_failing(self._attempt, LIST, *looked)
        if not self.more and not self._attempt.over():
            self._read_insights(book)

    def _still_failing(self, attempt: Attempt, *parts: str) -> None:
        """Let what failed when it was last asked fail this step too, which asked only for something else."""
        if attempt.answered and attempt.error is None:
            attempt.error = self._postponed.failure(parts)

    def _opened(self, *, resume: bool) -> PipelineBook:
        """What is counted so far, by the settings that hold now. Raises PollError where it cannot be known."""
        if not self._state.lasting:
            raise StateError("the state file could not be opened for writing")
        attempt, project, ledger, live = self._attempt, self._project, self._ledger, self._live
        if resume or ledger is None:
            ledger, live = self._state.resume(self._slug, project.runs.interval)
        asked = None if self._was_absent else self.facts
        found, error = refresh(attempt, project, asked, branches=False)
        if error is not None and (self._was_absent or (asked is None and isinstance(error, NotFoundError))):
            self.absent, self._postponed.waiting = True, None
            raise error
        if self._was_absent:
            self._postponed.clear(LIST)
        if error is not None:
            attempt.count(error)
        self.facts = found or self.facts
        label = labels_of(project, facts.default_branch(project, self.facts))
        known = ledger is not None and live is not None
        if ledger is None or live is None:
            attempt.hear_date()  # facts from before a restored backup may ask nothing
            ledger, live = opening.first_look(ledger, project.runs.lookback, date=attempt.date(), now=attempt.now())
        book = PipelineBook(ledger, live, project, label, now=attempt.now(), limit=self._limit)
        if not known:
            book.begin()
        return book

    def _due(self, what: str, due: float | None) -> bool:
        return due is not None and self._postponed.due(what, due) <= self._attempt.now()

    def _list(self, book: PipelineBook) -> None:
        """Walk the project's own list of pipelines, where that is due."""
        attempt, project, now = self._attempt, self._project, self._attempt.now()
        covered = self._coverage.covers(self._slug, book.live, now)
        confirmed = self._postponed.confirmed
        due = watching.list_due(
            book.live, project.pipelines, now, covered=covered, confirmed=confirmed, ahead=attempt.ahead()
        )
        if not self._due(LIST, due):
            if covered:
                book.covered(now)
                attempt.answered = attempt.answered or self._coverage.answered(self._slug)
            return
        known = book.live.pipelines.keys()
        since = attempt.earlier() - project.runs.lookback
        live = book.live
        walk = ask.walk(
            attempt,
            pipelines_of(self._slug),
            since=since,
            reached=lambda id_: pipeline_list.is_reached(live, id_, attempt.ahead()),  # as its answers date themselves
        )
        torn = walk.torn and self._postponed.torn < TORN_WALKS
        self._postponed.torn = self._postponed.torn + 1 if walk.torn else 0
        walked = walk.failure is None and not torn
        if walk.found:
            book.dated(attempt.ahead())
        pipeline_list.met(book, walk.found.values(), told_by="pipelines", walked=walked)
        self._met = set(walk.found)
        if walk.failure is None:
            self._postponed.clear(LIST)
            self._postponed.confirmed = confirmed + 1 if covered and walk.found.keys() <= known else 0
            book.walked(now)
        else:
            attempt.fail(walk.failure)
            self._refused(walk.failure, now)

    def _refused(self, failure: PollError, now: float) -> None:
        """Ask for the list again later: ever later where CircleCI refuses it. Where it is gone, the project may be."""
        attempt, settings = self._attempt, self._project.pipelines
        if failure.held or not isinstance(failure, NotFoundError | ForbiddenError):
            self._postponed.fail(LIST, failure, now + settings.interval)
            return
        self._postponed.failed[LIST] = failure
        self._postponed.retry(LIST, now, settings.interval, settings.longest)
        if isinstance(failure, NotFoundError):
            _, error = refresh(attempt, self._project, None, branches=False)
            if error is not None:
                attempt.count(error)
            self.absent = isinstance(error, NotFoundError)

    def _look(self, book: PipelineBook) -> None:
        """Look at the pipelines that are due, in their turn."""
        project, now, ahead = self._project, self._attempt.now(), self._attempt.ahead()
        found = book.live.pipelines.values()
        due = watching.in_turn(found, project.pipelines, project.runs.lookback, now, ahead)
        due = [(moment, pipeline) for moment, pipeline in due if self._due(pipeline.id, moment)]
        for _, pipeline in due[:LOOKS_A_STEP]:
            if self._attempt.over():
                return
            until = now + watching.gap(pipeline, project.pipelines, now - ahead)
            before = self._attempt.error
            with self._trying(self._attempt, pipeline.id, f"pipeline {pipeline.id}", until) as held:
                held.error = self._look_at(book, pipeline)
            if self._attempt.over():
                return  # it is not the pipeline that fails
            self._looked(book, pipeline, held.error)
            if watching.is_set_aside(book.live.pipelines[pipeline.id]):
                self._attempt.error = before
        self.more = len(due) > LOOKS_A_STEP

    def _looked(self, book: PipelineBook, pipeline: WatchedPipeline, error: PollError | None) -> None:
        """Note how a look went, and in `set_aside` a pipeline that fails while CircleCI answers other questions."""
        since = pipeline.failed_at or pipeline.wanted_at or 0.0
        proven = self._attempt.answered or self._postponed.answered_at > since
        if book.looked(pipeline.id, failed=error is not None, proven=proven):
            self.set_aside[pipeline.id] = str(error)

    @contextmanager
    def _trying(self, attempt: Attempt, what: str, words: str, until: float) -> Iterator[Held]:
        """Ask something, and not again before a moment if that fails; `words` name it in the log."""
        with attempt.guard(words) as held:
            yield held
        if held.error is None:
            self._postponed.clear(what)
        else:
            self._postponed.fail(what, held.error, until)

    def _look_at(self, book: PipelineBook, pipeline: WatchedPipeline) -> PollError | None:
        """Look at a pipeline; returns why jobs could not be read, where that failed. Raises PollError or Stopped."""
        attempt, project, failure = self._attempt, self._project, None
        if pipeline.state not in OUTCOMES and pipeline.id not in self._met:
            pipeline = replace(pipeline, state=ask.pipeline(attempt, self._slug, pipeline.id).state)
        found = ask.workflows(attempt, self._slug, pipeline)
        book.dated(attempt.ahead())
        look = Look(pipeline, found, known_runs=self._known_runs(found))
        settled = {run.id for run in pipeline.runs if watching.has_settled(run, attempt.now())}
        jobs: dict[str, list[Job]] = {}
        torn: dict[str, list[Job]] = {}
        missing: set[str] = set()
        for run in looks.jobs_wanted(look, book, project):
            if attempt.over():
                break
            with attempt.guard(f"the jobs of workflow {run.id}") as held:
                try:
                    read, whole = ask.jobs_of(attempt, self._slug, run.id)
                except NotFoundError as error:
                    if run.ended:
                        missing.add(run.id)
                    if not watching.has_no_jobs(run.id, pipeline, missing):
                        raise
                    attempt.count(error)
                    read, whole = [], True
                (jobs if whole or run.id in settled else torn)[run.id] = read
            failure = failure or held.error
        ended = {key_of(job.id) for each in jobs.values() for job in each if job.ended}
        look = replace(look, jobs=jobs, torn_jobs=torn, missing=missing)
        look = replace(look, known_jobs=self._state.known_jobs(self._slug, ended))
        looks.add(look, book, project, attempt.now(), attempt.ahead())
        return failure

    def _known_runs(self, found: list[WorkflowRun]) -> set[int]:
        ended: dict[str, set[int]] = {}
        for run in found:
            if run.ended:
                ended.setdefault(run.name, set()).add(key_of(run.id))
        return {key for name, keys in ended.items() for key in self._state.known(self._slug, name, keys)}

    def _read_insights(self, book: PipelineBook) -> None:
        """Learn the names of workflows, or read one workflow's list of runs, where that is due."""
        attempt, project, now = self._attempt.beside(RUNS), self._project, self._attempt.now()
        insights = Insights(attempt, book, project, self._state, self._postponed.refused)
        if self._due(NAMES, names_due(book.ledger, project, now)):
            with self._trying(attempt, NAMES, "the names of workflows", now + project.runs.sweep):
                insights.learn_names()
        moments = sweeps(book.ledger, project, self._postponed.vain, now)
        due = sorted((at, name) for name, at in moments.items() if self._due(f"runs of {name}", at))
        for _, name in due[:1]:
            with self._trying(attempt, f"runs of {name}", f"the runs of {name}", now + project.runs.sweep):
                brought = insights.sweep(name)
                self._postponed.vain[name] = 0 if brought else self._postponed.vain.get(name, 0) + 1
        self.more = len(due) > 1
        self._still_failing(attempt, NAMES, *(f"runs of {name}" for name in moments))
        self.insights = attempt
