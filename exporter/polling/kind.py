"""What the schedule must know about a kind of poll, made beside the class of its polls, and what all polls share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from exporter.config import Project
from exporter.counting.pipeline_book import PipelineBook
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Attempt, Attempts
from exporter.polling.failure_log import FailureLog
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore


class Means(NamedTuple):
    """What every poll of a process works with."""

    attempts: Attempts
    store: SnapshotStore
    state: StateStore
    failures: FailureLog


class Poll(Protocol):
    """A poll under way."""

    def step(self) -> bool:
        """Do a part of the work; returns whether there is more."""


class Begin(Protocol):
    """Starts a poll."""

    def __call__(self, slug: str, *, missing_only: bool = False) -> Poll | None:
        """Ask everything, or what has no answer yet; None when there is no such project, or nothing to ask."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of poll of a project.

    `collector` is the one that its failures count for. `interval` gives the seconds from one poll to the next,
    `due` the time of the next poll in Unix seconds (None if there was none yet), `lacks` whether a question has
    no answer yet.
    """

    collector: str
    begin: Begin
    interval: Callable[[Snapshot], float]
    due: Callable[[Snapshot], float | None]
    lacks: Callable[[Snapshot], bool]


@dataclass(slots=True)
class Step:
    """What the tasks of a poll for pipelines add to: each step has another attempt and another book.

    `set_aside` has the pipelines that this step has set aside, and why. `insights` is how reading from Insights
    went, where something was read.
    """

    attempt: Attempt
    project: Project
    book: PipelineBook
    set_aside: dict[str, str] = field(default_factory=dict)
    insights: Attempt | None = None
