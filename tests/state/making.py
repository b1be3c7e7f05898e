"""States in files, and what is logged of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from exporter.knowledge.snapshots import Outcome, Part, Snapshot
from exporter.state import StateStore
from exporter.telemetry import Telemetry
from tests.samples import FACTS, NOW, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.insights.questions import Question
    from exporter.runs import Ledger

SERVER = "https://circleci.com/api/v2"
NOBODY = 65534
OUTCOMES = {"workflows": Outcome(success=True, duration=0.5, finished_at=NOW, last_success=NOW)}


class Log:
    """Keeps what is logged, as (level, event, fields)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.events.append(("info", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.events.append(("error", event, fields))

    def told(self) -> list[str]:
        return [event for _, event, _ in self.events]


class Opened:
    """A state, and what it said of itself."""

    def __init__(self, path: Path | None, server: str = SERVER) -> None:
        self.now = NOW
        self.log, self.telemetry = Log(), Telemetry("1", [])
        self.state = StateStore.open(path, server, self.telemetry, self.log, wall=lambda: self.now)  # type: ignore[arg-type]

    def metric(self, name: str) -> float | None:
        return self.telemetry.registry.get_sample_value(f"circleci_exporter_{name}")

    def fill(self) -> None:
        """Make the disk full."""
        (pages,) = self.state._connection.execute("PRAGMA page_count").fetchone()
        self.state._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    def make_room(self) -> None:
        """Let the disk have room again."""
        self.state._connection.execute("PRAGMA max_page_count = 1000000").fetchone()


@contextmanager
def opened(path: Path | None, server: str = SERVER) -> Iterator[Opened]:
    found = Opened(path, server)
    try:
        yield found
    finally:
        found.state.close()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Have no rights on files but what their modes give, for root too."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def known(
    *questions: Question, rows: bytes = b"rows", ledger: Ledger | None = None, slug: str = "gh/acme/web"
) -> Snapshot:
    """A snapshot with a part for each question."""
    parts = {question: Part(rows, NOW, NOW - 1, b"before", "basis", 2) for question in questions}
    return Snapshot(project(slug=slug), FACTS, parts, OUTCOMES, polled_at=NOW, ledger=ledger)
