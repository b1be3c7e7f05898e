"""Addresses as Prometheus exporters take them, and the sockets that listen there."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from exporter.errors import ConfigError, StartError, UnexpectedValue

FLAG = "--web.listen-address"
BACKLOG = 1024
# What the kernel may hold for a client before it is sent: it would take megabytes from us for each that does not read.
UNSENT = 128 * 1024
_ALLOWED = (
    "[HOST]:PORT with a port from 0 to 65535 and IPv6 in brackets, such as :10115, 127.0.0.1:10115 or [::1]:10115"
)
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host, empty for all of this machine's addresses, and a port, 0 for any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `[HOST]:PORT`. Raise ConfigError when it is something else."""
        host, colon, digits = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        plain = digits.isascii() and digits.isdigit() and len(digits) <= len(str(_LARGEST_PORT))
        sound = (
            colon and plain and int(digits) <= _LARGEST_PORT and (bracketed == (":" in host)) and host.strip() == host
        )
        if not sound or any(sign in host for sign in "[]/ @"):
            raise ConfigError((UnexpectedValue(FLAG, "", repr(text), _ALLOWED),))
        return cls(host, int(digits))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen(address: Address) -> socket.socket:
    """Return a listening, non-blocking socket. Raise StartError when the address cannot be had.

    It is made with IPPROTO_TCP: asyncio switches Nagle's algorithm off only where the protocol number says TCP,
    and with it on a kept connection waits 40 ms for each answer.
    """
    try:
        if not address.host:
            return _listen_everywhere(address.port)
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name can have several addresses; as in Go, one is taken, and rather an IPv4 one.
        family, _, _, _, name = min(found, key=lambda item: item[0] != socket.AF_INET)
        return _open(family, name, dual=address.host == "::")
    except (OSError, UnicodeError) as error:
        raise StartError(f"cannot listen on {address}: {_reason(error)}") from None


def listening(sock: socket.socket) -> str:
    """Return the address that a socket really has, as an operator would write it."""
    host, port = sock.getsockname()[:2]
    return str(Address(host, port))


def _listen_everywhere(port: int) -> socket.socket:
    try:
        return _open(socket.AF_INET6, ("::", port), dual=True)
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return _open(socket.AF_INET, ("0.0.0.0", port), dual=False)  # noqa: S104  all addresses is what was asked for


def _open(family: int, name: tuple[object, ...], *, dual: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        sock.bind(name)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "address already in use"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
