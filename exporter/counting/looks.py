"""What a look at one pipeline means: which of its runs go on, which have ended, and what of them counts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.config import Project
from exporter.counting import attempts
from exporter.counting.cells import Exemplar
from exporter.counting.ledger import FinishedRun, lasted
from exporter.counting.pipeline_book import PipelineBook
from exporter.runs import attempts as run_attempts
from exporter.runs import jobs as job_runs
from exporter.runs import watching
from exporter.runs.attempts import EndedRun
from exporter.runs.branches import ALL_TAGS
from exporter.runs.jobs import Job
from exporter.runs.live import INSIGHTS, POLLED, WatchedPipeline, WatchedRun
from exporter.runs.pipelines import CANCELED, ERRORED, NOT_RUN, OUTCOMES, SUCCESS, WorkflowRun
from exporter.runs.reading import key_of

UNLISTED_LOOKS = 5
"""How many of the longest times between two looks a run is watched on while its pipeline does not list it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a pipeline saw: all its workflow runs, and the jobs of those whose jobs were read, by run id.

    Where some of a run's jobs could not be read, they are among `torn_jobs`: they show what the run is at, but they
    are asked for again before any of them counts. `known_runs` and `known_jobs` are the keys of those that are
    remembered, `told_by` who told of what has ended, where it is not who told of each first. `missing` are the
    ended runs whose jobs CircleCI does not know. It is not `whole` where some of the runs could not be read.
    """

    pipeline: WatchedPipeline
    runs: Sequence[WorkflowRun]
    jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    known_runs: Collection[int] = ()
    known_jobs: Collection[int] = ()
    torn_jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    told_by: str = ""
    missing: Collection[str] = ()
    whole: bool = True


def jobs_wanted(look: Look, book: PipelineBook, project: Project) -> list[WorkflowRun]:
    """The runs of a pipeline whose jobs are asked for at this look."""
    watched = {run.id: run for run in look.pipeline.runs}

    def wanted(run: WorkflowRun) -> bool:
        if run.status == NOT_RUN or not project.workflows.match(run.name):
            return False
        if not run.ended:
            return project.pipelines.jobs
        if run.id in watched:
            return project.pipelines.jobs or run.status == CANCELED
        latest = run.stopped_at
        if latest is not None and run.status == CANCELED:  # its jobs may have gone on for a while
            latest += watching.CANCELED_SETTLES_WITHIN
        return (
            not _is_past(look, book, run, latest)
            and key_of(run.id) not in look.known_runs
            and (project.pipelines.jobs or run.status == CANCELED)
        )

    return [run for run in look.runs if wanted(run)]


def begin(look: Look, book: PipelineBook, project: Project, now: float) -> tuple[list[WorkflowRun], int]:
    """Add the runs that a look has found, without their jobs; returns whose jobs are wanted, and how many counted.

    `look.pipeline` is the pipeline as it was when CircleCI was asked. What an event has told of one of its runs since
    then stays: it is newer than the answer.
    """
    known = _known(look, book)
    asked = {run.id: run for run in look.pipeline.runs}
    watched = {run.id: run for run in known.runs}
    found = [run for run in look.runs if project.workflows.match(run.name)]
    current = [run for run in found if asked.get(run.id) == watched.get(run.id)]
    wanted = jobs_wanted(replace(look, pipeline=known, runs=current), book, project)
    # When a canceled run has ended, its jobs say.
    without_jobs = {run.id for run in current} - {run.id for run in wanted if run.status == CANCELED}
    adding = _Adding(look, book, project, now)
    still = [adding.run(run, watched.get(run.id)) if run.id in without_jobs else watched.get(run.id) for run in found]
    seen = {run.id for run in look.runs}
    others = [run for run in known.runs if run.id not in seen]
    unlisted = [replace(run, unlisted_at=run.unlisted_at or now) if run.id in asked else run for run in others]
    patience = UNLISTED_LOOKS * project.pipelines.longest
    still += [run for run in unlisted if run.unlisted_at is None or now - run.unlisted_at < patience]
    runs = tuple(run for run in still if run is not None)
    known = replace(known, runs=runs, ended=(*known.ended, *adding.ended))
    book.watch(book.pipeline(replace(known, settled_at=None if runs else known.settled_at)))
    return wanted, adding.counted


def add_jobs(look: Look, expected: WatchedRun | None, book: PipelineBook, project: Project, now: float) -> int:
    """Add the one run of a look again, with its jobs, if they could be read; returns how many runs that counted.

    It is left alone where it is no longer watched as `expected`: an event has told of it meanwhile.
    """
    (run,) = look.runs
    known = _known(look, book)
    if next((each for each in known.runs if each.id == run.id), None) != expected:
        return 0
    adding = _Adding(look, book, project, now)
    after = adding.run(run, expected)
    runs = [after if each.id == run.id else each for each in known.runs]
    if expected is None:
        runs.append(after)
    runs_now = tuple(each for each in runs if each is not None)
    book.watch(replace(known, runs=runs_now, ended=(*known.ended, *adding.ended)))
    return adding.counted


def finish(
    look: Look, counted: int, book: PipelineBook, project: Project, *, at: float, now: float, ahead: float = 0.0
) -> None:
    """Keep the pipeline as it is to be watched after a look that `counted` so many runs.

    It was told of `at` a time; `ahead` is by how many seconds `now`, this machine's time, is ahead of CircleCI's.
    """
    known = _known(look, book)
    wanted_at = None if known.wanted_at == look.pipeline.wanted_at else known.wanted_at
    pipeline, date = replace(known, looked_at=at, wanted_at=wanted_at), now - ahead
    if look.whole:
        ended = all(run.ended for run in look.runs)
        over = _is_over(pipeline, look.runs, project, date) if ended else pipeline.state in OUTCOMES
        pipeline = attempts.decide(pipeline, look.runs, book, project, over=over)
    book.watch(book.pipeline(_settled(pipeline, look, counted, project, now=now, date=date)))


def add_run(look: Look, book: PipelineBook, project: Project, now: float) -> None:
    """Add what asking for one run of a pipeline saw; its other runs stay as they are.

    Whether the pipeline is over, the next look at all of it says.
    """
    (run,) = look.runs
    adding = _Adding(look, book, project, now)
    watched = {each.id: each for each in look.pipeline.runs}
    before = watched.pop(run.id, None)
    after = adding.run(run, before)
    if before is None and after is None and not adding.counted:
        return  # it was counted before, or never is
    runs = (*watched.values(), *([after] if after else []))
    hinted = look.pipeline.hinted or bool(adding.counted)
    ended = (*look.pipeline.ended, *adding.ended)
    pipeline = replace(look.pipeline, runs=runs, ended=ended, settled_at=None, revisits=0, hinted=hinted)
    known = book.live.pipelines.get(pipeline.id)
    if known is None or not watching.unseen(known):  # what waits for its first look waits on: it may have other runs
        pipeline = replace(pipeline, looked_at=now, wanted_at=None)
    book.watch(book.pipeline(pipeline))


def _known(look: Look, book: PipelineBook) -> WatchedPipeline:
    """The pipeline of a look as it is watched now, in the state that the look found."""
    return replace(book.live.pipelines.get(look.pipeline.id, look.pipeline), state=look.pipeline.state)


def _settled(
    pipeline: WatchedPipeline, look: Look, counted: int, project: Project, *, now: float, date: float
) -> WatchedPipeline:
    """The pipeline with the moment since when all of it has ended, and how often it was looked at since."""
    patience = UNLISTED_LOOKS * project.pipelines.longest
    undecided = any(not each.told and now - each.since < patience for each in pipeline.ended)
    if pipeline.runs or undecided:
        return replace(pipeline, settled_at=None, revisits=0)
    if pipeline.settled_at is not None and not counted:
        return replace(pipeline, revisits=watching.next_revisit(pipeline, project.pipelines, now))
    if not _is_over(pipeline, look.runs, project, date):
        return replace(pipeline, settled_at=None, revisits=0)
    # What has failed may be run again at once, also by itself; what has succeeded hardly ever is.
    succeeded = all(run.status == SUCCESS for run in look.runs)
    hinted = pipeline.hinted and not counted
    revisits = watching.REVISITS_SPARED if hinted else int(succeeded)
    return replace(pipeline, settled_at=now, revisits=revisits, hinted=hinted)


def _is_over(pipeline: WatchedPipeline, runs: Sequence[WorkflowRun], project: Project, date: float) -> bool:
    """Whether nothing is under way, nor about to begin: a setup workflow is followed by others."""
    settings = project.pipelines
    if not runs:
        never = pipeline.state == ERRORED or date - pipeline.created_at > project.runs.lookback
        return never or watching.is_empty(pipeline, settings, date)
    ended = max(run.stopped_at or run.created_at for run in runs)
    return pipeline.state in OUTCOMES or date - ended >= watching.LOOKS_WITHOUT_WORKFLOW * settings.interval


class _Adding:
    """One look on its way into the book. `counted` is how many runs it has counted, `ended` what is left of them."""

    def __init__(self, look: Look, book: PipelineBook, project: Project, now: float) -> None:
        self._look, self._book, self._now = look, book, now
        self._branch = book.branch_of(look.pipeline)
        self._counts_jobs, self._counts = project.pipelines.jobs, project.jobs.match
        self.counted = 0
        self.ended: list[EndedRun] = []

    def run(self, run: WorkflowRun, watched: WatchedRun | None) -> WatchedRun | None:
        """Add one workflow run; returns it if it is to be watched on.

        One that is counted already and not watched has ended: what says otherwise is an old answer.
        """
        if run.ended:
            self._book.judge(run.name, self._branch, self._finished(run, run.stopped_at))
        if watched is None and self._is_counted(run):
            return None
        jobs = self._look.jobs.get(run.id)
        after = watched or WatchedRun(
            run.id,
            run.name,
            run.status,
            run.created_at,
            told_by=self._told_by(run.id),
            unread=True,
            began=self._book.live.began if run.created_at <= self._book.live.began else 0.0,
        )
        first, unread = after.unread, after.unread and jobs is None
        held = after.held or run.status == watching.ON_HOLD
        after = replace(after, status=run.status, stopped_at=run.stopped_at, unlisted_at=None, unread=unread, held=held)
        if run.id in self._look.missing:
            after = replace(after, missing=after.missing + 1)
        if not run.ended:
            self._add_jobs(run, jobs, first=first)
            at = self._look.torn_jobs.get(run.id) if jobs is None else jobs
            after = _with_jobs(replace(after, ended_seen_at=None), run, at)
            return after if jobs is None else replace(after, feedback=_feedback(after, run, jobs))
        if run.status == NOT_RUN or (not after.counted and self._is_done(run, watched, jobs)):
            return None
        self._add_jobs(run, jobs, first=first)
        if after.ended_seen_at is None:
            after = replace(after, ended_seen_at=self._now)
        return self._ended(run, after, jobs)

    def _told_by(self, run: str) -> str:
        """Who told first of a run that was not watched: of one that a later look finds, that look did."""
        pipeline = self._look.pipeline
        if run in pipeline.shown:
            return INSIGHTS
        return pipeline.told_by if pipeline.looked_at is None else POLLED

    def _ended(self, run: WorkflowRun, after: WatchedRun, jobs: Sequence[Job] | None) -> WatchedRun | None:
        if run.status == CANCELED and not after.counted and not watching.has_settled(after, self._now):
            after = _with_jobs(after, run, jobs)
            if jobs is None or after.jobs:
                return after
        if not after.counted:
            self._count(run, after, _stop(run, jobs))
        if self._counts_jobs and jobs is None:  # they are still to be read
            return replace(after, counted=True, jobs=(), waiting_since=None, waiting_job="")
        known = self._counts_jobs and jobs is not None and run.id not in self._look.missing
        read = job_runs.by_id(jobs or ()) if known else None
        if read is not None:
            self._book.path(run, self._branch, read.values())
        counts = self._counts
        self.ended.append(run_attempts.ended(run, read, self._now, counts, held=after.held, began=after.began))
        return None

    def _is_done(self, run: WorkflowRun, watched: WatchedRun | None, jobs: Sequence[Job] | None) -> bool:
        """Whether an ended run is counted already, or, unwatched, had ended before anything was; then remember it."""
        if self._is_counted(run):
            return True
        if watched is not None or _goes_on(run, jobs):
            return False
        past = _is_past(self._look, self._book, run, _stop(run, jobs))
        if past:
            self._book.remember(run.name, key_of(run.id), run.created_at, credited=True)
        return past

    def _is_counted(self, run: WorkflowRun) -> bool:
        key = key_of(run.id)
        return key in self._look.known_runs or key in self._book.changes.runs.get(run.name, {})

    def _add_jobs(self, run: WorkflowRun, jobs: Sequence[Job] | None, *, first: bool) -> None:
        self._book.appear(run.name, self._branch, run.created_at)
        if jobs is not None and self._counts_jobs:
            self._book.jobs(run, self._branch, jobs, self._look.known_jobs, first=first)

    def _count(self, run: WorkflowRun, after: WatchedRun, stopped_at: float | None) -> None:
        told_by = after.told_by if after.told_by == INSIGHTS else self._look.told_by or after.told_by
        finished = self._finished(run, stopped_at)
        self._book.count(run.name, self._branch, finished, told_by, credited=self._branch == ALL_TAGS)
        self.counted += 1

    def _finished(self, run: WorkflowRun, stopped_at: float | None) -> FinishedRun:
        duration, exemplar = lasted(run.created_at, stopped_at) if run.dated else None, None
        if stopped_at is not None and duration is not None:
            exemplar = Exemplar(run.id, duration, stopped_at)
        key, of = key_of(run.id), (self._look.pipeline.created_at, self._look.pipeline.id)
        return FinishedRun(
            key, run.status, run.created_at, stopped_at, duration, exemplar=exemplar, id=run.id, pipeline=of
        )


def _with_jobs(after: WatchedRun, run: WorkflowRun, jobs: Sequence[Job] | None) -> WatchedRun:
    """The run with what its jobs are at; without an answer about them, as before."""
    if jobs is None:
        return after
    read = job_runs.by_id(jobs)
    counts = job_runs.under_way(job for job in read.values() if not job.carried_over(run.created_at))
    since, name = job_runs.oldest_wait(read, run.created_at) if run.dated else (None, "")
    return replace(after, jobs=tuple(sorted(counts.items())), waiting_since=since, waiting_job=name)


def _feedback(after: WatchedRun, run: WorkflowRun, jobs: Sequence[Job]) -> run_attempts.Feedback | None:
    return after.feedback or run_attempts.feedback(run, job_runs.by_id(jobs))


def _is_past(look: Look, book: PipelineBook, run: WorkflowRun, stopped_at: float | None) -> bool:
    """Whether an unwatched run had ended before anything was counted; of one without times an earlier look tells."""
    appeared = not run.dated and look.pipeline.looked_at is not None
    return book.is_past(run.name, run.created_at, stopped_at, tag=bool(look.pipeline.tag), appeared=appeared)


def _goes_on(run: WorkflowRun, jobs: Sequence[Job] | None) -> bool:
    """Whether jobs of a canceled run are still under way."""
    if run.status != CANCELED or jobs is None:
        return False
    return any(not job.ended for job in job_runs.by_id(jobs).values())


def _stop(run: WorkflowRun, jobs: Sequence[Job] | None) -> float | None:
    """When a run stopped; the jobs of a canceled one may have stopped later."""
    if run.status != CANCELED or jobs is None:
        return run.stopped_at
    own = (job.stopped_at for job in jobs if not job.carried_over(run.created_at))
    return max((stop for stop in (run.stopped_at, *own) if stop is not None), default=None)
