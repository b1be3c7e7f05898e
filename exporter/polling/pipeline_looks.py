"""Looks at the pipelines of one project, side by side: each asks for its workflows, then for the jobs of their runs.

What a look learns is told to the book piece by piece. An end is counted when the workflows are read, its jobs when
they are. Of what waits for its turn the ends come first, then what is new, then the jobs of runs that go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from exporter.counting import looks
from exporter.counting.looks import Look
from exporter.errors import NotFoundError, PollError
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt
from exporter.polling.kind import Step
from exporter.polling.pace import Postponed
from exporter.polling.side_by_side import SideBySide, Task, Turn, asked
from exporter.runs import watching
from exporter.runs.jobs import Job
from exporter.runs.live import WatchedPipeline, WatchedRun
from exporter.runs.pipelines import OUTCOMES, WorkflowRun
from exporter.runs.reading import key_of
from exporter.state import StateStore

FIRST, DUE, JOBS, HELD_JOBS = range(4)
"""Ranks of questions. What events tell of and the list come first, the jobs of runs that wait for a person last."""


@dataclass(slots=True, eq=False)
class UnderWay:
    """One look. `asked` is the pipeline as it was when its workflows were asked for.

    `at` is when they were read, `runs` what was found; `pending` has the tasks that read jobs, by run. What CircleCI
    does not know the jobs of is `missing`, `counted` is how many runs the look has counted. It is `whole` where each
    workflow run could be read.
    """

    asked: WatchedPipeline
    turn: Turn
    attempt: Attempt
    at: float | None = None
    runs: list[WorkflowRun] = field(default_factory=list)
    expected: dict[str, WatchedRun | None] = field(default_factory=dict)
    pending: dict[str, Task] = field(default_factory=dict)
    spared: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    counted: int = 0
    whole: bool = True
    error: PollError | None = None


class Looks:
    """The looks of one project that are under way."""

    def __init__(
        self, step: Callable[[], Step], side: SideBySide, state: StateStore, slug: str, postponed: Postponed
    ) -> None:
        """`step` gives the step that is done now."""
        self._step, self._side, self._state, self._slug, self._postponed = step, side, state, slug, postponed
        self._under_way: dict[str, UnderWay] = {}
        self._read_at: dict[str, float] = {}
        self.met: set[str] = set()
        """Pipelines whose state a list has just told."""

    def begin(self, *, listing: bool) -> None:
        """Begin the looks that are due; while the list is read, it may tell what else would be asked for."""
        step = self._step()
        project, now, ahead = step.project, step.attempt.now(), step.attempt.ahead()
        for each in [each for each in self._under_way.values() if self._is_overtaken(each, now, ahead)]:
            self._finish(each)
        found = step.book.live.pipelines.values()
        for moment, pipeline in watching.in_turn(found, project.pipelines, project.runs.lookback, now, ahead):
            if pipeline.id in self._under_way or self._postponed.due(pipeline.id, moment) > now:
                continue
            if listing and pipeline.state not in OUTCOMES and pipeline.id not in self.met:
                continue
            turn = DUE, moment if pipeline.looked_at is not None else -pipeline.created_at
            looking = self._under_way[pipeline.id] = UnderWay(pipeline, turn, step.attempt.beside())
            self._side.add(self._look(looking))

    @property
    def busy(self) -> bool:
        """Whether a look is under way."""
        return bool(self._under_way)

    def _is_overtaken(self, looking: UnderWay, now: float, ahead: float) -> bool:
        """Whether a look waits only for jobs that can be spared, and the next one is due."""
        if looking.at is None or not looking.pending.keys() <= looking.spared:
            return False
        pipeline = self._step().book.live.pipelines.get(looking.asked.id)
        if pipeline is None or not all(self._side.waits(task) for task in looking.pending.values()):
            return False
        gap = watching.gap(pipeline, self._step().project.pipelines, now - ahead)
        return pipeline.wanted_at not in {None, looking.asked.wanted_at} or now >= looking.at + gap

    def _look(self, looking: UnderWay) -> Task:
        """Look at one pipeline."""
        with looking.attempt.guard(f"pipeline {looking.asked.id}") as held:
            yield from self._read(looking)
        looking.error = held.error
        if not looking.pending:
            self._finish(looking)

    def _read(self, looking: UnderWay) -> Task:
        """Read the workflows of a pipeline, tell of them, and have their jobs read."""
        attempt, pipeline, slug = looking.attempt, looking.asked, self._slug
        turn = looking.turn
        if pipeline.state not in OUTCOMES and pipeline.id not in self.met:
            listed = yield from asked(lambda: ask.pipeline(attempt, slug, pipeline.id), turn)
            looking.asked = pipeline = replace(pipeline, state=listed.state)
        self.met.discard(pipeline.id)
        looking.runs, looking.whole = yield from asked(lambda: ask.workflows(attempt, slug, pipeline), turn)
        step, looking.at = self._step(), attempt.now()
        step.book.dated(attempt.ahead())
        wanted, counted = looks.begin(self._seen(looking), step.book, step.project, looking.at)
        looking.counted += counted
        before = {run.id: run for run in pipeline.runs}
        watched = {run.id: run for run in step.book.live.pipelines[pipeline.id].runs}
        for run in wanted:
            looking.expected[run.id] = watched.get(run.id)
            looking.pending[run.id] = self._jobs(looking, run, self._turn(looking, run, before.get(run.id)))
        for task in [*looking.pending.values()]:
            self._side.add(task)

    def _turn(self, looking: UnderWay, run: WorkflowRun, before: WatchedRun | None) -> Turn:
        """When the jobs of a run are to be read: those of one that goes on can be spared where others wait longer."""
        if run.ended or before is None or before.unread:
            return looking.turn
        looking.spared.add(run.id)
        held = run.status == before.status == watching.ON_HOLD
        return HELD_JOBS if held else JOBS, self._read_at.get(run.id, 0.0)

    def _jobs(self, looking: UnderWay, run: WorkflowRun, turn: Turn) -> Task:
        """Read the jobs of a run, and tell of them."""
        attempt, slug = looking.attempt, self._slug
        read: tuple[list[Job], bool] | None = None
        with attempt.guard(f"the jobs of workflow {run.id}") as held:
            try:
                read = yield from asked(lambda: ask.jobs_of(attempt, slug, run.id), turn)
            except NotFoundError as error:
                if run.ended:
                    looking.missing.add(run.id)
                if not watching.has_no_jobs(run.id, looking.asked, looking.missing):
                    raise
                attempt.count(error)
                read = [], True
        looking.error = looking.error or held.error
        with attempt.guard(f"workflow {run.id}") as held:
            self._add(looking, run, read)
        looking.error = looking.error or held.error
        del looking.pending[run.id]
        if attempt.over() or not looking.pending:
            self._finish(looking)

    def _add(self, looking: UnderWay, run: WorkflowRun, read: tuple[list[Job], bool] | None) -> None:
        step, now = self._step(), looking.attempt.now()
        look = self._seen(looking, [run])
        if read is not None:
            jobs, whole = read
            settled = any(each.id == run.id and watching.has_settled(each, now) for each in looking.asked.runs)
            known = self._state.known_jobs(self._slug, {key_of(job.id) for job in jobs if job.ended})
            of = {run.id: jobs}
            look = replace(look, known_jobs=known)
            look = replace(look, jobs=of) if whole or settled else replace(look, torn_jobs=of)
            self._read_at[run.id] = now
            self._postponed.put_off.pop(run.id, None)
        looking.counted += looks.add_jobs(look, looking.expected[run.id], step.book, step.project, now)

    def _seen(self, looking: UnderWay, runs: Collection[WorkflowRun] | None = None) -> Look:
        """What a look has seen, or of it only some runs."""
        found = looking.runs if runs is None else [*runs]
        return Look(looking.asked, found, known_runs=self._known(found), missing=looking.missing)

    def _known(self, found: Iterable[WorkflowRun]) -> set[int]:
        """The keys of those runs that are remembered."""
        names: dict[str, set[int]] = {}
        for run in found:
            names.setdefault(run.name, set()).add(key_of(run.id))
        return {key for name, keys in names.items() for key in self._state.known(self._slug, name, keys)}

    def _finish(self, looking: UnderWay) -> None:
        """End a look, and note how it went."""
        step, pipeline, attempt = self._step(), looking.asked, looking.attempt
        if self._under_way.pop(pipeline.id, None) is None:
            return
        for run, task in looking.pending.items():
            if self._side.waits(task):
                self._side.drop([task])
                self._postponed.put_off.setdefault(run, looking.at or step.attempt.now())
        now, ahead, book = attempt.now(), attempt.ahead(), step.book
        if looking.at is not None and not attempt.over():
            look = Look(pipeline, looking.runs, whole=looking.whole)
            looks.finish(look, looking.counted, book, step.project, at=looking.at, now=now, ahead=ahead)
        if attempt.over() or pipeline.id not in book.live.pipelines:
            step.attempt.join(attempt)  # it is not the pipeline that fails
            return
        if looking.error is None:
            self._postponed.clear(pipeline.id)
        else:
            gap = watching.gap(pipeline, step.project.pipelines, now - ahead)
            self._postponed.fail(pipeline.id, looking.error, now + gap)
        self._looked(looking)
        if step.attempt.answered:
            self._postponed.answered_at = now

    def _looked(self, looking: UnderWay) -> None:
        """Note how a look went in the book; what fails for long is set aside, and then fails no collector."""
        step, pipeline, book = self._step(), looking.asked, self._step().book
        since = pipeline.failed_at or pipeline.wanted_at or 0.0
        before = step.attempt.error
        step.attempt.join(looking.attempt)
        proven = step.attempt.answered or self._postponed.answered_at > since
        if book.looked(pipeline.id, failed=looking.error is not None, proven=proven):
            step.set_aside[pipeline.id] = str(looking.error)
        if watching.is_set_aside(book.live.pipelines[pipeline.id]):
            step.attempt.error = before
        for run in looking.expected.keys() - {run.id for run in book.live.pipelines[pipeline.id].runs}:
            self._read_at.pop(run, None)
            self._postponed.put_off.pop(run, None)
