"""Hostile clients, in a process of their own so that they do not slow down the scrapes in their midst.

python -m tests.web.crowd NAME PORT

It attacks the server at a loopback port until its standard input ends, and says when it begins.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from socket import create_connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

MEGABYTE = 1024 * 1024
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(port: int) -> socket:
    return create_connection(("127.0.0.1", port), 10)


def drips(port: int, over: threading.Event) -> None:
    """500 connections that send one byte a second."""
    socks = [connect(port) for _ in range(500)]
    position = 0
    while not over.is_set():
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.send(GET[position % len(GET) :][:1])
        position += 1
        over.wait(1.0)
    for sock in socks:
        sock.close()


def silence(port: int, over: threading.Event) -> None:
    """500 connections that say nothing, in the middle of a handshake where there is one."""
    socks = [connect(port) for _ in range(500)]
    over.wait()
    for sock in socks:
        sock.close()


def repeated(clients: int, act: Callable[[int], None]) -> Callable[[int, threading.Event], None]:
    """Let as many clients do something again and again, whatever becomes of it."""

    def attack(port: int, over: threading.Event) -> None:
        def go_on() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
                    act(port)

        with ThreadPoolExecutor(clients) as crowd:
            for _ in range(clients):
                crowd.submit(go_on)

    return attack


def large_headers(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 10_900 + b"\r\n")
        sock.recv(100)


def largest_headers_allowed(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(
            b"GET /nowhere HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 190 + b"b: " + b"x" * 15_000 + b"\r\n" + b"\r\n"
        )
        sock.recv(100)


def gigabyte(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(1024):
            sock.sendall(b"x" * MEGABYTE)


def endless_chunks(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100_000):
            sock.sendall(b"1\r\nx\r\n" * 1000)


WEBHOOK = b"POST /webhooks/circleci HTTP/1.1\r\nHost: x\r\nCircleci-Signature: v1=" + b"0" * 64 + b"\r\n"


def forged_webhooks(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(WEBHOOK + b"Content-Length: 1048576\r\nConnection: close\r\n\r\n" + b"x" * MEGABYTE)
        while sock.recv(262_144):
            pass


def unsigned_webhooks(port: int) -> None:
    with connect(port) as sock:
        for _ in range(100):
            sock.sendall(b"POST /webhooks/circleci HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            sock.recv(4096)


def endless_webhooks(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(100_000):
            sock.sendall(b"1\r\nx\r\n" * 1000)


def unfinished_webhooks(port: int, over: threading.Event) -> None:
    """300 connections that send all of a large body but its end."""
    socks = [connect(port) for _ in range(300)]
    for sock in socks:
        with contextlib.suppress(OSError):
            sock.sendall(WEBHOOK + b"Content-Length: 1048576\r\n\r\n" + b"x" * (MEGABYTE - 1))
    over.wait()
    for sock in socks:
        sock.close()


def pipelined_garbage(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"\x00\xff garbage\r\n\r\n" * 1000)
        while sock.recv(262_144):
            pass


def never_reading(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(GET)
        time.sleep(1.5)


def come_and_go(port: int) -> None:
    connect(port).close()


def pages(port: int) -> None:
    with connect(port) as sock:
        sock.sendall(b"GET /?q=build+1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while sock.recv(262_144):
            pass


def wrong_logins(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    with contextlib.closing(connection):
        wrong = base64.b64encode(b"alice:wrong").decode()
        connection.request("GET", "/metrics", headers={"Authorization": f"Basic {wrong}"})
        assert connection.getresponse().status in (401, 503)


PLAIN_ATTACKS = {
    "500 drips": drips,
    "500 silent connections": silence,
    "20 x 64 KiB of headers": repeated(20, large_headers),
    "20 x the largest headers allowed": repeated(20, largest_headers_allowed),
    "10 x 1 GiB for reload": repeated(10, gigabyte),
    "10 x endless chunks for reload": repeated(10, endless_chunks),
    "20 x 1 MiB of a forged webhook": repeated(20, forged_webhooks),
    "20 x a hundred unsigned webhooks": repeated(20, unsigned_webhooks),
    "10 x endless chunks of a webhook": repeated(10, endless_webhooks),
    "300 x a webhook that does not end": unfinished_webhooks,
    "20 x pipelined garbage": repeated(20, pipelined_garbage),
    "100 that never read 10 MB": repeated(100, never_reading),
    "20 that come and go": repeated(20, come_and_go),
    "20 x the page of 25,000 workflows": repeated(20, pages),
}
SECURED_ATTACKS = {
    "500 drips into the handshake": drips,
    "500 silent handshakes": silence,
    "50 wrong logins": repeated(50, wrong_logins),
}


def main(arguments: list[str]) -> None:
    name, port = arguments
    over = threading.Event()
    attack = (PLAIN_ATTACKS | SECURED_ATTACKS)[name]
    attacking = threading.Thread(target=attack, args=(int(port), over))
    attacking.start()
    print("attacking", flush=True)  # noqa: T201
    sys.stdin.read()
    over.set()
    attacking.join()


if __name__ == "__main__":
    main(sys.argv[1:])
