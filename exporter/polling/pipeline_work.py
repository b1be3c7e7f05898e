"""What the steps of a poll for pipelines ask: the list, some looks, and at times lists of runs from Insights."""

from __future__ import annotations

from typing import cast

from exporter.counting import opening, pipeline_list
from exporter.counting.pipeline_book import PipelineBook
from exporter.errors import ForbiddenError, NotFoundError, PollError, StateError
from exporter.insights import run_families
from exporter.insights.collectors import PIPELINES, RUNS
from exporter.knowledge import absence, facts, plan
from exporter.knowledge.snapshots import Facts, Snapshot
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempt
from exporter.polling.crediting import Insights, names_due, sweeps
from exporter.polling.hint_work import HintWork
from exporter.polling.kind import Means, Step
from exporter.polling.pace import LIST, NAMES, PROJECT, Pace
from exporter.polling.pipeline_looks import DUE, FIRST, Looks
from exporter.polling.project_facts import refresh
from exporter.polling.side_by_side import Task, asked
from exporter.runs import watching
from exporter.runs.branches import labels_of
from exporter.runs.pipelines import pipelines_of

TORN_WALKS = 5
"""Walks in a row that may meet an unreadable entry before what is behind it is taken to be known all the same."""
ANSWERS_A_STEP = 20
"""Answers after which what they say is committed and shown, before the next ones."""
SOON, NEXT = 1.0, 0.1
"""Seconds for which a step waits for its first answer, and for each that follows."""
HURRIED_STEPS = 30
"""How often it waits so long where events are followed."""


class Work:
    """All that one poll asks. After each step `book` has what was learned, if anything could be.

    `more` says that something is under way or due, `hurried` that nothing but hints was followed; `absent` says that
    CircleCI does not know the project.
    """

    def __init__(self, slug: str, means: Means, pace: Pace) -> None:
        self._slug, self._state = slug, means.state
        self._postponed, self._coverage = pace.of(slug), pace.coverage
        self._side = means.attempts.side_by_side()
        self._step: Step | None = None
        self._looks = Looks(self.step, self._side, means.state, slug, self._postponed)
        self.hints = HintWork(self.step, self._side, means.state, pace.inbox, slug)
        self._listing = False
        self._reading: set[str] = set()
        pace.inbox.listen(slug, self._side.wake)
        self.facts: Facts | None = None
        self.more = self.hurried = self.absent = False

    def step(self) -> Step:
        """What the tasks add to now."""
        return cast("Step", self._step)

    @property
    def book(self) -> PipelineBook | None:
        return self._step.book if self._step else None

    def do(self, attempt: Attempt, snapshot: Snapshot, *, resume: bool, hurry: bool) -> None:
        """Do one step, and with `hurry` nothing but what hints tell of, if there are any.

        Raises PollError or Stopped; what was learned until then is in the book.
        """
        self._step, self.facts = None, snapshot.facts
        self.more = self.hurried = self.absent = False
        self.hints.begin_step()
        was_absent = absence.since(snapshot, PIPELINES) is not None
        project = snapshot.project
        try:
            book = self._opened(attempt, snapshot, resume=resume, was_absent=was_absent)
        except PollError as error:
            if not error.held:
                self._postponed.retry(PROJECT, attempt.now(), project.pipelines.interval, project.pipelines.longest)
            raise
        self._step = Step(attempt, project, book)
        self._postponed.clear(PROJECT)
        self.hurried = self.hints.begin() and hurry
        if not self.hurried:
            self._begin(book)
        self._advance(attempt)
        if not (self.hurried or self.absent or attempt.over()):
            self._read_insights(book)
        self.more = self._side.busy or self.hurried
        if not self.hurried:
            self._still_failing(attempt, LIST, *self._looked_at(book))
            if self.absent:
                self._postponed.waiting = None
        book.release()
        pipeline_list.forget(book, project.runs.lookback, attempt.earlier())
        book.close()

    def _advance(self, attempt: Attempt) -> None:
        """Go on with what is under way, for about a second, or until something was learned."""
        answers = waits = 0
        while self._side.busy and not attempt.over() and not self.absent and answers < ANSWERS_A_STEP:
            if self._side.advance(NEXT if answers else SOON):
                answers += 1
            elif self.hints.begin():
                continue
            elif answers or not self.hints.busy or waits >= HURRIED_STEPS:
                return
            waits += 1

    def _begin(self, book: PipelineBook) -> None:
        """Begin what is due by itself."""
        pipeline_list.met(book, self._coverage.take(self._slug), told_by="pipelines")
        began = self._list(book)
        if not began:  # it tells of what was never looked at, which goes first; but it holds nothing up for long
            self._looks.begin(listing=self._listing)

    def _looked_at(self, book: PipelineBook) -> list[str]:
        return [id_ for id_, each in book.live.pipelines.items() if not watching.is_set_aside(each)]

    def _still_failing(self, attempt: Attempt, *parts: str) -> None:
        """Let what failed when it was last asked fail this step too, which asked only for something else."""
        if attempt.answered and attempt.error is None:
            attempt.error = self._postponed.failure(parts)

    def _opened(self, attempt: Attempt, snapshot: Snapshot, *, resume: bool, was_absent: bool) -> PipelineBook:
        """What is counted so far, by the settings that hold now. Raises PollError where it cannot be known."""
        if not self._state.lasting:
            raise StateError("the state file could not be opened for writing")
        project, ledger, live = snapshot.project, snapshot.ledger, snapshot.live
        if resume or ledger is None:
            ledger, live = self._state.resume(self._slug, project.runs.interval)
        known = None if was_absent else self.facts
        found, error = refresh(attempt, project, known, branches=False)
        if error is not None and (was_absent or (known is None and isinstance(error, NotFoundError))):
            self.absent, self._postponed.waiting = True, None
            raise error
        if was_absent:
            self._postponed.clear(LIST)
        if error is not None:
            attempt.count(error)
        self.facts = found or self.facts
        label = labels_of(project, facts.default_branch(project, self.facts))
        begun = ledger is not None and live is not None
        if ledger is None or live is None:
            attempt.hear_date()  # facts from before a restored backup may ask nothing
            ledger, live = opening.first_look(ledger, project.runs.lookback, date=attempt.date(), now=attempt.now())
        limit = plan.counters_limit(snapshot)
        book = PipelineBook(ledger, live, project, label, now=attempt.now(), limit=limit)
        book.show(run_families.MISSED_RUNS)
        if not begun:
            book.begin()
        return book

    def _due(self, what: str, due: float | None, now: float | None = None) -> bool:
        return due is not None and self._postponed.due(what, due) <= (self.step().attempt.now() if now is None else now)

    def _list(self, book: PipelineBook) -> bool:
        """Have the project's own list of pipelines walked, where that is due; returns whether that begins now."""
        step, now = self.step(), self.step().attempt.now()
        covered = self._coverage.covers(self._slug, book.live, now)
        confirmed, ahead = self._postponed.confirmed, step.attempt.ahead()
        settings = step.project.pipelines
        due = watching.list_due(book.live, settings, now, covered=covered, confirmed=confirmed, ahead=ahead)
        if self._listing:
            return False
        if self._due(LIST, due):
            self._listing = True
            self._side.add(self._walk(covered=covered))
            return True
        if covered:
            book.covered(now)
            step.attempt.answered = step.attempt.answered or self._coverage.answered(self._slug)
        return False

    def _walk(self, *, covered: bool) -> Task:
        """Walk the list down to what is known."""
        own = self.step().attempt.beside()
        with own.guard("the list of pipelines"):
            yield from self._walked(own, covered=covered)
        self._listing = False
        self.step().attempt.join(own)
        if not self.absent and not own.over():
            self._looks.begin(listing=False)

    def _walked(self, own: Attempt, *, covered: bool) -> Task:
        live, since = self.step().book.live, own.earlier() - self.step().project.runs.lookback
        walk = yield from asked(
            lambda: ask.walk(
                own,
                pipelines_of(self._slug),
                since=since,
                reached=lambda id_: pipeline_list.is_reached(live, id_, own.ahead()),  # as its answers date themselves
            ),
            (FIRST, 1.0),
        )
        book, now = self.step().book, own.now()
        known = book.live.pipelines.keys()
        torn = walk.torn and self._postponed.torn < TORN_WALKS
        self._postponed.torn = self._postponed.torn + 1 if walk.torn else 0
        if walk.found or walk.failure is None:
            book.dated(own.ahead())
        new = walk.found.keys() - known
        walked = walk.failure is None and not torn
        pipeline_list.met(book, walk.found.values(), told_by="pipelines", walked=walked)
        self._looks.met = set(walk.found)
        if walk.failure is None:
            self._postponed.clear(LIST)
            self._postponed.confirmed = self._postponed.confirmed + 1 if covered and not new else 0
            book.walked(now)
            return
        own.fail(walk.failure)
        yield from self._refused(own, walk.failure, now)

    def _refused(self, own: Attempt, failure: PollError, now: float) -> Task:
        """Ask for the list again later: ever later where CircleCI refuses it. Where it is gone, the project may be."""
        project = self.step().project
        settings = project.pipelines
        if failure.held or not isinstance(failure, NotFoundError | ForbiddenError):
            self._postponed.fail(LIST, failure, now + settings.interval)
            return
        self._postponed.failed[LIST] = failure
        self._postponed.retry(LIST, now, settings.interval, settings.longest)
        if isinstance(failure, NotFoundError):
            _, error = yield from asked(lambda: refresh(own, project, None, branches=False), (FIRST, 1.0))
            if error is not None:
                own.count(error)
            self.absent = isinstance(error, NotFoundError)

    def _read_insights(self, book: PipelineBook) -> None:
        """Have the names of workflows learnt, and lists of runs read, where that is due.

        It is late that way, so that looks count the ends first; in a project that is never quiet, by a sweep's time.
        """
        project, now = self.step().project, self.step().attempt.now()
        if self._looks.busy or self._listing:
            now -= project.runs.sweep
        due = names_due(book.ledger, project, now)
        if NAMES not in self._reading and self._due(NAMES, due, now):
            self._reading.add(NAMES)
            self._side.add(self._read(NAMES, "the names of workflows", due))
        for name, at in sweeps(book.ledger, project, self._postponed.vain, now).items():
            what = f"runs of {name}"
            if what not in self._reading and self._due(what, at, now):
                self._reading.add(what)
                self._side.add(self._read(what, f"the runs of {name}", at, name))

    def _read(self, what: str, words: str, due: float, name: str | None = None) -> Task:
        """Read the names of workflows, or the runs of one, and not again before a sweep's time if that fails."""
        own, turn = self.step().attempt.beside(RUNS), (DUE, due)
        insights = Insights(own, self.step, self._state, self._postponed.refused, turn)
        with own.guard(words) as held:
            if name is None:
                yield from insights.learn_names()
            else:
                brought = yield from insights.sweep(name)
                self._postponed.vain[name] = 0 if brought else self._postponed.vain.get(name, 0) + 1
        step, now = self.step(), own.now()
        if held.error is None:
            self._postponed.clear(what)
        else:
            self._postponed.fail(what, held.error, now + step.project.runs.sweep)
        self._reading.discard(what)
        names = sweeps(step.book.ledger, step.project, self._postponed.vain, now)
        self._still_failing(own, NAMES, *(f"runs of {each}" for each in names))
        step.insights = step.insights or step.attempt.beside(RUNS)
        step.insights.join(own)
