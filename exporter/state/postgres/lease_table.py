"""Which replica leads which shard: a row for each, with its end on the database's clock.

Each function is one round trip, and none waits for long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from exporter.state.postgres.link import Link, Rows

SCHEMA: Final = (
    """CREATE FUNCTION lease_now() RETURNS DOUBLE PRECISION LANGUAGE sql
        AS 'SELECT extract(epoch FROM clock_timestamp())::DOUBLE PRECISION'""",
    """CREATE TABLE lease (
        server TEXT NOT NULL,
        shard BIGINT NOT NULL,
        total BIGINT NOT NULL,
        holder TEXT NOT NULL,
        epoch BIGINT NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        paused_until DOUBLE PRECISION,
        PRIMARY KEY (server, shard, total))""",
)
TAKING: Final = 0x43494558_0001
"""The advisory lock of whoever takes a lease: of two numbers of shards only one may."""
_LOOK: Final = "SELECT lease_now(), shard, total, until FROM lease RIGHT JOIN (SELECT 1) AS always ON server = ?"
# A commit under a lease that has ended may be under way: what it holds can be taken once it is over. What has ended by
# now(), when the transaction began, was waited for; what ends later is not taken.
_WAIT: Final = """SELECT 1 FROM lease
    WHERE server = ? AND (shard = ? OR total <> ?) AND until <= lease_now() FOR UPDATE"""
# Leaders of another number of shards that have fallen silent: what they still send is refused.
_FENCE_OFF: Final = """UPDATE lease SET epoch = epoch + 1, holder = ''
    WHERE server = ? AND total <> ? AND until <= extract(epoch FROM now())"""
_TAKE: Final = """INSERT INTO lease (server, shard, total, holder, epoch, until)
    SELECT ?, ?, ?, ?, 1, lease_now() + ?
    WHERE NOT EXISTS (SELECT FROM lease WHERE server = ? AND total <> ? AND until > extract(epoch FROM now()))
    ON CONFLICT (server, shard, total)
    DO UPDATE SET holder = excluded.holder, epoch = lease.epoch + 1, until = excluded.until
    WHERE lease.until <= extract(epoch FROM now())
    RETURNING epoch, lease_now(),
    (SELECT max(paused_until) FROM lease WHERE server = ? AND (shard = ? AND total = ? OR total <> ?))"""
_RENEW: Final = """UPDATE lease SET until = lease_now() + ?, paused_until = ?
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? AND until > lease_now()
    RETURNING lease_now()"""
_WAIT_FOR_OWN: Final = """SELECT 1 FROM lease
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? FOR UPDATE"""
_RETAKE: Final = """UPDATE lease SET epoch = epoch + 1, until = lease_now() + ?
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? AND until > lease_now()
    RETURNING epoch, lease_now(), paused_until"""
_GIVE_BACK: Final = """UPDATE lease SET until = 0, holder = ''
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ?"""
# The weakest lock that a take-over waits for: a renewal changes no key, so it goes on beside a long commit.
_FENCE: Final = """SELECT 1 FROM lease
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? FOR KEY SHARE"""


class Place(NamedTuple):
    """What a lease is for: a shard of a number of shards, of one CircleCI server."""

    server: str
    shard: int
    total: int


class Hold(NamedTuple):
    """A lease that was taken. `holder` is random, of one process; `epoch` grows each time that it is taken."""

    place: Place
    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look shows: the database's time, and until when each lease of this server holds, by shard and number."""

    now: float
    until: dict[tuple[int, int], float]

    def is_free(self, place: Place) -> bool:
        """Whether a lease may be taken: it has ended, and all those of another number of shards have."""
        own = (place.shard, place.total)
        return all(until <= self.now for key, until in self.until.items() if key == own or key[1] != place.total)


class Taken(NamedTuple):
    """The lease as it was taken, the database's time, and until when CircleCI has asked for a pause."""

    hold: Hold
    now: float
    paused_until: float | None


class LeaseTable:
    """The leases, over a link of their own: a long commit must not hold up a renewal."""

    def __init__(self, link: Link, seconds: float) -> None:
        """A lease holds for `seconds`."""
        self.link, self.seconds = link, seconds
        self._begin = ("BEGIN", f"SET LOCAL lock_timeout = {max(100, int(seconds * 100))}")

    def look(self, place: Place) -> Seen:
        """What leases there are. Raises psycopg.Error."""
        [rows] = self.link.run(self.link.write(_LOOK, (place.server,)))
        return Seen(rows[0][0], {(shard, total): until for _, shard, total, until in rows if shard is not None})

    def take(self, place: Place, holder: str) -> Taken | None:
        """Take a lease that is free; None where it is not. Raises psycopg.Error."""
        server, shard, total = place
        found = self._run(
            f"SELECT pg_advisory_xact_lock({TAKING})",
            self.link.write(_WAIT, (server, shard, total)),
            self.link.write(_FENCE_OFF, (server, total)),
            self.link.write(_TAKE, (*place, holder, self.seconds, server, total, *place, total)),
        )
        if not found:
            return None
        epoch, now, paused_until = found[0]
        return Taken(Hold(place, holder, epoch), now, paused_until)

    def renew(self, hold: Hold, paused_until: float | None) -> float | None:
        """Renew a lease that has not ended; returns the database's time, None where it is lost.

        Raises psycopg.Error.
        """
        found = self._run(self.link.write(_RENEW, (self.seconds, paused_until, *hold.place, hold.holder, hold.epoch)))
        return found[0][0] if found else None

    def retake(self, hold: Hold) -> Taken | None:
        """Take a lease again that has not ended; None where it is lost. Raises psycopg.Error.

        What was sent under the old epoch is over then, or is refused.
        """
        own = (*hold.place, hold.holder, hold.epoch)
        found = self._run(self.link.write(_WAIT_FOR_OWN, own), self.link.write(_RETAKE, (self.seconds, *own)))
        if not found:
            return None
        epoch, now, paused_until = found[0]
        return Taken(hold._replace(epoch=epoch), now, paused_until)

    def give_back(self, hold: Hold) -> None:
        """End a lease now. Raises psycopg.Error."""
        self._run(self.link.write(_GIVE_BACK, (*hold.place, hold.holder, hold.epoch)))

    def _run(self, *statements: str) -> Rows:
        try:
            return self.link.run(*self._begin, *statements, "COMMIT")[-2]
        except BaseException:
            self.link.roll_back()
            raise


def fence(link: Link, hold: Hold) -> str:
    """The statement that finds a row, and keeps it from others, as long as a lease was not taken again."""
    return link.write(_FENCE, (*hold.place, hold.holder, hold.epoch))
