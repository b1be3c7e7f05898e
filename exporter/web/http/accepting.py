"""From a listening socket to a protocol: each connection has its place and its deadline before its TLS handshake."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable

from exporter.web.http.connections import Connection, Connections, Phase, peer_of

ACCEPTED_IN_A_ROW = 16
PAUSE_SECONDS = 0.1


class Acceptor:
    """Accepts on all listeners of one server. `context` gives the TLS context that is in force at the moment."""

    def __init__(
        self,
        connections: Connections,
        context: Callable[[], ssl.SSLContext | None],
        protocol: Callable[[Connection], asyncio.Protocol],
    ) -> None:
        self._connections, self._context, self._protocol = connections, context, protocol
        self._loop = asyncio.get_running_loop()
        self._listeners: set[socket.socket] = set()
        self._attaching: set[asyncio.Task[None]] = set()

    def start(self, listeners: Iterable[socket.socket]) -> None:
        self._listeners.update(listeners)
        for listener in self._listeners:
            self._listen_on(listener)

    def stop(self) -> None:
        """Accept nothing more; handshakes under way go on."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._listeners.clear()

    def _listen_on(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept some of the connections that wait, and come back for more after what else is to be done."""
        for _ in range(ACCEPTED_IN_A_ROW):
            try:
                sock, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of file descriptors: the listener would be reported again at once.
                self._connections.incidents.note("accept", error=str(error))
                self._loop.remove_reader(listener)
                self._loop.call_later(PAUSE_SECONDS, self._listen_on, listener)
                return
            sock.setblocking(False)
            self._admit(sock, peer_of(address[0]))

    def _admit(self, sock: socket.socket, peer: str) -> None:
        connection = self._connections.admit(peer, lambda: None)
        if connection is None:
            sock.close()
            return
        task = self._loop.create_task(self._attach(sock, connection))
        connection.abort = task.cancel
        self._attaching.add(task)

        def attached(task: asyncio.Task[None]) -> None:
            self._attaching.discard(task)
            if task.cancelled():
                # It lost its place before it had begun, so nobody else closes it.
                sock.close()

        task.add_done_callback(attached)

    async def _attach(self, sock: socket.socket, connection: Connection) -> None:
        """Make the handshake, if there is one, and hand the connection to its protocol."""
        context = self._context()
        limits = self._connections.limits
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(connection),
                sock,
                ssl=context,
                ssl_handshake_timeout=limits.handshake if context else None,
                ssl_shutdown_timeout=limits.closing if context else None,
            )
        except (OSError, asyncio.CancelledError) as error:
            if connection.phase is Phase.HANDSHAKE and isinstance(error, OSError):
                self._connections.incidents.note("handshake", peer=connection.peer, error=str(error))
            self._connections.leave(connection)
            sock.close()
