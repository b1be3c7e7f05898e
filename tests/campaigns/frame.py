"""What every campaign does: things happen, the exporter is killed at events, and at last it shows the truth."""

from __future__ import annotations

import threading
import time
from http.client import HTTPException
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tests.campaigns.events import Commits, dies_of, drawn
from tests.campaigns.reader import Reader
from tests.campaigns.samples import Samples, differences, of, taken_apart
from tests.running.altered import altered
from tests.running.ports import free_port
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.campaigns.events import Event
    from tests.circleci import RemoteCircle

TOKEN = "CCIPAT_exactly-once_must-be-seen-nowhere"
EVERY = 0.05
"""Seconds between two looks. Nothing hangs on it."""


class EndedError(Exception):
    """The process ended though nobody killed it."""


class Campaign:
    """A world says what is between these lines; see `tests.campaigns` for how."""

    # ---- the world

    counters: tuple[str, ...]
    """How the families begin that only grow."""
    asked: str
    """Questions that are asked again and again."""
    held = 1.0
    """Seconds for which a new series is shown at 0: the interval of its polls."""
    patience = PATIENCE
    """Seconds without getting nearer to the truth after which it is missed, however busy the machine is."""
    environ: dict[str, str] = {}  # noqa: RUF012  a world has its own

    def begin(self) -> None:
        """Make `circle`, and what there is before the first look; nothing may happen before `begun`."""
        raise NotImplementedError

    def begun(self) -> None:
        """Wait until the first look is over."""
        raise NotImplementedError

    def configuration(self) -> str:
        """The configuration of the exporter."""
        raise NotImplementedError

    def some(self) -> None:
        """Let something happen; it is called again and again, in a thread of its own."""
        raise NotImplementedError

    def let_it_fail(self) -> None:
        """Let some of CircleCI's next answers fail."""
        raise NotImplementedError

    def let_all_end(self) -> None:
        """Let all that goes on come to its end."""
        raise NotImplementedError

    def differences(self, shown: Samples) -> list[str]:
        """Where a scrape is not the truth, for a person to read."""
        return differences(of(shown, self.counters), self.truth())

    def truth(self) -> Samples:
        """What is counted of all that happened, as an exact exporter shows it."""
        raise NotImplementedError

    def swept_again(self) -> None:
        """Wait until CircleCI was asked once more about everything, and what it said is shown."""
        raise NotImplementedError

    # ---- life

    circle: RemoteCircle
    exporter: Exporter

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.random = Random(seed)  # noqa: S311  nothing secret hangs on it
        self.address = f"127.0.0.1:{free_port()}"
        self.reader = Reader(self.held - 0.05)  # two clocks may differ
        self.kills = self.faults = 0
        self.died: dict[str, int] = {}
        """How often it was killed at each kind of event."""
        self._over = threading.Event()
        self._producing: threading.Thread | None = None
        self._trouble: BaseException | None = None

    def __enter__(self) -> Self:
        try:
            self.begin()
            self.exporter = self.start()
            self.begun()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._producing is not None:
            self._producing.join(PATIENCE)
        if hasattr(self, "exporter"):
            self.exporter.end()
        if hasattr(self, "circle"):
            self.circle.stop()

    def started(self) -> Exporter:
        """Start the exporter on the state that there is, without waiting for it."""
        environ = altered(dies=dies_of(self.folder)) | self.environ
        return Exporter(self.folder, self.configuration(), token=TOKEN, environ=environ, address=self.address)

    def start(self) -> Exporter:
        """Start it, and wait until it serves."""
        exporter = self.started()
        exporter.wait_for_start()
        return exporter

    # ---- what happens

    def produce(self, every: float) -> None:
        """Let things happen every so many seconds, until `end`."""

        def produce() -> None:
            try:
                while not self._over.wait(every):
                    self.some()
            except BaseException as trouble:
                self._trouble = trouble
                raise

        self._producing = threading.Thread(target=produce, daemon=True)
        self._producing.start()

    def look(self) -> Samples:
        """Scrape once; the reader sees it."""
        began = time.monotonic()
        shown = taken_apart(self.exporter.scrape().values)
        self.reader.see(of(shown, self.counters), began, time.monotonic())
        return shown

    def until(self, true: Callable[[Samples], object], why: str) -> None:
        """Look until something is true of what is shown."""
        wait_until(lambda: true(self.look()), interval=EVERY, why=why)

    def wait_for(self, event: Event) -> None:
        """Look until an event has come."""
        event.arm(self.exporter, self.circle)
        mortal = isinstance(event, Commits)

        def has_come() -> bool:
            shown = None
            try:
                shown = self.look()
            except (OSError, HTTPException):
                if not mortal and not self.exporter.lives:
                    raise EndedError(self.exporter.log[-2000:]) from None
            return event.has_come(shown)

        wait_until(has_come, interval=EVERY, why=str(event))

    def kill_at(self, event: Event) -> None:
        """Kill the exporter when an event has come, and start it again; its first scrape shows no less."""
        self.wait_for(event)
        self.exporter.kill()
        event.over()
        self.exporter = self.start()
        self.look()
        self.kills += 1
        kind = type(event).__name__
        self.died[kind] = self.died.get(kind, 0) + 1

    def kill_as_it_starts(self) -> None:
        """Kill it, and then the next one as it opens the state: it may die at any time."""
        self.exporter.kill()
        Commits(1, self.random.choice((1, 2, "commit", "committed"))).arm(self.exporter, self.circle)
        stillborn = self.started()
        assert stillborn.process.wait(PATIENCE) < 0, stillborn.log
        self.exporter = self.start()
        self.look()
        self.kills += 2

    def kill_often(self, times: int) -> None:
        """Kill it so many times, at events that are drawn, while answers fail."""
        events = self.events()
        for number in range(times):
            self.let_it_fail()
            self.faults += 1
            if number % 7 == 4:
                self.kill_as_it_starts()
            else:
                self.kill_at(next(events))

    def events(self) -> Iterator[Event]:
        """At what it is killed."""
        return drawn(self.random, self.asked, families=self.counters)

    # ---- how it ends

    def halt(self) -> None:
        """Nothing more begins."""
        self._over.set()
        if self._producing is not None:
            self._producing.join(PATIENCE)
        assert self._trouble is None

    def end(self) -> None:
        """Nothing more begins or fails, all that is under way ends; then the truth is shown, and stays."""
        self.halt()
        self.circle.heal()
        self.let_all_end()
        self.settle()
        self.swept_again()
        assert self.differences(self.look()) == []
        assert self.reader.troubles == []

    def summary(self) -> str:
        """What happened, for a person."""
        died = ", ".join(f"{number} as {kind}" for kind, number in sorted(self.died.items()))
        return f"seed {self.seed}, kills {self.kills} ({died}), faults {self.faults}, scrapes {self.reader.scrapes}"

    def settle(self) -> None:
        """Wait until all that is shown is the truth, for as long as it gets nearer: the machine may be busy."""
        fewest, nearer = -1, time.monotonic()
        while True:
            began = time.monotonic()
            found = self.differences(self.look())
            if not found:
                return
            if fewest < 0 or len(found) < fewest:
                fewest, nearer = len(found), time.monotonic()
            assert time.monotonic() - nearer < self.patience, "no nearer to the truth:\n" + "\n".join(found[:20])
            time.sleep(max(time.monotonic() - began, EVERY))  # comparing takes no more than half of the time

    def ask_again(self, been: Callable[[list[dict[str, Any]]], object], why: str) -> None:
        """Wait until what CircleCI is asked from now on is enough; the reader sees all that is shown meanwhile."""
        before = len(self.circle.requests())

        def enough() -> object:
            self.look()
            return been(self.circle.requests(before))

        wait_until(enough, interval=0.2, why=why)
