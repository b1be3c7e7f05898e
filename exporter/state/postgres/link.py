"""One connection to the database: made when it is needed, and no round trip without a limit.

The driver waits for a silent server for ever. A watchdog shuts the socket of a round trip that takes too long, so that
the driver sees the end of the connection.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import ClientCursor

from exporter.state.postgres.dialect import adapted
from exporter.state.postgres.login import Connection, Login

LOOK_EVERY: Final = 0.1
CLOSING: Final = 0.5
Rows = list[tuple[Any, ...]]


class Link:
    """A connection that one thread at a time uses. `limit` is of each round trip, in seconds."""

    def __init__(self, login: Login, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._login, self._limit, self._clock = login, limit, clock
        self._connection: Connection | None = None
        self._using = threading.RLock()
        self._guarded = threading.Lock()
        self._socket: socket.socket | None = None
        self._until: float | None = None
        self._closed = threading.Event()
        self.number = 0
        """How often it has connected: what a transaction began on one connection does not go on on another."""
        threading.Thread(target=self._watch, name="database watchdog", daemon=True).start()

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.closed

    @property
    def in_failed_transaction(self) -> bool:
        """Whether the server has said that the transaction under way has failed, and so was not committed."""
        connection = self._connection
        return connection is not None and connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR

    def connect(self) -> Connection:
        """The connection, made where there is none. Raises psycopg.Error or StartError."""
        if self._connection is not None and self.is_open and not self._was_ended():
            return self._connection
        self._drop()
        if self._closed.is_set():
            raise psycopg.OperationalError("the connection was closed")
        connection = self._login.connect()
        with self._guarded:
            self._connection = connection
            self.number += 1
            self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        return connection

    def write(self, statement: str, values: Sequence[Any]) -> str:
        """A statement of the tables with its values in it. Raises psycopg.Error."""
        with self._using:
            return ClientCursor(self.connect()).mogrify(adapted(statement), values)

    def run(self, *statements: str, limit: float | None = None) -> list[Rows]:
        """Run complete statements in one round trip; returns what each found. Raises psycopg.Error."""
        with self._using:
            connection = self.connect()
            with self._watched(self._limit if limit is None else limit):
                try:
                    cursor = connection.execute(";\n".join(statements))
                    found = []
                    while True:
                        found.append(cursor.fetchall() if cursor.description else [])
                        if not cursor.nextset():
                            return found
                except psycopg.Error:
                    if connection.closed or self._closed.is_set():
                        self._drop()
                    raise

    def roll_back(self) -> None:
        """End a transaction that failed; where even that fails, end the connection."""
        if self.is_open:
            try:
                self.run("ROLLBACK")
            except psycopg.Error:
                self._drop()

    def close(self) -> None:
        """Close the connection, whatever it waits for.

        The driver does not bear that another thread frees a connection that it waits on: what uses it is cut off, and
        frees it.
        """
        self._closed.set()
        self._cut()
        if self._using.acquire(timeout=CLOSING):
            self._drop()
            self._using.release()

    @contextmanager
    def _watched(self, limit: float) -> Iterator[None]:
        with self._guarded:
            self._until = self._clock() + limit
        try:
            yield
        finally:
            with self._guarded:
                self._until = None

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_EVERY):
            with self._guarded:
                late = self._until is not None and self._clock() > self._until
            if late:
                self._cut()

    def _was_ended(self) -> bool:
        """Whether the server has ended a connection that was idle: unasked, it says nothing else."""
        connection = self._connection
        if connection is None or connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
            return False
        return bool(select.select([connection.fileno()], [], [], 0)[0])

    def _cut(self) -> None:
        with self._guarded:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        with self._guarded:
            if self._socket is not None:
                self._socket.close()
            connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            connection.close()
