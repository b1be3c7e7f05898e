"""Which answers hold though their question is not asked at a poll, since what stands for them has not changed. Pure.

CircleCI computes its figures from time to time, for all windows of a branch at once, and may compute those of jobs
later than those of their workflows. So a poll asks a sample, and the rest only if the sample has changed:

- Where windows alternate, half of them, those answered longest ago: each is asked at least at every second poll.
- Jobs whose workflow's row changed, at once; of those that changed at the poll before, one of the branch; at the poll
  after that, half of the windows of each workflow. So jobs that CircleCI refreshes within two polls of their workflow
  are seen then, or one poll later.
- Jobs whose workflow is known for the first time, with its whole list: one of the branch, two polls later.
- Each answer that has reached its greatest age.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from exporter.config import Project
from exporter.insights.collector import Collector
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Part

SETTLED, LAST_LOOK, CHANGED, FIRST_LOOK, NEW = range(5)
"""What an answer about jobs waits for, as its part keeps it in `follow_ups`."""
_NEXT = {NEW: FIRST_LOOK, FIRST_LOOK: SETTLED, CHANGED: LAST_LOOK, LAST_LOOK: SETTLED}


class Sample(NamedTuple):
    """Questions of which some stand for all: so many as are `wanted`, those first that were answered longest ago."""

    questions: Sequence[Question]
    wanted: int


def half(windows: int) -> int:
    """How many of so many alternating windows a poll asks."""
    return (windows + 1) // 2


def digests(rows: Iterable[object]) -> dict[str, str]:
    """A digest of each workflow's whole row, by name: if it changes, the jobs may have changed."""
    return {
        row["name"]: blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=8).hexdigest()
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("name"), str)
    }


def may_hold(collector: Collector, project: Project, part: Part, digest: str | None, now: float) -> bool:
    """Whether a part holds while the sample stays the same; `digest` is that of its workflow's row, if that is known.

    Otherwise its question is asked, whatever the others say.
    """
    age = now - part.answered_at
    if collector.max_age:
        return digest is not None and part.basis == digest and 0 <= age < collector.holds(project)
    return collector.alternates and 0 <= age < project.staleness(collector.name)


def samples(collector: Collector, parts: Mapping[Question, Part]) -> list[Sample]:
    """What to ask of the parts of one branch that may hold. What is in no sample holds."""
    oldest = sorted(parts, key=lambda question: parts[question].answered_at)
    if collector.alternates:
        return [Sample(oldest, half(len(oldest)))] if oldest else []
    once = [question for question in oldest if parts[question].follow_ups in {CHANGED, FIRST_LOOK}]
    last: dict[str, list[Question]] = {}
    for question in oldest:
        if parts[question].follow_ups == LAST_LOOK:
            last.setdefault(question.workflow, []).append(question)
    found = [Sample(windows, half(len(windows))) for windows in last.values()]
    return [Sample(once, 1), *found] if once else found


def held(part: Part, now: float) -> Part:
    """The part after a poll that did not ask for it."""
    return Part(part.rows, now, part.answered_at, part.previous, part.basis, _NEXT.get(part.follow_ups, SETTLED))


def answered(old: Part | None, rows: bytes, now: float, digest: str | None, *, known: bool = True) -> Part:
    """The part that an answer makes of the one before; `known` says that earlier rows of the workflow were known."""
    previous = b"" if old is None else old.previous if old.rows == rows else old.rows
    if digest is None:
        return Part(rows, now, now, previous)
    if old is None or old.basis != digest:
        return Part(rows, now, now, previous, digest, CHANGED if known else NEW)
    return Part(rows, now, now, previous, digest, _NEXT.get(old.follow_ups, SETTLED))
