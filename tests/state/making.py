"""States in files, and what is logged of them."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from exporter.counting.book import Changes
from exporter.counting.cells import Cell, Cells, Distribution, Exemplar, Key
from exporter.counting.ledger import BranchFacts, Ledger, Newest, WorkflowLedger
from exporter.formats.deflate import packed
from exporter.knowledge.snapshots import Outcome, Part, Snapshot
from exporter.runs.live import Live, WatchedPipeline, WatchedRun
from exporter.state import StateStore
from exporter.state.postgres import lease_table, schema
from exporter.state.postgres.database import Postgres
from exporter.state.postgres.link import Link
from exporter.telemetry import Telemetry
from tests.knowledge.samples import FACTS, NOW, project
from tests.running.postgres import Address
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from exporter.insights.questions import Question

    Place = Path | Address


LARGE = ("part", "workflow", "project", "pipeline", "organization_cell")
FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF octet_length(NEW::text) > 20000 THEN
        RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NEW;
END $$"""
ASK = "FOR EACH ROW EXECUTE FUNCTION full_disk()"
SERVER = "https://circleci.com/api/v2"
NOBODY = 65534
OUTCOMES = {"workflows": Outcome(success=True, duration=0.5, finished_at=NOW, last_success=NOW)}


class Log:
    """Keeps what is logged, as (level, event, fields)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.events.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.events.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.events.append(("error", event, fields))

    def told(self) -> list[str]:
        return [event for _, event, _ in self.events]


class Opened:
    """A state, and what it said of itself."""

    def __init__(self, path: Place | None, server: str = SERVER) -> None:
        self.now = NOW
        self.log, self.telemetry = Log(), Telemetry("1", [])
        self._place, self._leases, self._hold = path, None, None
        if isinstance(path, Address):
            self._leases = lease_table.LeaseTable(Link(path.login(), PATIENCE), 600.0)
            schema.make(self._leases.link)
            acquired = self._leases.acquire(lease_table.Place(server, 0, 1), "tests")
            assert acquired is not None, "another state is open"
            assert schema.migrate(self._leases.link, lease_table.fence(self._leases.link, acquired.hold))
            begun = self._leases.begin(acquired, 0)
            assert begun is not None
            self._hold = acquired.hold
            link = Link(path.login(), PATIENCE)
            log: Any = self.log
            database = Postgres(link, begun, self.telemetry, log, lease=600.0, leads=lambda: True)
            self.state = StateStore(database, server, self.telemetry, log, wall=lambda: self.now)
        else:
            self.state = StateStore.open(path, server, self.telemetry, self.log, wall=lambda: self.now)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """What it calls itself."""
        return self.state._database.name

    def metric(self, name: str) -> float | None:
        return self.telemetry.registry.get_sample_value(f"circleci_exporter_{name}")

    def fill(self) -> None:
        """Make the disk full: there is no room for what is large."""
        if isinstance(self._place, Address):
            for statement in (
                FULL,
                *(f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {name} {ASK}" for name in LARGE),
            ):
                self._place.run(statement)
            return
        [(pages,)] = self.state._connection.execute("PRAGMA page_count")
        list(self.state._connection.execute(f"PRAGMA max_page_count = {pages}"))

    def make_room(self) -> None:
        """Let the disk have room again."""
        if isinstance(self._place, Address):
            self._place.run("DROP FUNCTION full_disk CASCADE")
            return
        list(self.state._connection.execute("PRAGMA max_page_count = 1000000"))

    def close(self) -> None:
        """Let go of it, for the next one."""
        self.state.close()
        if self._leases is not None and self._hold is not None:
            self._leases.release(self._hold)
            self._leases.link.close()
            if isinstance(self._place, Address):
                self._place.run("DROP FUNCTION IF EXISTS full_disk CASCADE")


@contextmanager
def opened(path: Place | None, server: str = SERVER) -> Iterator[Opened]:
    found = Opened(path, server)
    try:
        yield found
    finally:
        found.close()


def change(path: Place, statement: str, *values: object) -> bool:
    """Change what is stored, as damage would; False where the database does not let that be stored."""
    if isinstance(path, Address):
        if b"\xff" in values:
            return False  # no column of text holds it
        try:
            path.run(statement.replace("%", "%%").replace("?", "%s"), values)
        except (psycopg.DataError, psycopg.ProgrammingError, UnicodeError):
            return False
        return True
    with closing(sqlite3.connect(path)) as file, file:
        file.text_factory = bytes
        assert file.execute(statement, values).rowcount
    return True


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


def rows_of(text: str) -> bytes:
    """Packed rows that differ from others by a text; random text makes them large."""
    return packed(json.dumps({text: {}}).encode())


ROWS, BEFORE = rows_of("rows"), rows_of("before")


def damaged(found: Opened) -> dict[str, float]:
    """What was counted, by kind."""
    return {
        sample.labels["kind"]: sample.value
        for family in found.telemetry.registry.collect()
        if family.name == "circleci_exporter_state_damaged_records"
        for sample in family.samples
        if sample.value
    }


def known(
    *questions: Question, rows: bytes = ROWS, ledger: Ledger | None = None, slug: str = "gh/acme/web"
) -> Snapshot:
    """A snapshot with a part for each question."""
    parts = {question: Part(rows, NOW, NOW - 1, BEFORE, "basis", 2) for question in questions}
    return Snapshot(project(slug=slug), FACTS, parts, OUTCOMES, polled_at=NOW, ledger=ledger)


BOUNDS = (60.0, 600.0)
RUNS = Key("circleci_job_runs_total", ("main", "größe 🚀", "success", "build"))
DURATION = Key("circleci_job_run_duration_seconds", ("main", "lint", "build"))
HISTOGRAM = Distribution(BOUNDS, (1, 0, 0), 1.5, (Exemplar("9e4e1b2c", 1.5, NOW), None, None))
CELLS = {
    RUNS: Cell(3, NOW - 90, NOW - 10, hidden=True),
    DURATION: Cell(HISTOGRAM, NOW - 90, NOW - 10, held=HISTOGRAM),
    Key("circleci_job_run_wait_seconds", ("main", "lint", "build")): Cell(
        Distribution((5.0,), (0, 0)), NOW - 90, NOW - 90
    ),
    Key("circleci_workflow_runs_total", ("main", "success", "build")): Cell(3, NOW - 90, NOW - 10),
    Key("circleci_workflow_runs_total", ("main", "failed", "build")): Cell(0, NOW - 90, NOW - 10, held=1),
    Key("circleci_workflow_run_duration_seconds", ("main", "build")): Cell(
        Distribution(BOUNDS, (1, 2, 0), 61.5), NOW - 90, NOW - 10
    ),
    Key("circleci_workflow_run_credits_total", ("main", "build")): Cell(7, NOW - 90, NOW - 10, held=2.5),
}


def _ledger() -> Ledger:
    newest = Newest(NOW, int(NOW), -5, 30)
    branch = BranchFacts(int(NOW), last=newest, verdict=Newest(NOW, int(NOW), -5, 1))
    workflow = WorkflowLedger(int(NOW) - 9, int(NOW) - 8, polled_at=NOW, swept_at=NOW, branches={"main": branch})
    return Ledger(int(NOW) - 9, NOW, {"build": workflow, "deploy": workflow}, ("lost",), cells=Cells.of(CELLS))


NOW_LEDGER = _ledger()
"""What was counted of two workflows, and of jobs, by NOW."""


def whole(ledger: Ledger = NOW_LEDGER, **runs: Iterable[int]) -> Changes:
    """All of a ledger, to be written; with the keys of runs that are remembered, by workflow."""
    kept = {name: {key: (int(NOW) + key % 100, True) for key in keys} for name, keys in runs.items()}
    return Changes(whole=True, runs=kept, cells=dict(ledger.cells.values))


RUNNING = WatchedRun("9e4e1b2c-0000-4000-8000-000000000001", "build", "running", NOW - 60, jobs=(("running", 2),))
WATCHED = WatchedPipeline("p1", NOW - 60, "created", "webhook", "main", looked_at=NOW - 5, runs=(RUNNING,))
OTHER = WatchedPipeline("p2", NOW - 600, "created", tag="v1", number=7, counted=True, settled_at=NOW - 30, revisits=2)
LIVE = Live(
    NOW - 900,
    fresh=False,
    listed_at=NOW - 1,
    newest_at=NOW - 60,
    floor=NOW - 5000,
    pipelines={each.id: each for each in (WATCHED, OTHER)},
)
"""What is known of two pipelines, one of them under way."""
