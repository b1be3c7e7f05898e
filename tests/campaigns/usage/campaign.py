"""Days of exports on a fast clock, with every trap, while the process is killed at random; what it counts is compared
with the truth.
"""

from __future__ import annotations

import gzip
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Self

from exporter.demo.messages import Reply, Wire, head, length, message
from tests.campaigns.usage.process import FastClock
from tests.campaigns.usage.world import World
from tests.running.starting import Process
from tests.usage.fake import SECRET, TOKEN, FakeUsageApi
from tests.usage.making import DAY, NOON

if TYPE_CHECKING:
    from exporter.demo.messages import Request

ROOT = Path(__file__).parents[3]
PART = 16 * 1024
HEAD_START = 8.0
"""Seconds for which the clock waits for the first process: on a busy machine that takes a day of the fast clock."""


def slow(wire: Wire, reply: Reply) -> bool:
    """Send a file in parts, so that a kill meets it in the middle."""
    wire.send(head(reply, length(len(reply.body))))
    for place in range(0, len(reply.body), PART):
        wire.send(reply.body[place : place + PART])
        if wire.stop.wait(0.01):
            return False
    return True


class Campaign:
    """`speed` is how many times as fast the clock runs; `inside` counts the kills in the middle of an export."""

    def __init__(self, folder: Path, *, seed: int, days: int, a_day: int, speed: float) -> None:
        self.start = NOON // DAY * DAY
        self.world = World(self.start - 3 * DAY, days, a_day, seed)
        self.clock = FastClock(time.time() + HEAD_START, self.start + 3600, speed)
        self.api = FakeUsageApi(self.clock.wall)
        self.api.files = lambda start, end: self.world.files(start, end, self.clock.wall())
        self.api.send, self.api.in_background = slow, True
        self.random = Random(seed)  # noqa: S311  no secret
        self.state, self.speed = folder / "state.db", speed
        self.shown: list[dict[str, float]] = []
        self.log = folder / "log"
        self.kills = self.inside = 0
        self._ends = 0.0
        self._process: Process[str] | None = None
        self._listener: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.api.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self.api.__exit__()

    def run(self, kills: int, *, timeout: float) -> None:
        """Let it read the first days, kill it so often, at least once while it reads, then let it read all days."""
        self._ends = time.monotonic() + timeout
        self._until(self.start - DAY)
        while self.kills < kills or not self.inside:
            self._trouble()
            served = len(self.api.served)
            patience = time.monotonic() + 1.5 * self.random.random()
            while self.kills % 2 and len(self.api.served) == served:  # every other time, while it reads
                self._watch(0.02)
            longest = 0.8 * 1.2 ** max(0, self.kills - kills)  # a slow machine has not yet begun to read by then
            self._watch(0.2 + longest * self.random.random() if self.kills % 2 else patience - time.monotonic())
            self._kill()
            self.kills += 1
            self.inside += self._reading()
        self.api.replies, self.api.states = [], []
        self._until(self.start + (self.world.days - 3 + 3) * DAY)
        self._kill()

    def _until(self, day: float) -> None:
        """Let it run until a day is read."""
        name = 'circleci_usage_day_timestamp_seconds{organization="gh/acme"}'
        while not self.shown or self.shown[-1].get(name, 0) < day:
            self._watch(0.1)

    def _watch(self, seconds: float) -> None:
        """Let it run for some seconds."""
        assert time.monotonic() < self._ends, (self.kills, self.api.windows[-1:], self.log.read_text()[-2000:])
        if self._process is None:
            self._begin()
        time.sleep(max(0.0, seconds))

    def secrets_left(self) -> list[str]:
        """Where the token, or the signature of a URL, was left behind."""
        found = {each.name: each.read_bytes() for each in self.state.parent.iterdir()}
        return [name for name, content in found.items() if SECRET.encode() in content or TOKEN.encode() in content]

    def _reading(self) -> bool:
        """Whether job runs are written that do not count yet."""
        with closing(sqlite3.connect(self.state)) as database:
            found = database.execute(
                "SELECT facts, (SELECT max(export) FROM usage_job) FROM usage_organization"
            ).fetchone()
        return found is not None and (found[1] or 0) > json.loads(found[0].partition("\n")[0])["exports"]

    def _trouble(self) -> None:
        """Let something go wrong with the next calls, now and then."""
        chance = self.random.random()
        file, look, start = "GET /files/", "GET /api/v2/organizations", "POST"
        troubles: list[tuple[str, Any]] = [
            (file, self._cut),
            (file, Reply(200, b"<html>log in</html>")),
            (file, Reply(403, b"<Error><Code>AccessDenied</Code></Error>")),
            (file, Reply(302, b"", (("Location", "https://example.com/"),))),
            (file, Reply(200, b"\x1f\x8b\x08\x00 damaged")),
            (look, message(500, "no")),
            (look, message(404, "Usage export not found.")),
            (look, message(429, "slow down").header("Retry-After", "900")),
            (start, message(503, "no")),
        ]
        if not self.api.replies and chance < 0.5:
            self.api.replies = [self.random.choice(troubles)]
        if not self.api.states:
            self.api.states = self.random.choice(([], [], ["processing"], ["created", "processing"], ["failed"]))

    def _cut(self, request: Request) -> Reply:
        """A file that is cut, at the end of a row or anywhere."""
        content = self.api.content_of(request)
        if self.random.random() < 0.5:
            return Reply(200, content[: self.random.randrange(len(content))])
        rows = gzip.decompress(content).splitlines(keepends=True)
        return Reply(200, gzip.compress(b"".join(rows[: len(rows) // 2]))[:-8])

    def _begin(self) -> None:
        arguments = [self.api.url, self.state, self.clock._real, self.clock._start, self.speed]
        with self.log.open("a") as log:
            self._process = process = Process(
                [sys.executable, "-m", "tests.campaigns.usage.process", *map(str, arguments)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        assert process.stdout.readline() == "{}\n", self.log.read_text()
        self._listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
        self._listener.start()

    def _listen(self, process: Process[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("}\n"):
                self.shown.append(json.loads(line))

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            if self._listener is not None:
                self._listener.join()
            if process.stdout is not None:
                process.stdout.close()
