"""The open connections: how long each may take over what, how many there may be, and which one goes for a newcomer.

A cap that refuses the newcomer would let one silent client lock everybody else out. So the newcomer stays, and the
connection that has earned its place least goes: first one that has not finished a request, then an idle one, then one
that does not read.
"""

from __future__ import annotations

import enum
import ipaddress
import resource
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from exporter.web.http.incidents import IncidentKind, Incidents

# One who does not read at all is known as such after this many seconds.
STALLED_SECONDS = 1.0
# For everything else in the process: the API's connections, the state file, the logs.
OTHERS = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds, sizes in bytes."""

    handshake: float = 10.0
    """TCP accept to the end of the TLS handshake."""
    headers: float = 10.0
    """The first byte of a request, or the connection's start, to the end of its header."""
    body: float = 10.0
    """A request's body."""
    idle: float = 120.0
    """From one request to the next: above Prometheus' default scrape interval of a minute, so its connection lasts."""
    stall: float = 10.0
    """A client's pause in reading while an answer waits for it."""
    response: float = 120.0
    """One whole answer; a reader that is slower would hold on to an old exposition's memory."""
    closing: float = 2.0
    """From the last byte written to the end of the connection."""
    per_peer: int = 512
    total: int = 1024
    """Of all peers. A plain connection takes some 20 KiB, one with TLS some 100 KiB."""
    header_bytes: int = 16 * 1024
    """A request's header: beyond it 431."""
    header_lines: int = 200
    """Lines of a header, for these are what costs time to parse: 4,000 short ones take 6 ms."""
    body_bytes: int = 2 * 1024
    """A request's body on the wire: no other route needs one, and one in chunks of a byte costs much to parse."""
    large_bodies: Mapping[str, int] = field(default_factory=dict)
    """The same for the paths that take larger ones."""
    chunk_lines: int = 4096
    """Lines of a body in chunks, for each chunk has two, and these are what costs time to parse."""


class Phase(enum.Enum):
    """What a connection is at. The first ones are given up first."""

    CLOSING = "closing"
    HANDSHAKE = "handshake"
    HEADERS = "headers"
    IDLE = "idle"
    RESPONSE = "response"


_ORDER = {phase: order for order, phase in enumerate(Phase)}
_DEADLINES: dict[str, IncidentKind] = {
    "stall": "stall_deadline",
    "handshake": "handshake_deadline",
    "headers": "headers_deadline",
    "response": "response_deadline",
}


@dataclass(eq=False, slots=True)
class Connection:
    """One open connection. `abort` ends it at once."""

    peer: str
    abort: Callable[[], object]
    now: Callable[[], float]
    phase: Phase = Phase.HANDSHAKE
    since: float = 0.0
    stalled_since: float | None = None

    def __post_init__(self) -> None:
        self.since = self.now()

    def enter(self, phase: Phase) -> None:
        """Begin a phase; its deadline counts from now."""
        self.phase = phase
        self.since = self.now()

    def stall(self, *, stalled: bool) -> None:
        """Note that the client has stopped reading, or that it goes on."""
        self.stalled_since = self.now() if stalled else None

    def overdue(self, limits: Limits) -> str | None:
        """Name the deadline that has passed."""
        now = self.now()
        if self.stalled_since is not None and now - self.stalled_since > limits.stall:
            return "stall"
        name = self.phase.value
        return name if now - self.since > getattr(limits, name) else None

    def expendable(self) -> bool:
        """Say whether a newcomer may take this place: never that of an answer that is being read."""
        return self.phase is not Phase.RESPONSE or (
            self.stalled_since is not None and self.now() - self.stalled_since > STALLED_SECONDS
        )


@dataclass(slots=True)
class Connections:
    """All connections of one server, by peer. Used on the event loop only."""

    limits: Limits
    incidents: Incidents
    now: Callable[[], float]
    _peers: dict[str, set[Connection]] = field(default_factory=dict)
    _size: int = 0

    def __len__(self) -> int:
        return self._size

    def admit(self, peer: str, abort: Callable[[], object]) -> Connection | None:
        """Enter a connection, in the place of another when there are too many; `None` when no place can be had."""
        rivals = self._rivals(peer)
        if rivals:
            victim = min(
                (connection for connection in rivals if connection.expendable()),
                key=lambda connection: (_ORDER[connection.phase], connection.since),
                default=None,
            )
            if victim is None:
                self.incidents.note("refused", peer=peer)
                return None
            self.incidents.note("evicted", peer=victim.peer)
            self.drop(victim)
        connection = Connection(peer, abort, self.now)
        self._peers.setdefault(peer, set()).add(connection)
        self._size += 1
        return connection

    def leave(self, connection: Connection) -> None:
        """Strike a connection that has ended; doing so twice is no harm."""
        peers = self._peers.get(connection.peer, set())
        if connection in peers:
            peers.remove(connection)
            self._size -= 1
            if not peers:
                del self._peers[connection.peer]

    def drop(self, connection: Connection) -> None:
        self.leave(connection)
        connection.abort()

    def sweep(self) -> None:
        """End every connection that has passed a deadline. An idle one has done no wrong and is not counted."""
        for connection in self.all():
            late = connection.overdue(self.limits)
            if late:
                if connection.phase not in (Phase.IDLE, Phase.CLOSING):
                    self.incidents.note(_DEADLINES[late], peer=connection.peer)
                self.drop(connection)

    def all(self) -> list[Connection]:
        return [connection for peers in self._peers.values() for connection in peers]

    def _rivals(self, peer: str) -> Collection[Connection]:
        """Return those among whom one has to go for a newcomer from `peer`, or nothing when there is room."""
        own: Collection[Connection] = self._peers.get(peer, ())
        if len(own) >= self.limits.per_peer:
            return own
        if self._size < self.limits.total:
            return ()
        largest = max(self._peers.values(), key=len)
        return largest if any(connection.expendable() for connection in largest) else self.all()


def peer_of(address: str) -> str:
    """Return whom an address counts for: an IPv4 host, or the /64 that one IPv6 host can call its own."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def affordable(limits: Limits) -> Limits:
    """Raise the soft limit as far as the caps need it, as Go programs do, or lower the caps to what is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.total + OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        # Half of what little there is, when it is less than what the others may need.
        total = min(limits.total, max(soft - OTHERS, soft // 2))
        limits = replace(limits, total=total, per_peer=min(limits.per_peer, max(1, total // 2)))
    return limits
