"""Sockets on which a whole request has one time limit and one size limit, and which a stop interrupts.

A socket's own timeout is the gap between two bytes: a server that sends one byte a second never exceeds it. Here
every operation gets what is left of the request's budget, which belongs to the thread: a connection is used by
one thread at a time. Waits are cut into slices to see a stop.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from exporter.errors import RequestTimeout, Stopped, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import ReadableBuffer

    Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
    Options = Iterable[tuple[int, int, int | bytes]]

T = TypeVar("T")
SLICE = 0.1


@dataclass(slots=True)
class Budget:
    """What one request may still use: time until a moment of the monotonic clock, and bytes to receive."""

    until: float
    size: int
    stop: threading.Event
    received: int = 0
    connected: bool = False  # whether a connection was opened for this request, rather than a kept one used

    def __enter__(self) -> Self:
        """Make it the budget of this thread's sockets."""
        _thread.budget = self
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing may be sent or received without a budget."""
        del _thread.budget

    def left(self) -> float:
        """Seconds left. Raises RequestTimeout or Stopped when there are none."""
        if self.stop.is_set():
            raise Stopped
        left = self.until - time.monotonic()
        if left <= 0:
            raise RequestTimeout("the request took too long")
        return left

    def spend(self, received: int) -> None:
        """Count received bytes, headers and framing too. Raises TooLargeError when they are too many."""
        self.received += received
        if self.received > self.size:
            raise TooLargeError(f"the answer is larger than {self.size} bytes")


class _Thread(threading.local):
    budget: Budget


_thread = _Thread()


def _patiently(sock: socket.socket, operation: Callable[..., T], *args: object) -> T:
    """Try an operation that changes nothing when it times out until it is done or the budget is spent."""
    while True:
        sock.settimeout(min(_thread.budget.left(), SLICE))
        try:
            return operation(*args)
        except TimeoutError:
            continue


class BoundedSocket(socket.socket):
    """A TCP socket that keeps to its thread's budget."""

    def recv(self, *args: object) -> bytes:
        data: bytes = _patiently(self, super().recv, *args)
        _thread.budget.spend(len(data))
        return data

    def recv_into(self, *args: object) -> int:
        received: int = _patiently(self, super().recv_into, *args)
        _thread.budget.spend(received)
        return received

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        self.settimeout(_thread.budget.left())
        super().sendall(data, flags)

    def dial(self, address: tuple[Any, ...] | str, seconds: float) -> None:
        """Connect within so many seconds of the budget."""
        until = time.monotonic() + seconds
        self.setblocking(False)
        code = self.connect_ex(address)
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        while code in {errno.EINPROGRESS, errno.EINTR}:
            left = min(_thread.budget.left(), until - time.monotonic(), SLICE)
            if left <= 0:
                code = errno.ETIMEDOUT
            elif poll.poll(left * 1000):
                code = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self.settimeout(SLICE)  # TLS is not begun on a socket that never waits


class BoundedTLSSocket(BoundedSocket, ssl.SSLSocket):
    """A TLS socket that keeps to its thread's budget, its handshake included."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            _patiently(self, super().do_handshake, block)
        except (RequestTimeout, Stopped):  # for these the standard library would not close
            self.close()
            raise


def dial(host: str, port: int, options: Options) -> BoundedSocket:
    """Connect to a host, its name's look-up included."""
    _thread.budget.connected = True
    return connect(resolve(host, port), options)


def connect(addresses: Sequence[Address], options: Options) -> BoundedSocket:
    """Connect to the first address that answers. Each has an equal share of the time left."""
    failure = OSError(errno.EADDRNOTAVAIL, "the name has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = BoundedSocket(family, kind, protocol)
            try:
                for option in options:
                    sock.setsockopt(*option)
                sock.dial(address, _thread.budget.left() / (len(addresses) - number))
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            failure = error
        else:
            return sock
    raise failure


def resolve(host: str, port: int, look_up: Callable[..., Sequence[Address]] = socket.getaddrinfo) -> Sequence[Address]:
    """The addresses of a host. A look-up cannot be interrupted, so it is left to a thread that may outlive us."""
    found: list[Sequence[Address] | OSError | UnicodeError] = []
    done = threading.Event()

    def ask() -> None:
        try:
            found.append(look_up(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)
        done.set()

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    while not done.wait(min(_thread.budget.left(), SLICE)):
        pass
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]
