from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from exporter.client.deadline import BoundedSocket, Budget, connect, dial, resolve
from exporter.errors import RequestTimeout, Stopped, TooLargeError
from tests.client.servers import Peer, Server, refused_port
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


def budget(seconds: float, stop: threading.Event, size: int = 1000) -> Budget:
    return Budget(time.monotonic() + seconds, size, stop)


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """A port at which connections are neither accepted nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        yield address[1]
        for filler in fillers:
            filler.close()


FOREVER = 600.0
"""Seconds after which a test would have failed: what it waits for ends before."""


def chatter(peer: Peer) -> None:
    peer.send(b"hello")
    peer.hang()


def test_a_connection_is_made_and_received_from(stop: threading.Event) -> None:
    with Server(chatter) as server, budget(PATIENCE, stop) as spent:
        with dial("127.0.0.1", server.port, [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]) as sock:
            assert sock.recv(100) == b"hello"
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert spent.received == 5
        assert spent.connected


def test_a_budget_is_that_of_the_whole_and_not_of_each_byte(stop: threading.Event) -> None:
    def script(peer: Peer) -> None:
        peer.drip(b"x" * 10_000, 0.05)

    began = time.monotonic()
    with (
        Server(script) as server,
        pytest.raises(RequestTimeout),
        budget(0.4, stop),
        dial("127.0.0.1", server.port, ()) as sock,
        sock.makefile("rb") as stream,
    ):
        stream.read()
    assert time.monotonic() - began >= 0.4


def test_more_bytes_than_allowed_are_too_many(stop: threading.Event) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"x" * 5000)
        peer.hang()

    with (
        Server(script) as server,
        budget(PATIENCE, stop),
        dial("127.0.0.1", server.port, ()) as sock,
        pytest.raises(TooLargeError, match="1000 bytes"),
        sock.makefile("rb") as stream,
    ):
        stream.read()


def test_a_stop_ends_a_receive(stop: threading.Event) -> None:
    with Server(Peer.hang) as server, budget(FOREVER, stop), dial("127.0.0.1", server.port, ()) as sock:
        threading.Timer(0.1, stop.set).start()
        with pytest.raises(Stopped):
            sock.recv(1)


def test_nothing_is_sent_when_the_time_is_over(stop: threading.Event) -> None:
    with Server(Peer.hang) as server, budget(PATIENCE, stop) as spent, dial("127.0.0.1", server.port, ()) as sock:
        spent.until = time.monotonic()
        with pytest.raises(RequestTimeout):
            sock.sendall(b"GET")


def test_a_send_that_nobody_takes_ends_in_time(stop: threading.Event) -> None:
    def script(peer: Peer) -> None:
        peer.server.ended.wait()

    with (
        Server(script) as server,
        budget(PATIENCE, stop) as spent,
        dial("127.0.0.1", server.port, ()) as sock,
    ):
        spent.until = time.monotonic() + 0.3
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(64 * 1024 * 1024))


def test_a_connection_that_is_not_answered_ends_in_time(stop: threading.Event, full_backlog: int) -> None:
    with budget(0.4, stop), pytest.raises((RequestTimeout, TimeoutError)):
        dial("127.0.0.1", full_backlog, ())


def test_a_stop_ends_a_connection_that_is_not_answered(stop: threading.Event, full_backlog: int) -> None:
    threading.Timer(0.1, stop.set).start()
    with budget(FOREVER, stop), pytest.raises(Stopped):
        dial("127.0.0.1", full_backlog, ())


def test_a_refused_connection_says_so(stop: threading.Event) -> None:
    with budget(PATIENCE, stop), pytest.raises(ConnectionRefusedError):
        dial("127.0.0.1", refused_port(), ())


def test_an_address_that_does_not_answer_leaves_time_for_the_next(stop: threading.Event, full_backlog: int) -> None:
    with Server(chatter) as server, budget(10, stop):
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
            for port in (refused_port(), full_backlog, server.port)
        ]
        with connect(addresses, ()) as sock:
            assert sock.getpeername() == ("127.0.0.1", server.port)


def test_an_address_of_an_unknown_family_is_passed_over(stop: threading.Event) -> None:
    with Server(chatter) as server, budget(PATIENCE, stop):
        unknown = (socket.AF_APPLETALK, socket.SOCK_STREAM, 99, "", ("127.0.0.1", 1))
        known = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        with connect([unknown, known], ()) as sock:
            assert sock.getpeername() == ("127.0.0.1", server.port)


def test_a_name_without_an_address_cannot_be_connected_to(stop: threading.Event) -> None:
    with budget(PATIENCE, stop), pytest.raises(OSError, match="no address"):
        connect([], ())


def test_a_slow_look_up_is_waited_for_and_one_without_end_is_not(stop: threading.Event) -> None:
    hanging = threading.Event()

    def slow(*_: object) -> list[Any]:
        hanging.wait(0.25)
        return []

    def endless(*_: object) -> list[Any]:
        hanging.wait()
        return []

    with budget(PATIENCE, stop):
        assert resolve("slow.example", 80, slow) == []
    with budget(0.2, stop), pytest.raises(RequestTimeout):
        resolve("endless.example", 80, endless)
    hanging.set()


def test_a_name_is_resolved(stop: threading.Event) -> None:
    with budget(PATIENCE, stop):
        assert ("127.0.0.1", 80) in [address for *_, address in resolve("127.0.0.1", 80)]


@pytest.mark.parametrize(
    ("name", "kind"), [("no-such-host.invalid", socket.gaierror), ("a" * 64 + ".example", UnicodeError)]
)
def test_a_name_that_cannot_be_resolved_says_so(stop: threading.Event, name: str, kind: type[Exception]) -> None:
    with budget(PATIENCE, stop), pytest.raises(kind):
        dial(name, 80, ())


def test_an_address_of_another_family_is_an_error_and_leaves_no_socket(stop: threading.Event) -> None:
    with budget(PATIENCE, stop), BoundedSocket(socket.AF_INET6, socket.SOCK_STREAM) as sock, pytest.raises(OSError):
        sock.dial(("127.0.0.1", 1), 1.0)


def test_without_a_budget_nothing_can_be_received(stop: threading.Event) -> None:
    with Server(chatter) as server:
        with budget(PATIENCE, stop):
            sock = dial("127.0.0.1", server.port, ())
        with sock, pytest.raises(AttributeError):
            sock.recv(1)
