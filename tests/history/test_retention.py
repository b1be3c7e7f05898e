"""How long a Prometheus keeps samples, as it says itself."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from exporter.history import retention

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86_400


@contextmanager
def answering(body: str, status: int = 200) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/prometheus/api/v1/status/runtimeinfo"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/prometheus/"
        server.shutdown()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("15d", 15 * DAY), ("1y2w or 10GiB", 379 * DAY), ("1d12h", 1.5 * DAY), ("10GiB", None), ("", None)],
)
def test_the_time_of_a_retention_is_read(written: str, seconds: float | None) -> None:
    assert retention.seconds(written) == seconds


def test_a_prometheus_below_a_path_is_asked() -> None:
    with answering('{"data": {"storageRetention": "30d"}}') as url:
        assert retention.ask(url) == 30 * DAY


@pytest.mark.parametrize("body", ["", "[]", '{"data": {}}', "[" * 100_000])
def test_an_answer_of_another_server_is_an_error_with_a_reason(body: str) -> None:
    with answering(body) as url, pytest.raises(ValueError, match="not that of a Prometheus"):
        retention.ask(url)


def test_a_status_of_an_error_is_an_error_with_a_reason() -> None:
    with answering("{}", 404) as url, pytest.raises(ValueError, match="status 404"):
        retention.ask(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "file:///etc/passwd",
        "localhost:9090",
        "no address",
        "http://user:password@127.0.0.1:1",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://a b",
        "http:///",
    ],
)
def test_what_cannot_be_reached_is_an_error(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"refused|address|login|unknown url type|nonnumeric port|IPv6|control char|no host"
    ):
        retention.ask(url)


def test_an_answer_that_is_no_http_is_an_error() -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        with pytest.raises(ValueError, match="SSH"):
            retention.ask(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_an_address_is_printed_without_its_login() -> None:
    assert retention.without_login("https://me:secret@prometheus:9090/x@y") == "https://prometheus:9090/x@y"
    assert retention.without_login("http://prometheus:9090/x@y") == "http://prometheus:9090/x@y"
