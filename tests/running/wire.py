"""The wire between a replica and its database: it passes bytes on, falls silent, is cut, or is not there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from typing import Literal, Self

from tests.running.waiting import PATIENCE

Mode = Literal["passes", "silent", "cut"]
CHUNK = 65_536
LOOK, RENEWAL, COMMIT = b"SELECT lease_now(), shard", b"UPDATE lease SET until = lease_now() +", b"COMMIT"
"""In what a standby asks, in what a leader asks, and at the end of each transaction."""


def commits_rows(data: bytes) -> bool:
    """Whether this ends a transaction that adds some rows."""
    return COMMIT in data and b"INSERT INTO" in data


class Wire:
    """A TCP proxy on loopback, from `__enter__` to `__exit__`. Its modes may change at any time."""

    def __init__(self, port: int) -> None:
        """Pass on to a port of loopback."""
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.mode: Mode = "passes"
        self.cuts = self.refused = self.held = 0
        """Commits that were cut, connections that were not taken, and pieces held back while it was silent."""
        self.passed: Counter[bytes] = Counter()
        """How often each was asked of the database."""
        self._open: set[socket.socket] = set()
        self._cut_commit: str | None = None
        self._hold: bytes | None = None
        self.holds = threading.Event()
        """Set while what was to be held back is here."""
        self._let_go = threading.Event()
        self._kept_back: dict[socket.socket, threading.Event] = {}
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._flowing.set()
        self.let_go()
        self._close_all()

    def fall_silent(self) -> None:
        """Pass nothing on, and say nothing of it: as a network that is parted."""
        self.mode = "silent"
        self._flowing.clear()

    def cut(self) -> None:
        """Reset every connection, and take no other."""
        self.mode = "cut"
        self._close_all()

    def heal(self) -> None:
        """Pass everything on; what was held back while it was silent is lost with its connection."""
        if self.mode == "silent":
            self._close_all()
        self.mode = "passes"
        self._flowing.set()

    def cut_next_commit(self, *, reaches: bool) -> None:
        """Cut the connection of the next commit of some rows: once it has reached the database, or just before."""
        with self._lock:
            self._cut_commit = "after" if reaches else "before"

    def hold_next(self, mark: bytes) -> None:
        """Hold back the next statement with this mark, of commits the next of some rows, until `let_go`."""
        with self._lock:
            self._hold = mark
            self.holds.clear()
            self._let_go.clear()

    def let_go(self) -> None:
        """Pass on what is held back, or hold back nothing."""
        with self._lock:
            self._hold = None
        self._let_go.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "cut":
                client.close()
                self.refused += 1
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._to), PATIENCE)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for one, other, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(one, other), kwargs={"asks": asks}, daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, *, asks: bool) -> None:
        try:
            while data := one.recv(CHUNK):
                if not self._flowing.is_set():
                    self._count(held=1)
                self._flowing.wait()
                if asks:
                    self._keep_back(data)
                if asks and commits_rows(data) and self._cuts(other, data):
                    break
                if one in self._kept_back:
                    self._kept_back.pop(one).set()
                    break
                other.sendall(data)
                if asks:
                    self._count(*(mark for mark in (LOOK, RENEWAL, COMMIT) if mark in data))
        except OSError:
            pass
        finally:
            self._close(one)
            self._close(other)

    def _keep_back(self, data: bytes) -> None:
        with self._lock:
            mark = self._hold
            if mark is None or mark not in data or (mark == COMMIT and not commits_rows(data)):
                return
            self._hold = None
        self.holds.set()
        self._let_go.wait()
        self.holds.clear()

    def _count(self, *marks: bytes, held: int = 0) -> None:
        with self._lock:
            self.held += held
            self.passed.update(marks)

    def _cuts(self, other: socket.socket, data: bytes) -> bool:
        with self._lock:
            when, self._cut_commit = self._cut_commit, None
        if when is None:
            return False
        self.cuts += 1
        if when == "after":
            done = self._kept_back[other] = threading.Event()
            other.sendall(data)
            done.wait(PATIENCE)  # the server has answered
        return True

    def _close(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _close_all(self) -> None:
        with self._lock:
            everything = list(self._open)
        for sock in everything:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
