"""HTTP/1.1 on loopback: reading requests, keeping connections, ending all of them at once."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys
import threading
from typing import TYPE_CHECKING, cast

from exporter.demo.messages import Reply, Request, Wire, message

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase

_LONGEST_LINE = 1 << 20
_HANDSHAKE_SECONDS = 10.0


def read_request(stream: BufferedIOBase) -> Request | None:
    """Read the next request, or None when the client has closed. Raises ValueError for what is no HTTP."""
    line = stream.readline(_LONGEST_LINE)
    if not line:
        return None
    method, target, version = line.decode("latin-1").split()
    if not target.startswith("/"):  # as to a proxy: http://host/path
        target = "/" + target.partition("//")[2].partition("/")[2]
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = {}
    while (line := stream.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(method, target, headers, stream.read(int(headers.get("content-length", 0))))


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    server: Server

    def setup(self) -> None:
        # The handshake belongs here and not to the accepting thread, which one silent client would stop.
        if self.server.tls is not None:
            self.request.settimeout(_HANDSHAKE_SECONDS)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        super().setup()
        self.server.opened(self.request)

    def finish(self) -> None:
        self.server.closed(self.request)
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def handle(self) -> None:
        wire = Wire(self.connection, self.server.stopped)
        while True:
            try:
                request = read_request(self.rfile)
            except ValueError:
                message(400, "Bad Request").deliver(wire)
                return
            if request is None:
                return
            reusable = self.server.answer(request).deliver(wire)
            if not reusable or request.headers.get("connection", "").lower() == "close":
                return


class Server(socketserver.ThreadingTCPServer):
    """Threads that answer by the given function. `port` 0 takes a free one."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, answer: Callable[[Request], Reply], port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on 127.0.0.1; nothing is answered before `start`."""
        self.answer = answer
        self.tls = tls
        self.stopped = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="circle", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port where it listens."""
        return "127.0.0.1", int(self.server_address[1])

    @property
    def url(self) -> str:
        """The base of its addresses, without a path."""
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close everything, answers under way too."""
        self.stopped.set()
        self.shutdown()
        self.server_close()
        self.drop_connections()
        self._thread.join()

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def drop_connections(self) -> None:
        """Close every open connection, as a server does that restarts."""
        with self._lock:
            connections = list(self._open)
        for each in connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection. Not as socketserver does: it sends a FIN first, and what ends in a reset must not."""
        cast("socket.socket", request).close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over a client that went away; anything else is an error of this program."""
        if not isinstance(sys.exception(), (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]
