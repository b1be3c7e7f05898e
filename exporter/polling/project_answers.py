"""The answers that one poll of a project's gauges gets: which questions it asks, and which answers hold without.

`knowledge.holding` has the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from exporter.errors import ConflictError, PollError
from exporter.insights.collector import Collector
from exporter.insights.collectors import LISTING
from exporter.insights.payloads import Row, items
from exporter.insights.questions import Question
from exporter.knowledge import holding
from exporter.knowledge.packing import pack
from exporter.knowledge.snapshots import Part, Snapshot
from exporter.polling.attempt import Attempt
from exporter.polling.side_by_side import Task, asked

Scope = tuple[str, str]
"""A branch and a reporting window."""


class ProjectAnswers:
    """The parts of one project during one poll; `changed` are those that are to be committed and shown."""

    def __init__(self, snapshot: Snapshot, *, missing_only: bool) -> None:
        """Start from what is known; with `missing_only` nothing is asked that has an answer."""
        self.parts = dict(snapshot.parts)
        self.changed: dict[Question, Part] = {}
        self._project, self._missing_only = snapshot.project, missing_only
        self._listed = {_scope(question) for question in snapshot.parts if question.collector == LISTING.name}
        self._rows: dict[Scope, dict[str, str]] = {}
        self._held: set[Scope] = set()

    def ask(self, attempt: Attempt, collector: Collector, questions: Iterable[Question]) -> Iterator[PollError | None]:
        """Ask what must be asked of one branch, a sample of the rest, and all of it if the sample has changed.

        Gives the failure of each question that is asked, or None.
        """
        before: dict[Question, Part] = {}
        certain: list[Question] = []
        for question in questions:
            old = self.parts.get(question)
            if question in self.changed or (self._missing_only and old):
                continue
            digest = self._digest(collector, question)
            if old and holding.may_hold(collector, self._project, old, digest, attempt.now()):
                before[question] = old
            else:
                certain.append(question)
        samples = holding.samples(collector, before)
        rest = [question for sample in samples for question in sample.questions]
        self._hold(attempt, collector, before.keys() - rest)
        yield from self._all(attempt, collector, certain)
        changed = False
        for sample in samples:
            wanted = sample.wanted
            for question in sample.questions:
                if not wanted:
                    break
                rest.remove(question)
                (failure,) = self._all(attempt, collector, [question])
                wanted -= failure is None
                changed |= self.parts[question].rows != before[question].rows
                yield failure
        if not changed:
            self._hold(attempt, collector, rest)
            return
        yield from self._all(attempt, collector, rest)

    def _hold(self, attempt: Attempt, collector: Collector, questions: Iterable[Question]) -> None:
        """Take answers for CircleCI's current ones though they were not asked for."""
        for question in questions:
            self._keep(question, holding.held(self.parts[question], attempt.now()))
            if collector is LISTING:
                self._held.add(_scope(question))

    def _digest(self, collector: Collector, question: Question) -> str | None:
        """The digest of the row that an answer follows from, where there is one and it is known."""
        if not collector.max_age:
            return None
        if _scope(question) in self._held:
            old = self.parts.get(question)
            return old.basis or None if old else None
        return self._rows.get(_scope(question), {}).get(question.workflow)

    def _all(self, attempt: Attempt, collector: Collector, questions: Iterable[Question]) -> Iterator[PollError | None]:
        """Ask some questions side by side. Gives the failure of each, or None, as the answers come."""
        failures: list[PollError | None] = []
        tasks = [self._answer(attempt, collector, question, failures.append) for question in questions]
        for _ in attempt.side_by_side().all(tasks, attempt.over):
            yield from failures
            failures.clear()
        yield from failures

    def _answer(
        self,
        attempt: Attempt,
        collector: Collector,
        question: Question,
        ended: Callable[[PollError | None], None],
    ) -> Task:
        """Get one question's part, or keep the old one."""
        old, own = self.parts.get(question), attempt.beside()
        with own.guard(question.path) as held:
            pages, rows, unread = yield from asked(lambda: _read(own, collector, question))
            if collector is LISTING:
                self._rows[_scope(question)] = holding.digests([row for page in pages for row in items(page)])
            digest, packed = self._digest(collector, question), pack(collector, rows)
            part = holding.answered(old, packed, attempt.now(), digest, known=_scope(question) in self._listed)
            attempt.unread(unread)
            self._keep(question, part)
        attempt.join(own)
        ended(held.error)

    def _keep(self, question: Question, part: Part) -> None:
        self.changed[question] = self.parts[question] = part


def _scope(question: Question) -> Scope:
    return question.branch, question.window


def _read(
    attempt: Attempt, collector: Collector, question: Question
) -> tuple[list[object], dict[str, list[Row]], Counter[str]]:
    """Ask, and read the answer: its pages, its rows by table, and the fields that could not be read."""
    try:
        return _read_once(attempt, collector, question)
    except ConflictError:  # asked again, a list that shifted is whole
        return _read_once(attempt, collector, question)


def _read_once(
    attempt: Attempt, collector: Collector, question: Question
) -> tuple[list[object], dict[str, list[Row]], Counter[str]]:
    answer = attempt.pages(collector.sent(question, attempt.now()))
    pages = list(answer if collector.paged else islice(answer, 1))
    return pages, *collector.read(pages, question, attempt.now())
