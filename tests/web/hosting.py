"""A server in a process of its own, with a large exposition and a large page, for tests of its time and memory.

python -m tests.web.hosting [WEB_CONFIG_FILE]

It prints its address, runs until its standard input ends, then prints what it counted as JSON. It logs to stderr.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import structlog

from exporter.config import Secret
from exporter.web.server import WebServer
from exporter.web.webhooks import Hint, Webhooks
from tests.web.published import Published, overview, project, workflow

# About what 60,000 samples take, in pieces as large as one part of a project's snapshot.
TEXT_BYTES = 10_000_000
GZIP_BYTES = 1_000_000
_PIECE = 10_000


def published() -> Published:
    chance = random.Random(1)  # noqa: S311  any bytes will do
    view = overview(
        [project(f"acme/{number:04}") for number in range(5000)],
        [workflow(f"acme/{number % 5000:04}", f"build {number}", chance.random()) for number in range(25_000)],
    )

    def slow_reload() -> tuple[bool, str]:
        time.sleep(0.5)
        return True, "done"

    return Published(
        text=[b"x" * (_PIECE - 1) + b"\n" for _ in range(TEXT_BYTES // _PIECE)],
        gzipped=[chance.randbytes(_PIECE) for _ in range(GZIP_BYTES // _PIECE)],
        view=view,
        on_reload=slow_reload,
    )


class Inbox:
    """Takes every hint, and keeps none."""

    def knows(self, hint: Hint) -> bool:
        return bool(hint)

    def accept(self, hint: Hint) -> bool:
        return bool(hint)


def main(arguments: list[str]) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    server = WebServer(
        published(),
        addresses=["127.0.0.1:0"],
        telemetry_path="/metrics",
        web_config=Path(arguments[0]) if arguments else None,
        log=structlog.get_logger(),
        webhooks=Webhooks(Inbox(), lambda: [Secret("of nobody in the crowd")], lambda *_: None),
    )
    [address] = server.bind()
    server.start()
    print(address, flush=True)  # noqa: T201
    sys.stdin.read()
    server.stop()
    print(json.dumps(server.incidents.counts))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
