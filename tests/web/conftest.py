"""A running server for each test that wants one, and certificates."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import trustme

from exporter.web.http.connections import Limits
from exporter.web.server import WebServer
from tests.running.waiting import PATIENCE, wait_until
from tests.web.published import Published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.web.http.connections import Connection, Connections

T = TypeVar("T")

# A busy machine is no slow client: a test of a deadline lets time pass with `Running.pass_time`.
PATIENT = Limits(
    handshake=PATIENCE, headers=PATIENCE, body=PATIENCE, idle=PATIENCE, stall=PATIENCE, response=PATIENCE, closing=0.4
)


@dataclass
class Lines:
    """A logger that keeps what it is given."""

    entries: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **fields: object) -> None:
        self.entries.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.entries.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.entries.append(("error", event, fields))

    def events(self, event: str) -> list[dict[str, Any]]:
        return [fields for _, name, fields in self.entries if name == event]


def read_until(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        chunk = sock.recv(65536)
        assert chunk, f"the connection ended after {received[-200:]!r}"
        received += chunk
    return received


@dataclass
class Running:
    """A server that answers on a port of its own."""

    server: WebServer
    source: Published
    log: Lines
    addresses: list[str]

    @property
    def port(self) -> int:
        return int(self.addresses[0].rpartition(":")[2])

    @property
    def counts(self) -> dict[str, int]:
        return self.server.incidents.counts

    def in_loop(self, act: Callable[[], T]) -> T:
        """Do something where the connections are used."""
        done = Future[T]()
        self.server._loop.call_soon_threadsafe(lambda: done.set_result(act()))
        return done.result(PATIENCE)

    def connection(self, true: Callable[[Connection], object] = bool) -> Connection:
        """The only connection, once the server has it and something is true of it."""

        def found() -> Connection | None:
            every = self.in_loop(self.server._connections.all)
            return every[0] if len(every) == 1 and true(every[0]) else None

        connection = wait_until(found, why="the connection")
        assert connection is not None
        return connection

    def pass_time(self, seconds: float = PATIENCE + 1) -> None:
        """Let the clock of the deadlines of its connections go on, and end those that are late."""

        def move() -> None:
            connections = self.server._connections
            every: list[Connection | Connections] = [connections, *connections.all()]
            for each in every:
                each.now = partial(_later, each.now, seconds)
            connections.sweep()

        self.in_loop(move)

    def drip(self, sock: socket.socket, data: bytes) -> None:
        """Send byte by byte, an eighth of every deadline apart, until the server has had enough."""
        with suppress(OSError):
            for byte in data:
                sock.sendall(bytes([byte]))
                self.pass_time(PATIENCE / 8)

    def connect(self, *, source: str = "127.0.0.1", timeout: float = PATIENCE) -> socket.socket:
        """Connect from a loopback address, so that a test can be several peers."""
        return socket.create_connection(("127.0.0.1", self.port), timeout, source_address=(source, 0))

    def ask(self, request: bytes, *, source: str = "127.0.0.1") -> bytes:
        """Send bytes and return all that comes until the server ends the connection."""
        with self.connect(source=source) as sock:
            sock.sendall(request)
            return read_to_end(sock)


def _later(now: Callable[[], float], seconds: float) -> float:
    return now() + seconds


def read_to_end(sock: socket.socket) -> bytes:
    received = b""
    while chunk := sock.recv(65536):
        received += chunk
    return received


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    """Start servers; they are stopped when the test ends. Keywords are those of WebServer, and `source`."""
    started: list[Running] = []

    def start(source: Published | None = None, **changes: Any) -> Running:
        source = source or Published()
        log = Lines()
        options = {
            "addresses": ["127.0.0.1:0"],
            "telemetry_path": "/metrics",
            "web_config": None,
            "limits": PATIENT,
            **changes,
        }
        server = WebServer(source, log=log, **options)
        addresses = server.bind()
        server.start()
        running = Running(server, source, log, addresses)
        started.append(running)
        return running

    yield start
    for running in started:
        running.server.stop()


@dataclass(frozen=True)
class Certificates:
    """Files of a server's certificate, and of clients that its CA does and does not know."""

    folder: Path
    ca: Path
    cert: Path
    key: Path
    client: Path
    stranger: Path

    def web_config(self, text: str = "", **keys: str) -> Path:
        """Write a web configuration: TLS with further `keys`, and `text`."""
        lines = [f"  {key}: {value}" for key, value in {"cert_file": "cert.pem", "key_file": "key.pem", **keys}.items()]
        path = self.folder / "web.yml"
        path.write_text("\n".join(["tls_server_config:", *lines, text]) + "\n")
        return path

    def renew(self, name: str) -> None:
        """Write a new certificate for `name` over the server's."""
        issued = trustme.CA().issue_cert(name, "127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(self.cert)
        issued.private_key_pem.write_to_path(self.key)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority, other = trustme.CA(), trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    paths = Certificates(
        folder=tmp_path,
        ca=tmp_path / "ca.pem",
        cert=tmp_path / "cert.pem",
        key=tmp_path / "key.pem",
        client=tmp_path / "client.pem",
        stranger=tmp_path / "stranger.pem",
    )
    authority.cert_pem.write_to_path(paths.ca)
    server.cert_chain_pems[0].write_to_path(paths.cert)
    server.private_key_pem.write_to_path(paths.key)
    authority.issue_cert("scraper@example.com").private_key_and_cert_chain_pem.write_to_path(paths.client)
    other.issue_cert("stranger@example.com").private_key_and_cert_chain_pem.write_to_path(paths.stranger)
    return paths
