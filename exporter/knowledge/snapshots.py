"""What is known about a project at one moment, as immutable facts, never as text of metrics.

A snapshot consists of parts, one per question. `packing` has the form of a part's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from exporter.config import Project
from exporter.counting.ledger import Ledger
from exporter.insights.questions import Question
from exporter.runs.live import Live

NO_PARTS: Mapping[Question, Part] = MappingProxyType({})
NO_OUTCOMES: Mapping[str, Outcome] = MappingProxyType({})
NO_DROPS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """What `GET /project/{slug}` and `GET /insights/{slug}/branches` say. Times are Unix seconds.

    `id` is the project's UUID, empty where it was not named.
    """

    default_branch: str
    project_name: str
    organization: str
    provider: str
    asked_at: float
    branches: tuple[str, ...] = ()
    branches_asked_at: float = 0.0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one question. Times are Unix seconds.

    `checked_at` is when it was last known to be CircleCI's current answer, `answered_at` when CircleCI
    last gave it, `previous` the packed rows before those, where they differed. `basis` is a digest of
    the workflow's row for which jobs were asked, `follow_ups` how often they are asked again after a change.
    """

    rows: bytes
    checked_at: float
    answered_at: float
    previous: bytes = b""
    basis: str = ""
    follow_ups: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the newest poll of one collector went; `error` is the first failure in words, or nothing.

    `absent_since` is when CircleCI first did not know the project, as far as this collector tells.
    """

    success: bool
    duration: float
    finished_at: float
    last_success: float | None = None
    error: str = ""
    reason: str = ""
    absent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known about one project, with the settings with which it is polled and shown.

    `dropped` are the series left out so far by reason, `beside` those that are shown and are no counters'.
    """

    project: Project
    facts: Facts | None = None
    parts: Mapping[Question, Part] = field(default_factory=lambda: NO_PARTS)
    outcomes: Mapping[str, Outcome] = field(default_factory=lambda: NO_OUTCOMES)
    dropped: Mapping[str, int] = field(default_factory=lambda: NO_DROPS)
    beside: int = 0
    polled_at: float | None = None
    ledger: Ledger | None = None
    live: Live | None = None

    def fresh(self, now: float) -> Iterator[tuple[Question, Part, float]]:
        """The parts that are young enough to be shown, each with the time at which it no longer is, in Unix seconds."""
        ages = {name: self.project.staleness(name) for name in {question.collector for question in self.parts}}
        for question, part in self.parts.items():
            expires_at = part.checked_at + ages[question.collector]
            if now < expires_at:
                yield question, part, expires_at


def kept(snapshot: Snapshot, wanted: Callable[[Question], bool]) -> tuple[Snapshot, list[Question]]:
    """The snapshot with the parts that are wanted, and the questions that went."""
    gone = [question for question in snapshot.parts if not wanted(question)]
    if gone:
        without = set(gone)
        parts = {question: part for question, part in snapshot.parts.items() if question not in without}
        snapshot = replace(snapshot, parts=parts)
    return snapshot, gone
