"""What the schedule must know of a kind of poll: one value for each, made beside the class of its polls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.knowledge.snapshots import Snapshot


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

    `collector` stands for it in counts. `interval` gives the seconds from one poll to the next, `due` when the
    next is due by the newest one in Unix seconds (None when there was none), `lacks` whether something is
    asked that has no answer yet.
    """

    collector: str
    begin: Begin
    interval: Callable[[Snapshot], float]
    due: Callable[[Snapshot], float | None]
    lacks: Callable[[Snapshot], bool]
