from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from io import BytesIO
from typing import TYPE_CHECKING, cast
from urllib.request import urlopen

import pytest
import trustme

from exporter.demo.messages import Reply, Request
from exporter.demo.server import Server, read_request
from tests.circleci import Circle
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from io import BufferedIOBase


def parsed(text: bytes) -> Request | None:
    return read_request(cast("BufferedIOBase", BytesIO(text)))


def test_a_request_is_read_with_its_headers_and_body() -> None:
    request = parsed(b"POST /a?b=1 HTTP/1.1\r\nX-One: 1 \r\nContent-Length: 3\r\n\r\nabcdef")
    assert request == Request("POST", "/a?b=1", {"x-one": "1", "content-length": "3"}, b"abc")


def test_a_closed_connection_has_no_request() -> None:
    assert parsed(b"") is None


def test_a_request_as_to_a_proxy_is_read_as_one_to_itself() -> None:
    request = parsed(b"GET http://circleci.test/api/v2/me HTTP/1.1\r\n\r\n")
    assert request is not None
    assert request.target == "/api/v2/me"


@pytest.mark.parametrize(
    "text", [b"nonsense\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_no_request_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)


def test_what_is_no_request_is_answered_by_400() -> None:
    with Circle(start=0, speed=0) as circle, socket.create_connection(circle.server.address) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_connection_ends_when_the_client_says_so() -> None:
    with Circle(start=0, speed=0) as circle, socket.create_connection(circle.server.address) as connection:
        connection.sendall(b"GET /api/v2/me HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = b""
        while part := connection.recv(4096):
            received += part
        assert received.startswith(b"HTTP/1.1 401 ")


def test_open_connections_can_be_dropped() -> None:
    with Circle(start=0, speed=0) as circle, socket.create_connection(circle.server.address) as connection:
        connection.sendall(b"GET /api/v2/me HTTP/1.1\r\n\r\n")
        connection.recv(4096)
        circle.server.drop_connections()
        assert connection.recv(1) == b""


def test_stopping_leaves_no_thread_and_no_port_behind() -> None:
    before = set(threading.enumerate())
    circle = Circle(start=0, speed=0).start()
    connections = [socket.create_connection(circle.server.address) for _ in range(5)]
    wait_until(lambda: len(set(threading.enumerate()) - before) >= 6)
    circle.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)
    for connection in connections:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(circle.server.address)


def test_an_error_of_the_server_is_shown_but_a_client_that_went_away_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    errors = {"/gone": BrokenPipeError("went away"), "/defect": ArithmeticError("a defect")}

    def answer(request: Request) -> Reply:
        raise errors[request.path]

    server = Server(answer)
    server.start()
    for path in ("/gone", "/defect"):
        with socket.create_connection(server.address) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            assert connection.recv(1) == b""
    server.stop()
    shown = ""

    def all_shown() -> bool:
        nonlocal shown
        shown += capsys.readouterr().err
        return "ArithmeticError: a defect" in shown

    wait_until(all_shown)  # the connection is closed first
    assert "went away" not in shown


def test_a_given_port_is_used_and_a_taken_one_is_an_error() -> None:
    with Circle(start=0, speed=0) as circle:
        port = circle.server.address[1]
        with pytest.raises(OSError, match="in use"):
            Circle(start=0, speed=0, port=port)
    with Circle(start=0, speed=0, port=port) as again:
        assert again.url == circle.url


def test_tls_is_spoken_and_a_silent_client_stops_nobody() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with Circle(start=0, speed=0, tls=context) as circle:
        assert circle.url.startswith("https://127.0.0.1:")
        with socket.create_connection(circle.server.address) as silent:
            for _ in range(2):
                with (
                    contextlib.suppress(OSError),
                    urlopen(f"{circle.url}/api/v2/me", timeout=PATIENCE, context=trust) as answer,
                ):
                    answer.read()
            assert [seen.status for seen in circle.requests] == [401, 401]
            silent.close()
