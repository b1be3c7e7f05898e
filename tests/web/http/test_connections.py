"""Deadlines and caps, with a clock of the test's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from exporter.web.http.connections import Connection, Connections, Limits, Phase, peer_of
from exporter.web.http.incidents import Incidents
from tests.web.conftest import Lines


@dataclass
class Table:
    """A connections, its clock, and who was ended."""

    limits: Limits
    now: float = 100.0
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.incidents = Incidents(Lines())
        self.connections = Connections(self.limits, self.incidents, lambda: self.now)

    def admit(self, peer: str, phase: Phase = Phase.HANDSHAKE, name: str = "") -> Connection | None:
        connection = self.connections.admit(peer, lambda: self.ended.append(name or peer))
        if connection is not None:
            connection.enter(phase)
        self.now += 0.001
        return connection

    def sure(self, peer: str, phase: Phase, name: str = "") -> Connection:
        connection = self.admit(peer, phase, name)
        assert connection is not None
        return connection


def test_the_defaults_let_a_minutely_scrape_keep_its_connection_and_nobody_wait_longer_than_ten_seconds() -> None:
    limits = Limits()
    assert (limits.handshake, limits.headers, limits.body, limits.stall) == (10, 10, 10, 10)
    assert limits.idle > 60
    assert limits.header_bytes <= 64 * 1024
    assert 200 < limits.per_peer < limits.total


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        (Phase.HANDSHAKE, 10),
        (Phase.HEADERS, 10),
        (Phase.RESPONSE, 120),
        (Phase.IDLE, 120),
        (Phase.CLOSING, 2),
    ],
)
def test_each_phase_ends_at_its_deadline(phase: Phase, seconds: float) -> None:
    table = Table(Limits())
    table.admit("a", phase)
    start = table.now
    table.now = start + seconds - 0.1
    table.connections.sweep()
    assert (table.ended, len(table.connections)) == ([], 1)
    table.now = start + seconds + 0.1
    table.connections.sweep()
    assert (table.ended, len(table.connections)) == (["a"], 0)


def test_the_next_phase_has_a_deadline_of_its_own() -> None:
    table = Table(Limits())
    connection = table.sure("a", Phase.HEADERS)
    table.now += 9
    connection.enter(Phase.RESPONSE)
    table.now += 9
    table.connections.sweep()
    assert table.ended == []


def test_a_reader_that_stops_is_ended_and_one_that_goes_on_is_not() -> None:
    table = Table(Limits())
    stopped, going = table.sure("a", Phase.RESPONSE, "stopped"), table.sure("a", Phase.RESPONSE, "going")
    stopped.stall(stalled=True)
    going.stall(stalled=True)
    table.now += 9
    going.stall(stalled=False)
    table.now += 2
    table.connections.sweep()
    assert table.ended == ["stopped"]
    assert table.incidents.counts == {"stall_deadline": 1}


def test_an_idle_or_closing_connection_that_ends_is_no_incident_but_a_late_one_is() -> None:
    table = Table(Limits())
    for phase in Phase:
        table.admit("a", phase)
    table.now += 1000
    table.connections.sweep()
    assert table.incidents.counts == {"handshake_deadline": 1, "headers_deadline": 1, "response_deadline": 1}


def test_one_peer_too_many_takes_the_place_of_that_peers_oldest_without_a_request() -> None:
    table = Table(Limits(per_peer=3, total=100))
    table.admit("scraper", Phase.HEADERS, "scraper")
    table.admit("a", Phase.RESPONSE, "answering")
    table.admit("a", Phase.HEADERS, "older")
    table.admit("a", Phase.HEADERS, "newer")
    assert table.admit("a") is not None
    assert (table.ended, len(table.connections)) == (["older"], 4)
    assert table.incidents.counts == {"evicted": 1}


def test_those_that_are_closing_go_first_then_handshakes_headers_and_idle_ones() -> None:
    table = Table(Limits(per_peer=5, total=100))
    for phase in (Phase.RESPONSE, Phase.IDLE, Phase.HEADERS, Phase.HANDSHAKE, Phase.CLOSING):
        table.admit("a", phase, phase.value)
    for _ in range(4):
        table.sure("a", Phase.RESPONSE)
    assert table.ended == ["closing", "handshake", "headers", "idle"]


def test_a_newcomer_is_refused_when_every_answer_is_being_read_and_served_when_one_is_not() -> None:
    table = Table(Limits(per_peer=2, total=100))
    table.admit("a", Phase.RESPONSE, "first")
    second = table.sure("a", Phase.RESPONSE, "second")
    assert table.admit("a") is None
    assert table.incidents.counts == {"refused": 1}
    second.stall(stalled=True)
    assert table.admit("a") is None
    table.now += 1.5
    assert table.admit("a") is not None
    assert table.ended == ["second"]


def test_when_all_places_are_taken_the_peer_with_most_gives_one_up() -> None:
    table = Table(Limits(per_peer=10, total=5))
    for number in range(4):
        table.admit("hostile", Phase.HEADERS, f"hostile {number}")
    table.admit("scraper", Phase.IDLE, "scraper")
    assert table.admit("another") is not None
    assert table.ended == ["hostile 0"]


def test_when_that_peers_answers_are_all_being_read_somebody_elses_idle_connection_goes() -> None:
    table = Table(Limits(per_peer=10, total=3))
    table.admit("busy", Phase.RESPONSE)
    table.admit("busy", Phase.RESPONSE)
    table.admit("other", Phase.IDLE, "other")
    assert table.admit("new") is not None
    assert table.ended == ["other"]


def test_leaving_twice_frees_one_place() -> None:
    table = Table(Limits())
    connection = table.sure("a", Phase.IDLE)
    table.admit("a", Phase.IDLE)
    table.connections.leave(connection)
    table.connections.leave(connection)
    assert (len(table.connections), len(table.connections.all())) == (1, 1)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_a_peer_is_one_ipv4_host_or_one_ipv6_network(address: str, peer: str) -> None:
    assert peer_of(address) == peer


PROGRAM = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from exporter.web.http.connections import Limits, affordable
limits = affordable(Limits(per_peer=512, total=1024))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], limits.total, limits.per_peer)
"""


@pytest.mark.parametrize(
    ("soft", "hard", "outcome"),
    [
        (256, 4096, (1280, 1024, 512)),
        (1024, 1024, (1024, 768, 384)),
        (300, 300, (300, 150, 75)),
        (2048, 4096, (2048, 1024, 512)),
    ],
)
def test_the_soft_limit_is_raised_or_the_caps_are_lowered(soft: int, hard: int, outcome: tuple[int, int, int]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert tuple(map(int, done.stdout.split())) == outcome
