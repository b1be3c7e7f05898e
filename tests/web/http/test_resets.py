"""A client that resets its connection in the middle of an answer."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from exporter.web.http.connections import Connections, Limits
from exporter.web.http.incidents import Incidents
from exporter.web.http.protocol import Protocol
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
RESETS = struct.pack("ii", 1, 0)
"""Of SO_LINGER: closing sends a reset."""


def test_a_reset_between_the_answer_and_the_end_of_our_side_is_no_defect() -> None:
    answered: list[bool] = []

    async def conversation() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
            ours, _ = listener.accept()
        done = asyncio.Event()

        async def app(_scope: object, _receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
            await send({"type": "http.response.start", "status": 408, "headers": [(b"content-length", b"0")]})
            client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
            client.close()  # and the loop, which is busy here, has not seen it
            try:
                await send({"type": "http.response.body"})
                answered.append(True)
            finally:
                done.set()

        config = Config(app, ws="none", interface="asgi3", log_config=None)
        config.load()
        connections = Connections(Limits(), Incidents(structlog.get_logger()), loop.time)
        connection = connections.admit("client", lambda: None)
        assert connection is not None
        await loop.connect_accepted_socket(lambda: Protocol(config, ServerState(), loop, connection, connections), ours)
        client.sendall(REQUEST)
        await asyncio.wait_for(done.wait(), PATIENCE)

    asyncio.run(conversation())
    assert answered == [True]
