"""Servers on loopback that speak byte by byte what a test tells them to."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeAlias

from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

Script: TypeAlias = "Callable[[Peer], None]"


class Peer:
    """One accepted connection, from the server's side."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        self._received = b""

    def request(self) -> str:
        """The next request's head, or nothing when the client has gone."""
        while b"\r\n\r\n" not in self._received:
            data = self.sock.recv(65536)
            if not data:
                return ""
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        self.server.requests.append(text)
        return text

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send one byte at a time until the client goes, or all is sent."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self.server.ended.wait(every):
                return

    def hang(self) -> None:
        """Say nothing until the client goes or the test ends."""
        self.sock.settimeout(0.05)
        while not self.server.ended.is_set():
            try:
                if not self.sock.recv(65536):
                    return
            except TimeoutError:
                continue


class Server:
    """Runs `script` in a thread for each connection; remembers the heads of all requests."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script, self._tls = script, tls
        self.requests: list[str] = []
        self.connections = 0
        self.ended = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            close(sock)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    @property
    def lines(self) -> list[str]:
        """The request lines."""
        return [head.split("\r\n", 1)[0] for head in self.requests]

    @property
    def targets(self) -> list[str]:
        """What was asked for, as it stood on the wire."""
        return [line.split(" ")[1] for line in self.lines]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _run(self, sock: socket.socket) -> None:
        self._open.add(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        spoken = sock
        try:
            if self._tls:
                spoken = self._tls.wrap_socket(sock, server_side=True)
                self._open.add(spoken)
            self._script(Peer(self, spoken))
        except OSError:
            pass  # the client went
        finally:
            self._open -= {sock, spoken}
            close(spoken)


def close(sock: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def response(
    body: object = None, status: int = 200, headers: Iterable[tuple[str, object]] = (), *, length: int | None = None
) -> bytes:
    """A whole response; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps({"items": []} if body is None else body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": len(content) if length is None else length}
    lines |= dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + content


def answering(*responses: bytes | Callable[[str], bytes]) -> Script:
    """A script that answers each request with the next response, and with the last one from then on."""
    left = list(responses)
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        while head := peer.request():
            with lock:
                chosen = left.pop(0) if len(left) > 1 else left[0]
            peer.send(chosen if isinstance(chosen, bytes) else chosen(head))

    return script


def refused_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
