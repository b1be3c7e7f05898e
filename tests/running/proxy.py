"""A proxy on loopback: passes requests on, opens tunnels, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

CHUNK = 65536


class Proxy:
    """Runs from `__enter__` to `__exit__`; `heads` are the heads of the requests that it was sent itself."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.heads: list[str] = []
        self._refuses = refuses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in [self._listener, *self._open]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    @property
    def asked(self) -> list[str]:
        """Method and target of each request."""
        return [" ".join(head.split(" ", 2)[:2]) for head in self.heads]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        received = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in received:
                if not (data := client.recv(CHUNK)):
                    return
                received += data
            head = received.partition(b"\r\n\r\n")[0].decode("latin-1")
            self.heads.append(head)
            method, target, _ = head.split(" ", 2)
            if self._refuses:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                client.close()
                return
            place = urlsplit(f"//{target}" if method == "CONNECT" else target)
            server = socket.create_connection((place.hostname or "", place.port or 0))
            self._open.append(server)
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = target.removeprefix(f"{place.scheme}://{place.netloc}") or "/"
                line, _, rest = received.partition(b"\r\n")
                line = line.replace(target.encode("latin-1"), path.encode("latin-1"), 1)
                server.sendall(line + b"\r\nConnection: close\r\n" + rest)  # so that each request comes by here
            threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
            _pass_on(client, server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
