"""uvicorn's HTTP/1.1 that keeps its place among the connections: at each step it says what phase it is in."""

from __future__ import annotations

import asyncio
import sys

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from exporter.web.http.connections import Connection, Connections, Phase

# Nothing is written to a connection in whose buffers more than this waits. With one more write it is what a slow reader
# takes; times the cap of connections it bounds the memory of all of them.
WRITE_BUFFER = 64 * 1024
# By so much can a header be larger than is allowed.
READ = 1024
# Of a large body more is parsed at once.
LARGE_READ = 16 * 1024
# What is taken from one sender before the next has a turn: asyncio's 256 KiB of hundreds keep a scrape waiting.
TURN = 32 * 1024


class Protocol(H11Protocol):
    """One connection. Whatever a client sends, it gets an answer or is closed; nothing here raises over it."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        connections: Connections,
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._connection = connection
        self._connections, self._limits = connections, connections.limits
        self._lingers = False
        self._body_bytes = self._chunk_lines = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request, with as long as its header may take."""
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        transport.max_size = TURN  # type: ignore[attr-defined]
        self._connection.abort = transport.abort
        self._connection.enter(Phase.HEADERS)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self._connection)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read in small pieces: h11 measures only headers that are incomplete, and parses a large one that is not."""
        if self._connection.phase is Phase.IDLE:
            self._connection.enter(Phase.HEADERS)
        start = 0
        while start < len(data) and not self._lingers and not self.transport.is_closing():
            in_body = self.conn.their_state is h11.SEND_BODY
            size = LARGE_READ if in_body and self.scope["path"] in self._limits.large_bodies else READ
            piece = data[start : start + size]
            start += size
            if self.conn.their_state is h11.DONE and len(self.conn.trailing_data[0]) > self._limits.header_bytes:
                # So much in advance of its answers: this one ends, and the rest is not kept.
                self.flow.pause_reading()
                self.cycle.keep_alive = False
                return
            if in_body and self._costs_too_much(piece):
                self._refuse_body()
                return
            super().data_received(piece)

    def handle_events(self) -> None:
        """Note when a header is complete and its answer begins; refuse one that would cost too much to parse."""
        if self.conn.their_state is h11.IDLE and header_lines(self.conn.trailing_data[0]) > self._limits.header_lines:
            self._connections.incidents.note("malformed", peer=self._connection.peer)
            self._answer(431)
            return
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._body_bytes = self._chunk_lines = 0
            self._connection.enter(Phase.RESPONSE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has only ended its own side, after a whole request; TLS knows no such thing."""
        whole = self.conn.their_state is not h11.SEND_BODY
        answering = whole and self._connection.phase is Phase.RESPONSE and self.scheme == "http"
        if answering:
            self.cycle.keep_alive = False
        return answering

    def on_response_complete(self) -> None:
        """Wait for the next request, or end the connection when this one's body was left unread."""
        if self.transport.is_closing():
            self._connection.enter(Phase.CLOSING)
        elif self.conn.their_state is h11.SEND_BODY:
            self._linger()
        else:
            self._connection.enter(Phase.HEADERS if self.conn.trailing_data[0] else Phase.IDLE)
            super().on_response_complete()
            # uvicorn's own timer is not needed, and it is left running when a connection is reset.
            self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's signature
        """Answer what is no HTTP; where an answer is already under way only the end of the connection is left."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._connections.incidents.note("malformed", peer=self._connection.peer)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(status)
        else:
            self._end()

    def _costs_too_much(self, piece: bytes) -> bool:
        self._body_bytes += len(piece)
        if any(name == b"transfer-encoding" for name, _ in self.headers):
            self._chunk_lines += piece.count(b"\n")
        most = self._limits.large_bodies.get(self.scope["path"], self._limits.body_bytes)
        return self._body_bytes > most or self._chunk_lines > self._limits.chunk_lines

    def _refuse_body(self) -> None:
        """Read no more of a body that is too large, and say so unless an answer is already under way."""
        self.flow.pause_reading()
        if self.conn.our_state is h11.SEND_RESPONSE:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._answer(413)

    def _answer(self, status: int) -> None:
        body = STATUS_PHRASES[status] + b"\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        answer = self.conn.send(response) + self.conn.send(h11.Data(data=body)) + self.conn.send(h11.EndOfMessage())
        self.transport.write(answer)
        self._linger()

    def pause_writing(self) -> None:
        """Stop producing: the client reads slower than we write."""
        self._connection.stall(stalled=True)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._connection.stall(stalled=False)
        super().resume_writing()

    def shutdown(self) -> None:
        """End after the answer under way, or now."""
        if self._connection.phase is Phase.RESPONSE:
            self.cycle.keep_alive = False
        else:
            self._end()

    def _linger(self) -> None:
        """End our side and leave the rest unread for a moment: closing at once would reset an answer not yet read."""
        self._lingers = True
        self._connection.enter(Phase.CLOSING)
        self.flow.pause_reading()
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the client has reset the connection, and the loop does not know it yet
            self.transport.abort()

    def _end(self) -> None:
        self._connection.enter(Phase.CLOSING)
        self.transport.close()


def header_lines(received: bytes) -> int:
    """Count the lines of the header that these bytes begin with."""
    return received.partition(b"\r\n\r\n")[0].count(b"\n")
