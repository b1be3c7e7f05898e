"""Ports for those that are killed and come back at the same address."""

from __future__ import annotations

import contextlib
import secrets
import socket

PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to outgoing connections, which could take a port while its owner is killed."""


def free_port() -> int:
    """A port that whoever was killed finds free again."""
    while True:
        port = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
