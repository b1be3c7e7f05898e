"""Moments at which something is done to an exporter. Each surely comes while things go on, however long it takes.

`event.arm(exporter, circle)` begins to wait for it, `event.has_come(...)` asks, and `event.over()` lets go what it
holds up, after whatever was to be done. `tests.campaigns.frame` does so; others `wait_until(event.has_come)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tests.running.altered import die

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from tests.campaigns.samples import Samples
    from tests.circleci import Circle, RemoteCircle
    from tests.running.altered import Place
    from tests.running.program import Exporter

DEEPEST = 40
"""A statement of a transaction that has many."""


class Event(Protocol):
    """One moment; `str` of it says which."""

    def arm(self, exporter: Exporter, circle: Circle | RemoteCircle) -> None:
        """Wait for it from now on."""

    def has_come(self, shown: Samples | None = None) -> bool:
        """Whether it has come; `shown` is what the newest scrape shows, if there was one."""

    def over(self) -> None:
        """What was to be done then has been done."""


@dataclass
class Asked:
    """CircleCI was asked, and answers nobody: the `after`-th matching request from now on waits until this is over."""

    match: str
    after: int = 0
    _fault: Any = field(default=None, init=False, repr=False)

    def arm(self, exporter: Exporter, circle: Circle | RemoteCircle) -> None:  # noqa: ARG002  others want it
        self._fault = circle.fail("hold", self.match, times=1, after=self.after)

    def has_come(self, shown: Samples | None = None) -> bool:  # noqa: ARG002  as above
        return bool(self._fault.hits)

    def over(self) -> None:
        self._fault.release()


@dataclass
class Commits:
    """The process has died by its own hand, at a place of its n-th transaction from now on.

    It has to be one that `tests.running.altered` made mortal, with `dies_of` its folder.
    """

    transaction: int = 1
    place: Place = "commit"
    _exporter: Any = field(default=None, init=False, repr=False)

    def arm(self, exporter: Exporter, circle: Circle | RemoteCircle) -> None:  # noqa: ARG002  others want it
        self._exporter = exporter
        die(dies_of(exporter.folder), self.transaction, self.place)

    def has_come(self, shown: Samples | None = None) -> bool:  # noqa: ARG002  as above
        return not self._exporter.lives and not dies_of(self._exporter.folder).exists()

    def over(self) -> None:
        """Nothing waits for it."""


@dataclass
class Shows:
    """A scrape has just shown what no scrape before it showed: that a counter rose, or a new one at 0."""

    families: tuple[str, ...] = ("circleci_",)
    _before: Samples | None = field(default=None, init=False, repr=False)

    def arm(self, exporter: Exporter, circle: Circle | RemoteCircle) -> None:  # noqa: ARG002  others want it
        self._before = None

    def has_come(self, shown: Samples | None = None) -> bool:
        if shown is None:
            return False
        before = self._before = shown if self._before is None else self._before
        return any(value > before.get(each, -1) for each, value in shown.items() if each[0].startswith(self.families))

    def over(self) -> None:
        """Nothing waits for it."""


def dies_of(folder: Path) -> Path:
    """Where an exporter that has this folder looks for when to die."""
    return folder / "dies"


def drawn(random: Random, match: str, *, after: int = 6, families: tuple[str, ...] = ("circleci_",)) -> Iterator[Event]:
    """Draw without end: every kind comes once before any comes again, in any order.

    `match` are questions that are asked again and again; the last of `after` of them is asked within some polls.
    """
    while True:
        round_of: list[Event] = [
            Asked(match, random.randrange(after)),
            Asked(match, random.randrange(after)),
            Commits(random.randint(1, 3), random.randint(1, DEEPEST)),
            Commits(random.randint(1, 3), "commit"),
            Commits(random.randint(1, 3), "committed"),
            Shows(families),
        ]
        random.shuffle(round_of)
        yield from round_of
