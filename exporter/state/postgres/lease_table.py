"""Which replica leads which shard: a row for each, with its end on the database's clock.

The row also numbers the commits of its leaders. So whoever has seen a later one knows that what it finds is an older
copy of the database: counters would fall to what they were then, and Prometheus would add what they rise by a second
time. Each function is one round trip, and none waits for long.
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
        commits BIGINT NOT NULL DEFAULT 0,
        begun BIGINT NOT NULL DEFAULT 0,
        begun_epoch BIGINT NOT NULL DEFAULT 0,
        lacking BOOLEAN NOT NULL DEFAULT FALSE,
        PRIMARY KEY (server, shard, total))""",
)
UPGRADE: Final = (
    """ALTER TABLE lease
        ADD COLUMN commits BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN begun BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN begun_epoch BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN lacking BOOLEAN NOT NULL DEFAULT FALSE""",
)
"""What version 2 added."""
TAKING: Final = 0x43494558_0001
"""The advisory lock of whoever acquires a lease: of two numbers of shards only one may."""
# The row as JSON: a standby looks at tables of the version before, too, which lack columns.
_LOOK: Final = """SELECT lease_now(), shard, total, until, (of_row ->> 'begun_epoch')::BIGINT,
    (of_row ->> 'begun')::BIGINT, (of_row ->> 'commits')::BIGINT
    FROM (SELECT shard, total, until, to_jsonb(lease) AS of_row FROM lease WHERE server = ?) AS leases
    RIGHT JOIN (SELECT 1) AS always ON TRUE"""
# A commit under a lease that has ended may be under way: what it holds can be acquired once it is over. What has ended
# by now(), when the transaction began, was waited for; what ends later is not acquired.
_WAIT: Final = """SELECT 1 FROM lease
    WHERE server = ? AND (shard = ? OR total <> ?) AND until <= lease_now() FOR UPDATE"""
# Leaders of another number of shards that have fallen silent: what they still send is refused.
_FENCE_OFF: Final = """UPDATE lease SET epoch = epoch + 1, holder = ''
    WHERE server = ? AND total <> ? AND until <= extract(epoch FROM now())"""
_ACQUIRE: Final = """INSERT INTO lease (server, shard, total, holder, epoch, until)
    SELECT ?, ?, ?, ?, ? + 1, lease_now() + ?
    WHERE NOT EXISTS (SELECT FROM lease WHERE server = ? AND total <> ? AND until > extract(epoch FROM now()))
    ON CONFLICT (server, shard, total)
    DO UPDATE SET holder = excluded.holder, epoch = greatest(lease.epoch + 1, excluded.epoch), until = excluded.until
    WHERE lease.until <= extract(epoch FROM now())
    RETURNING epoch, lease_now(),
    (SELECT max(paused_until) FROM lease WHERE server = ? AND (shard = ? AND total = ? OR total <> ?))"""
_RENEW: Final = """UPDATE lease SET until = lease_now() + ?, paused_until = ?
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? AND until > lease_now()
    RETURNING lease_now(), commits, lacking"""
_WAIT_FOR_OWN: Final = """SELECT 1 FROM lease
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? FOR UPDATE"""
_ACQUIRE_AGAIN: Final = """UPDATE lease SET epoch = epoch + 1, until = lease_now() + ?
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? AND until > lease_now()
    RETURNING epoch, lease_now(), paused_until"""
# Who begins to lead has seen so many commits.
_BEGIN: Final = """UPDATE lease SET lacking = lacking OR commits < ?, commits = greatest(commits, ?),
    begun = greatest(commits, ?), begun_epoch = epoch
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ?
    RETURNING commits, lacking"""
# Compared once more: the look before it may have seen a server that only lags behind.
_NOTE_LACKING: Final = """UPDATE lease SET lacking = TRUE, commits = greatest(commits, ?)
    WHERE server = ? AND shard = ? AND total = ? AND CASE WHEN begun_epoch > ? THEN begun ELSE commits END < ?
    RETURNING 1"""
_RELEASE: Final = """UPDATE lease SET until = 0, holder = ''
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ?"""
# The weakest lock that a take-over waits for: a renewal changes no key, so it goes on beside a long commit.
_FENCE: Final = """SELECT {} FROM lease
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ? FOR KEY SHARE"""
# The last statement of a commit, since it does hold up a renewal.
_NUMBER: Final = """UPDATE lease SET commits = commits + 1
    WHERE server = ? AND shard = ? AND total = ? AND holder = ? AND epoch = ?"""
_NOTHING_LACKS: Final = "UPDATE lease SET lacking = FALSE WHERE server = ? AND shard = ? AND total = ?"


class Place(NamedTuple):
    """What a lease is for: a shard of a number of shards, of one CircleCI server."""

    server: str
    shard: int
    total: int


class Hold(NamedTuple):
    """A lease that was acquired. `holder` is random, of one process; `epoch` grows each time."""

    place: Place
    holder: str
    epoch: int


class Newest(NamedTuple):
    """The newest commit of one place: the epoch of its leader, with which number that began, and its own number."""

    epoch: int = 0
    begun: int = 0
    commits: int = 0

    def lacks(self, known: Newest) -> bool:
        """Whether this is of a copy of the database that lacks a commit which is known."""
        return (self.begun if self.epoch > known.epoch else self.commits) < known.commits


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look shows, by shard and number of shards of this server: until when each lease holds, and its commits.

    `now` is the database's time. Tables of an older version know nothing of commits.
    """

    now: float
    until: dict[tuple[int, int], float]
    newest: dict[tuple[int, int], Newest]

    def is_free(self, place: Place) -> bool:
        """Whether a lease can be acquired: it has ended, and all those of another number of shards have."""
        own = (place.shard, place.total)
        return all(until <= self.now for key, until in self.until.items() if key == own or key[1] != place.total)


class Acquired(NamedTuple):
    """The lease as it was acquired, the database's time, and until when CircleCI has asked for a pause.

    `commits` is the number of the newest commit; `lacking` says that the database lacks some that were made.
    """

    hold: Hold
    now: float
    paused_until: float | None
    commits: int = 0
    lacking: bool = False


class Renewed(NamedTuple):
    """The database's time when a lease was renewed, and what it said of commits."""

    now: float
    commits: int
    lacking: bool


class LeaseTable:
    """The leases, over a link of their own: a long commit must not hold up a renewal."""

    def __init__(self, link: Link, seconds: float) -> None:
        """A lease holds for `seconds`."""
        self.link, self.seconds = link, seconds
        self._begin = ("BEGIN", f"SET LOCAL lock_timeout = {max(100, int(seconds * 100))}")

    def look(self, place: Place) -> Seen:
        """What leases there are. Raises psycopg.Error."""
        [rows] = self.link.run(self.link.write(_LOOK, (place.server,)))
        leases = [((shard, total), until, newest) for _, shard, total, until, *newest in rows if shard is not None]
        return Seen(
            rows[0][0],
            {place: until for place, until, _ in leases},
            {place: Newest(*newest) for place, _, newest in leases if None not in newest},
        )

    def note_lacking(self, place: Place, known: Newest) -> bool:
        """Note that the database lacks commits that are known, if it does: whoever leads begins anew.

        Returns whether it does. Raises psycopg.Error.
        """
        values = (known.commits, *place, known.epoch, known.commits)
        return bool(self._run(self.link.write(_NOTE_LACKING, values)))

    def acquire(self, place: Place, holder: str, epoch: int = 0) -> Acquired | None:
        """Acquire a lease that is free, under an epoch above that one; None where it is not. Raises psycopg.Error."""
        server, shard, total = place
        found = self._run(
            f"SELECT pg_advisory_xact_lock({TAKING})",
            self.link.write(_WAIT, (server, shard, total)),
            self.link.write(_FENCE_OFF, (server, total)),
            self.link.write(_ACQUIRE, (*place, holder, epoch, self.seconds, server, total, *place, total)),
        )
        if not found:
            return None
        epoch, now, paused_until = found[0]
        return Acquired(Hold(place, holder, epoch), now, paused_until)

    def begin(self, acquired: Acquired, known: int) -> Acquired | None:
        """Begin to lead, having seen commits up to a number; None where the lease is lost. Raises psycopg.Error."""
        hold = acquired.hold
        own = (*hold.place, hold.holder, hold.epoch)
        found = self._run(self.link.write(_BEGIN, (known, known, known, *own)))
        return acquired._replace(commits=found[0][0], lacking=found[0][1]) if found else None

    def renew(self, hold: Hold, paused_until: float | None) -> Renewed | None:
        """Renew a lease that has not ended; None where it is lost. Raises psycopg.Error."""
        found = self._run(self.link.write(_RENEW, (self.seconds, paused_until, *hold.place, hold.holder, hold.epoch)))
        return Renewed(*found[0]) if found else None

    def acquire_again(self, hold: Hold) -> Acquired | None:
        """Acquire a lease again that has not ended; None where it is lost. Raises psycopg.Error.

        What was sent under the old epoch is over then, or is refused.
        """
        own = (*hold.place, hold.holder, hold.epoch)
        found = self._run(self.link.write(_WAIT_FOR_OWN, own), self.link.write(_ACQUIRE_AGAIN, (self.seconds, *own)))
        if not found:
            return None
        epoch, now, paused_until = found[0]
        return Acquired(hold._replace(epoch=epoch), now, paused_until)

    def release(self, hold: Hold) -> None:
        """End a lease now. Raises psycopg.Error."""
        self._run(self.link.write(_RELEASE, (*hold.place, hold.holder, hold.epoch)))

    def _run(self, *statements: str) -> Rows:
        try:
            return self.link.run(*self._begin, *statements, "COMMIT")[-2]
        except BaseException:
            self.link.roll_back()
            raise


def fence(link: Link, hold: Hold, columns: str = "1") -> str:
    """The statement that finds a row, and keeps it from others, as long as a lease was not acquired again."""
    return link.write(_FENCE.format(columns), (*hold.place, hold.holder, hold.epoch))


def number(link: Link, hold: Hold) -> str:
    """The statement that numbers the commit under way."""
    return link.write(_NUMBER, (*hold.place, hold.holder, hold.epoch))


def nothing_lacks(link: Link, place: Place) -> str:
    """The statement that notes that what the database lacked is counted anew."""
    return link.write(_NOTHING_LACKS, place)
