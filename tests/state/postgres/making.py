"""Links, leases and databases for tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from exporter.state import versions
from exporter.state.postgres import dialect, schema
from exporter.state.postgres.database import Postgres
from exporter.state.postgres.lease_table import Acquired, Hold, LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.telemetry import Telemetry
from tests.running.waiting import PATIENCE, wait_until
from tests.state.making import SERVER, Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.running.postgres import Address

PLACE = Place(SERVER, 0, 1)
LEASE = 600.0
"""Seconds: a test ends it by hand, and none takes so long."""


class Clock:
    """A clock that a test moves. It counts who looks at it."""

    def __init__(self) -> None:
        self.now, self.looks = 100.0, 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now

    def wait_for_looks(self, number: int) -> None:
        """Wait until it was looked at so often from now on, and what came of all but the last has come."""
        first = self.looks
        wait_until(lambda: self.looks > first + number, why="looks at the clock")


@contextmanager
def linked(database: Address) -> Iterator[Link]:
    """A link to a database that has its tables."""
    link = Link(database.login(), PATIENCE)
    try:
        schema.make(link)
        yield link
    finally:
        link.close()


def end_lease(database: Address) -> None:
    """Let every lease end now."""
    database.run("UPDATE lease SET until = lease_now() - 1")


def waits_for_lock(database: Address) -> bool:
    """Whether somebody waits for what another has locked."""
    return bool(database.run("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


def take_over(database: Address) -> Hold:
    """Let another have the lease from this moment on."""
    [(*place, epoch)] = database.run(
        "UPDATE lease SET holder = 'another', epoch = epoch + 1, until = lease_now() + %s"
        " RETURNING server, shard, total, epoch",
        [LEASE],
    )
    return Hold(Place(*place), "another", epoch)


def back_to_first(database: Address) -> None:
    """Make the tables those of version 1."""
    for column in ("commits", "begun", "begun_epoch", "lacking"):
        database.run(f"ALTER TABLE lease DROP COLUMN {column}")
    database.run("ALTER TABLE circleci_exporter_schema DROP COLUMN written")
    for table in ("job", "usage_job"):
        database.run(f"ALTER TABLE {table} DROP COLUMN due")
    for statement in versions.SUMS:
        database.run(dialect.table(statement))
    for before, now in (("counter", "cell"), ("usage_cell", "organization_cell")):
        database.run(f"ALTER TABLE {now} RENAME TO {before}")
        database.run(f"ALTER INDEX {now}_pkey RENAME TO {before}_pkey")
    database.run("UPDATE circleci_exporter_schema SET version = 1")


def hold(link: Link, holder: str = "one", place: Place = PLACE) -> Hold:
    """Take a lease."""
    acquired = LeaseTable(link, LEASE).acquire(place, holder)
    assert acquired is not None
    return acquired.hold


def made(link: Link, held: Hold, leads: Callable[[], bool] = lambda: True, lease: float = LEASE) -> Postgres:
    """The database as the tables see it."""
    log: Any = Log()
    [(commits, lacking)] = link.run("SELECT commits, lacking FROM lease ORDER BY until DESC LIMIT 1")[0]
    acquired = Acquired(held, 0.0, None, commits, lacking)
    return Postgres(link, acquired, Telemetry("1", []), log, lease=lease, leads=leads)
