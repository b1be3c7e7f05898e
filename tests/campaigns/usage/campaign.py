"""Days of exports with every trap, while the process is killed at events; what it counts is compared with the truth."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Self

from exporter.demo.messages import Reply, Wire, head, length, message
from exporter.demo.organization import Organization
from tests.campaigns.events import dies_of
from tests.campaigns.usage.process import AT_ZERO, RISEN, SharedClock
from tests.campaigns.usage.world import World
from tests.circleci import Circle
from tests.circleci.usage import FILE, LOOK, START
from tests.running.altered import altered, die
from tests.running.starting import Process
from tests.usage.making import DAY, NOON

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
HOUR = 3600.0
COMMIT, SHOWN = "commit", "shown"
DEATHS: tuple[tuple[str, Any], ...] = (
    *((what, 0.0) for what in (START, LOOK)),
    *((f"/part-{part}", share) for part in range(3) for share in (0.0, 0.5, 0.9)),
    *((COMMIT, place) for place in (1, 2, "commit", "commit", "committed", "committed")),
    *((SHOWN, what) for what in (AT_ZERO, RISEN)),
)
"""What a process dies of: a question, of whose answer it had this share; a place of a transaction; what it shows."""
TRANSACTIONS = 10
"""About so many has an export."""
LIFE = 240.0
"""Seconds in which a process has come to its end on the busiest machine."""


class Campaign:
    """`deaths` are what the process died of; `inside` counts those in the middle of an export."""

    def __init__(self, folder: Path, *, seed: int, days: int, a_day: int) -> None:
        self.folder, self.start = folder, NOON // DAY * DAY
        self.world = World(self.start - 3 * DAY, days, a_day, seed)
        self.circle = Circle(Organization(clock=SharedClock(folder / "clock", self.start + HOUR), quiet=True))
        self.circle.usage.contents = lambda start, end: self.world.files(start, end, self.circle.clock.now())
        self.random = Random(seed)  # noqa: S311  no secret
        self.deaths: list[tuple[str, Any]] = []
        self.inside = 0
        self._process: Process[str] | None = None

    def __enter__(self) -> Self:
        self.circle.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.circle.stop()

    def run(self, deaths: int) -> None:
        """Let it read the first days, die so often, and read all days."""
        self._live(self.start - DAY)
        drawn: list[tuple[str, Any]] = []
        while len(self.deaths) < deaths:
            drawn = drawn or self.random.sample(DEATHS, len(DEATHS))
            self._trouble()
            what, how = drawn.pop()
            if what == COMMIT:
                die(dies_of(self.folder), self.random.randint(1, TRANSACTIONS), how)
            elif what != SHOWN:
                self.circle.next_answers(what, partial(_sent, partial(self._fatal, how)))
            assert self._live(self._end, how if what == SHOWN else ""), f"all is read, and nobody died of {what}"
            self.deaths.append((what, how))
            self.inside += self._reading()
            self.circle.clock.advance(self.random.choice((0, 0, 60, 3 * HOUR, 9 * HOUR)))
            self.circle.heal()
        self.circle.usage.states = []
        assert not self._live(self._end)

    @property
    def shown(self) -> list[dict[str, float]]:
        """What was shown, by all processes."""
        return [json.loads(line) for line in (self.folder / "shown").read_text().splitlines()]

    @property
    def _end(self) -> float:
        return self.start + (self.world.days - 3 + 3) * DAY

    def _live(self, goal: float, dies: str = "") -> bool:
        """Run a process until it has read a day, or is dead; returns whether it is."""
        given = (self.folder, self.circle.url, self.circle.token, goal, dies)
        with (self.folder / "log").open("a") as log:
            self._process = process = Process(
                [sys.executable, "-m", "tests.campaigns.usage.process", *map(str, given)],
                cwd=ROOT,
                env={**os.environ, **altered(dies=dies_of(self.folder))},
                stderr=log,
                text=True,
            )
        code = process.wait(LIFE)
        assert code in {0, -signal.SIGKILL}, (self.folder / "log").read_text()[-2000:]
        return code != 0

    def _fatal(self, share: float, wire: Wire, reply: Reply) -> bool:
        """Send a share of an answer, for whose rest the process waits when it is killed."""
        if share:
            wire.send(head(reply, length(len(reply.body))) + reply.body[: int(share * len(reply.body))])
        assert self._process is not None
        self._process.kill()
        return False

    def _trouble(self) -> None:
        """Let something go wrong with the next calls, now and then."""
        circle, random = self.circle, self.random
        troubles: list[tuple[str, Reply | Callable[[Reply], Reply]]] = [
            (FILE, self._cut),
            (FILE, Reply(200, b"<html>log in</html>")),
            (FILE, Reply(403, b"<Error><Code>AccessDenied</Code></Error>")),
            (FILE, Reply(302, b"", (("Location", "https://example.com/"),))),
            (FILE, Reply(200, b"\x1f\x8b\x08\x00 damaged")),
            (LOOK, message(500, "no")),
            (LOOK, message(404, "Usage export not found.")),
            (LOOK, message(429, "slow down").header("Retry-After", "900")),
            (START, message(503, "no")),
        ]
        if random.random() < 0.5:
            circle.next_answers(*random.choice(troubles))
        circle.usage.states = [*random.choice(([], [], ["processing"], ["created", "processing"], ["failed"]))]

    def _cut(self, reply: Reply) -> Reply:
        """A file that is cut, at the end of a row or anywhere."""
        if self.random.random() < 0.5:
            return replace(reply, body=reply.body[: self.random.randrange(len(reply.body))])
        rows = gzip.decompress(reply.body).splitlines(keepends=True)
        return replace(reply, body=gzip.compress(b"".join(rows[: len(rows) // 2]))[:-8])

    def _reading(self) -> bool:
        """Whether job runs are written that do not count yet."""
        with closing(sqlite3.connect(self.folder / "state.db")) as database:
            found = database.execute(
                "SELECT facts, (SELECT max(export) FROM usage_job) FROM usage_organization"
            ).fetchone()
        return found is not None and (found[1] or 0) > json.loads(found[0].partition("\n")[0])["exports"]

    def secrets_left(self) -> list[str]:
        """Where the token, or the signature of a URL, was left behind."""
        secrets = [each.encode() for each in (self.circle.token, *self.circle.usage.signatures)]
        found = {each.name: each.read_bytes() for each in self.folder.iterdir()}
        return [name for name, content in found.items() if any(secret in content for secret in secrets)]


def _sent(send: Callable[[Wire, Reply], bool], reply: Reply) -> Reply:
    return replace(reply, send=send)
