"""What single hostile or odd connections get."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.web.http import connections
from exporter.web.http.connections import Phase
from exporter.web.http.protocol import READ
from tests.running.waiting import PATIENCE, wait_until
from tests.web.conftest import PATIENT, Certificates, Running, read_to_end, read_until
from tests.web.published import TEXT, Published

if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[..., Running]

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def status(answer: bytes) -> bytes:
    return answer.split(b"\r\n", 1)[0]


def test_a_header_that_trickles_in_is_cut_off_at_its_deadline(serve: Serve) -> None:
    running = serve()
    with running.connect() as sock:
        running.connection()
        running.drip(sock, b"GET /metrics")
        with contextlib.suppress(ConnectionError):
            assert sock.recv(10) == b""
    assert running.counts == {"headers_deadline": 1}


def test_the_second_request_of_a_connection_has_the_same_deadline(serve: Serve) -> None:
    running = serve(limits=replace(PATIENT, idle=10 * PATIENCE))
    with running.connect() as sock:
        sock.sendall(GET)
        read_until(sock, TEXT)
        sock.sendall(b"GET /metrics HT")
        running.connection(lambda each: each.phase is Phase.HEADERS)
        running.pass_time()
        with contextlib.suppress(ConnectionError):
            assert sock.recv(10) == b""
    assert running.counts == {"headers_deadline": 1}


def test_a_silent_connection_ends_at_the_deadline_of_headers(serve: Serve) -> None:
    running = serve()
    with running.connect() as sock:
        running.connection()
        running.pass_time()
        assert sock.recv(10) == b""
    assert running.counts == {"headers_deadline": 1}


def test_an_idle_connection_lives_longer_and_ends_without_an_incident(serve: Serve) -> None:
    running = serve(limits=replace(PATIENT, idle=10 * PATIENCE))
    with running.connect() as sock:
        for _ in range(2):
            sock.sendall(GET)
            read_until(sock, TEXT)
            running.connection(lambda each: each.phase is Phase.IDLE)
            running.pass_time()
        running.pass_time(10 * PATIENCE)
        assert sock.recv(10) == b""
    assert running.counts == {}


def test_a_kept_connection_answers_without_nagles_delay(serve: Serve) -> None:
    running = serve()
    with running.connect() as sock:
        sock.sendall(GET)
        read_until(sock, TEXT)
        [connection] = running.server._connections.all()
        transport: Any = connection.abort.__self__  # type: ignore[attr-defined]
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("size", [PATIENT.header_bytes + READ, 64 * 1024, 1024 * 1024])
def test_a_header_that_is_too_large_gets_431_however_it_comes(serve: Serve, size: int) -> None:
    running = serve()
    many = b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * (size // 6) + b"\r\n"
    one = b"GET /metrics HTTP/1.1\r\nHost: x\r\na: " + b"b" * size + b"\r\n\r\n"
    target = b"GET /" + b"b" * size + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    for request in (many, one, target):
        with running.connect() as sock:
            with contextlib.suppress(OSError):
                sock.sendall(request)
            assert status(sock.recv(65536)) == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert running.counts == {"malformed": 3}


def test_a_header_of_too_many_lines_gets_431_also_behind_another_request(serve: Serve) -> None:
    running = serve()
    many = b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 300 + b"\r\n"
    refusal = b"HTTP/1.1 431 Request Header Fields Too Large"
    assert status(running.ask(many)) == refusal
    answer = running.ask(GET + many)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(refusal) == 1
    assert running.counts == {"malformed": 2}


def test_requests_far_in_advance_of_their_answers_are_not_kept(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 3_000_000]))
    with running.connect() as sock:
        sock.sendall(GET * 4000)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(262_144):
                answer += chunk
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    wait_until(lambda: len(running.server._connections) == 0)
    assert running.counts == {}


def test_a_header_as_large_as_allowed_is_read(serve: Serve) -> None:
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\na: "
    request = head + b"b" * (PATIENT.header_bytes - len(head) - 4) + b"\r\n\r\n"
    assert status(serve().ask(request)) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\xff\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\na: \x00\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_plain_refusal_and_no_traceback(serve: Serve, garbage: bytes) -> None:
    running = serve()
    answer = running.ask(garbage)
    assert status(answer).startswith((b"HTTP/1.1 400", b"HTTP/1.1 501", b"HTTP/1.1 505"))
    assert b"connection: close" in answer.lower()
    assert running.counts == {"malformed": 1}


def test_garbage_behind_a_request_is_refused_after_its_answer(serve: Serve) -> None:
    running = serve()
    answer = running.ask(GET + b"\x00garbage\r\n\r\n" * 1000)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 400 Bad Request" in answer
    assert set(running.counts) == {"malformed"}


def test_garbage_in_a_body_while_its_answer_is_under_way_only_ends_the_connection(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 50_000_000]))
    with running.connect() as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
        sock.sendall(b"no chunk\r\n")
        wait_until(lambda: running.counts.get("malformed"))
        read_to_end(sock)
    assert set(running.counts) == {"malformed"}


def test_requests_in_one_packet_are_answered_in_turn(serve: Serve) -> None:
    close = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = serve().ask(GET * 50 + close)
    assert answer.count(b"HTTP/1.1 200 OK") == 51
    assert answer.endswith(b"healthy\n")


def test_an_absurd_upgrade_is_answered_as_if_not_asked_for(serve: Serve) -> None:
    running = serve()
    upgrade = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert running.ask(upgrade).endswith(b"healthy\n")
    assert running.counts == {}


def test_a_client_that_has_ended_its_own_side_is_still_answered(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 3_000_000]))
    with running.connect() as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        answer = read_to_end(sock)
    assert len(answer) > 3_000_000
    assert running.counts == {}


def test_a_client_that_ends_before_its_request_is_whole_is_let_go(serve: Serve) -> None:
    running = serve()
    with running.connect() as sock:
        sock.sendall(b"GET /metr")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""
    assert running.counts == {}


def test_a_body_that_nobody_asked_for_is_not_read_and_its_answer_arrives(serve: Serve) -> None:
    running = serve()
    with running.connect() as sock:
        sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(16 * 1024):
                sent += sock.send(b"x" * 65536)
        assert sent < 32 * 1024 * 1024
    assert running.ask(GET.replace(b"Host", b"Connection: close\r\nHost")).endswith(TEXT)


def test_a_client_that_never_reads_is_ended_and_what_waited_for_it_is_let_go(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 20_000_000]))
    with running.connect() as sock:
        sock.sendall(GET)
        running.connection(lambda each: each.stalled_since is not None)
        running.pass_time()
        assert len(running.server._connections) == 0
    assert running.counts == {"stall_deadline": 1}


def test_a_reader_that_is_too_slow_for_the_whole_answer_is_ended(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 50_000_000]), limits=replace(PATIENT, stall=10 * PATIENCE))
    with running.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(GET)
        for _ in range(3):
            assert sock.recv(65536)
            running.pass_time(PATIENCE / 2)
        assert len(running.server._connections) == 0
    assert running.counts == {"response_deadline": 1}


def test_a_small_answer_that_is_never_read_does_not_outlive_its_deadline(serve: Serve) -> None:
    running = serve()
    with running.connect() as sock:
        sock.sendall(GET)
        running.connection(lambda each: each.phase is Phase.IDLE)
        running.pass_time()
        assert len(running.server._connections) == 0


def test_a_body_that_grows_too_large_during_the_answer_leaves_the_answer_whole(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 50_000_000]))
    with running.connect() as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        received = len(sock.recv(100))
        sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            sock.sendall(b"x" * 100_000)
        sock.settimeout(PATIENCE)
        while chunk := sock.recv(1_000_000):
            received += len(chunk)
    assert received > 50_000_000
    assert running.counts == {}


def test_who_asks_for_more_connections_than_answers_can_be_read_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALLED_SECONDS", PATIENCE)
    running = serve(Published(text=[b"x" * 50_000_000]), limits=replace(PATIENT, per_peer=1, total=2))
    with running.connect() as first:
        first.sendall(GET)
        assert first.recv(100)
        with running.connect() as second, contextlib.suppress(ConnectionError):
            assert second.recv(100) == b""
        with running.connect(source="127.0.0.2") as other:
            other.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            read_until(other, b"healthy\n")
    assert running.counts == {"refused": 1}


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_body_that_is_too_large_is_refused_inside_tls(serve: Serve, certificates: Certificates, version: str) -> None:
    running = serve(Published(on_reload=lambda: (True, "done")), web_config=certificates.web_config())
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.maximum_version = ssl.TLSVersion[version]
    with context.wrap_socket(running.connect(), server_hostname="localhost") as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
        assert status(sock.recv(1000)).startswith(b"HTTP/1.1 413 ")
    wait_until(lambda: len(running.server._connections) == 0)
    assert running.source.reloads == 0


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_same_deadlines_hold_inside_tls(serve: Serve, certificates: Certificates, version: str) -> None:
    running = serve(Published(text=[b"x" * 20_000_000]), web_config=certificates.web_config())
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.maximum_version = ssl.TLSVersion[version]
    with context.wrap_socket(running.connect(), server_hostname="localhost") as sock:
        running.connection(lambda each: each.phase is Phase.HEADERS)
        sock.sendall(b"GET /met")
        running.pass_time()
        with contextlib.suppress(ConnectionError):
            assert sock.recv(10) == b""
    with context.wrap_socket(running.connect(), server_hostname="localhost") as sock:
        sock.sendall(GET)
        running.connection(lambda each: each.stalled_since is not None)
        running.pass_time()
        assert len(running.server._connections) == 0
    assert running.counts == {"headers_deadline": 1, "stall_deadline": 1}
