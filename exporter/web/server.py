"""The server: a thread with an event loop of its own, the listening sockets, and the clock that ends what lasts.

uvicorn speaks HTTP; connections are accepted by ourselves, so that each is under the caps from its first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from asyncio import sslproto
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

from uvicorn.config import Config
from uvicorn.server import ServerState

from exporter.errors import StartError
from exporter.web.app import App, check_telemetry_path
from exporter.web.http.accepting import Acceptor
from exporter.web.http.connections import Connections, Limits, affordable
from exporter.web.http.incidents import Incidents, Log, describe
from exporter.web.http.listen import Address, listen, listening
from exporter.web.http.protocol import Protocol
from exporter.web.page.html import Page
from exporter.web.settings import LiveSettings
from exporter.web.source import Source
from exporter.web.webhooks import LARGEST_BODY, Webhooks
from exporter.web.webhooks import PATH as WEBHOOKS

WATCH_SECONDS = 2.0
TLS_READ = 16 * 1024
FRAMING = 64 * 1024
"""Bytes on the wire that a large body may have beyond its own."""
_NEVER = 10**6


class WebServer:
    """Serves `source`: `bind`, `start`, `stop`, each once and in this order."""

    def __init__(
        self,
        source: Source,
        *,
        addresses: Sequence[str],
        telemetry_path: str,
        web_config: Path | None,
        log: Log,
        limits: Limits | None = None,
        refresh_seconds: int = 15,
        counted: Callable[[str], None] = lambda _: None,
        webhooks: Webhooks | None = None,
        leader: Callable[[], bool] | None = None,
    ) -> None:
        self._source, self._webhooks, self._leader = source, webhooks, leader
        self._addresses = [Address.parse(address) for address in addresses]
        self._telemetry_path = check_telemetry_path(telemetry_path)
        self._web_config, self._log = web_config, log
        self._limits = limits or Limits()
        if webhooks:
            self._limits = replace(self._limits, large_bodies={WEBHOOKS: LARGEST_BODY + FRAMING})
        self._page = Page(source.overview, telemetry_path=telemetry_path, refresh_seconds=refresh_seconds)
        self.incidents = Incidents(log, counted=counted)
        # Work that may take a while, each kind behind its own kind only.
        self._workers = [ThreadPoolExecutor(1, f"web-{kind}") for kind in ("logins", "pages", "files", "hints")]
        self._logins, self._pages, self._files, self._hints = self._workers
        self._sockets: list[socket.socket] = []
        self._running = threading.Event()
        self._ended_badly = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def bind(self) -> list[str]:
        """Read the web configuration, take the addresses and return them as they really are.

        Raise ConfigError for a mistake in the file, StartError for a certificate or an address that cannot be used.
        """
        self._settings = LiveSettings(self._web_config, self._logins, self._log, self.incidents)
        self._limits = affordable(self._limits)
        try:
            for address in self._addresses:
                self._sockets.append(listen(address))
        except StartError:
            self._close_sockets()
            raise
        return [listening(sock) for sock in self._sockets]

    def start(self) -> None:
        """Begin to answer. It returns once connections are accepted; raise StartError when they cannot be."""
        self._thread.start()
        self._running.wait()
        if self._ended_badly:
            raise StartError("could not start the web server")
        tls = self._settings.newest.context is not None
        for sock in self._sockets:
            self._log.info("listening", address=listening(sock), tls=tls)

    def stop(self, timeout: float = 1.0) -> None:
        """Accept nothing more, give answers under way half of `timeout` seconds to end, then end them."""
        if self._thread.is_alive():
            self._grace = timeout / 2
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout)
        self._close_sockets()
        for executor in self._workers:
            executor.shutdown(wait=False, cancel_futures=True)

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()

    def _run(self) -> None:
        # By default each TLS connection keeps 256 KiB to read into. What comes is small, and there may be hundreds.
        sslproto.SSLProtocol.max_size = TLS_READ
        try:
            with self.incidents.replacing_foreign_logs():
                asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001  the thread ends here, and somebody has to say why
            self._ended_badly = True
            self._log.error("web server stopped unexpectedly", error=describe(error))
        finally:
            self._running.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self.incidents.from_loop)
        self._stopping = asyncio.Event()
        self._connections = Connections(self._limits, self.incidents, self._loop.time)
        self._state = ServerState()
        app = App(
            self._source,
            self._page,
            telemetry_path=self._telemetry_path,
            settings=lambda: self._settings.newest,
            limits=self._limits,
            incidents=self.incidents,
            pages=self._pages,
            files=self._files,
            hints=self._hints,
            webhooks=self._webhooks,
            leader=self._leader,
        )
        self._config = Config(
            app.asgi,
            http=Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # Below it uvicorn warns of each malformed request; those are counted here.
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=self._limits.header_bytes,
            # The deadlines of `Limits` hold instead.
            timeout_keep_alive=_NEVER,
        )
        self._config.load()
        self._set_date()
        shortest = min(self._limits.headers, self._limits.stall, self._limits.idle, self._limits.closing)
        background = [
            self._loop.create_task(self._every(min(1.0, shortest / 4), self._sweep)),
            self._loop.create_task(self._every(WATCH_SECONDS, self._watch)),
        ]
        acceptor = Acceptor(
            self._connections,
            lambda: self._settings.newest.context,
            lambda connection: Protocol(self._config, self._state, self._loop, connection, self._connections),
        )
        acceptor.start(self._sockets)
        self._running.set()
        await self._stopping.wait()
        acceptor.stop()
        for task in background:
            task.cancel()
        await self._end_connections()

    async def _sweep(self) -> None:
        self._set_date()
        self._connections.sweep()

    async def _watch(self) -> None:
        await self._loop.run_in_executor(self._files, self._settings.look)

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await act()
            except Exception as error:  # noqa: BLE001  whatever it is, the next time may be better
                self.incidents.note("defect", error=describe(error))

    async def _end_connections(self) -> None:
        for protocol in list(self._state.connections):
            protocol.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=self._grace)
        for task in self._state.tasks:
            task.cancel()
        for connection in self._connections.all():
            self._connections.drop(connection)

    def _set_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
