"""A signal ends the process at once and well, whatever it is waiting for."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import configuration, slug_of
from tests.faults.conftest import TOKEN
from tests.running.program import Exporter
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.circleci import RemoteCircle

SLUGS = [slug_of(number) for number in range(12)]

# A name server that never answers cannot be had on loopback without changing the system's resolver: the look-up itself
# is blocked instead, in C and deaf to everything, as getaddrinfo is while it waits for one.
DEAF = """
import ctypes, socket
libc, look_up = ctypes.CDLL(None), socket.getaddrinfo
def deaf(host, *rest, **more):
    return libc.sleep(3600) if host == "circleci.example.com" else look_up(host, *rest, **more)
socket.getaddrinfo = deaf
"""


@pytest.fixture(autouse=True)
def healed(circle: RemoteCircle) -> Iterator[None]:
    yield
    circle.reset()


def busy(circle: RemoteCircle, kind: str, count: int) -> Callable[[], bool]:
    return lambda: [one["fault"] for one in circle.requests()].count(kind) >= count


WAITS = {
    "while a body drips": ("drip_body", {"interval": 1.0}, 4),
    "while headers drip": ("drip_headers", {"interval": 1.0}, 4),
    "while a server says nothing": ("hang", {}, 4),
    "during a pause of an hour": ("throttle", {"retry_after": 3600}, 1),
    "while a retry is waited for": ("unavailable", {}, 8),
    "while 503 asks for five minutes": ("status", {"code": 503, "headers": {"Retry-After": "300"}}, 4),
    "while 40 MiB are read": ("oversize", {}, 2),
    "while pages never end": ("endless_pages", {}, 50),
}


@pytest.mark.parametrize(("kind", "options", "count"), WAITS.values(), ids=WAITS.keys())
def test_a_scrape_is_answered_and_a_stop_is_over_at_once_with_exit_code_0(
    kind: str, options: dict[str, object], count: int, circle: RemoteCircle, tmp_path: Path
) -> None:
    circle.fail(kind, "", **options)
    config = configuration(circle, SLUGS, timeout="10m", concurrency=4, state=tmp_path / "state.db")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        wait_until(busy(circle, kind, count))
        exporter.scrape()
        assert exporter.stop()[0] == 0
        assert "Traceback" not in exporter.log


def test_a_stop_while_a_name_is_looked_up_does_not_wait_for_it(tmp_path: Path, circle: RemoteCircle) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEAF)
    config = configuration(circle, SLUGS, timeout="10m").replace(circle.url, "https://circleci.example.com")
    environ = {"PYTHONPATH": str(tmp_path)}
    with Exporter(tmp_path, config, token=TOKEN, environ=environ) as exporter:
        exporter.until(lambda scrape: scrape.get("projects") == 12, "it to serve")
        assert exporter.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_with_a_full_queue_a_slow_handshake_and_clients_that_do_not_read(
    number: signal.Signals, circle: RemoteCircle, tmp_path: Path
) -> None:
    slugs = [slug_of(each) for each in range(60)]
    circle.fail("hang")
    config = configuration(circle, slugs, timeout="10m", concurrency=1)
    with Exporter(tmp_path, config, token=TOKEN) as exporter, ExitStack() as stack:
        host, _, port = exporter.address.rpartition(":")
        for request in (b"", b"GET / HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            client = stack.enter_context(socket.create_connection((host, int(port))))
            client.sendall(request)
        wait_until(circle.requests)
        assert exporter.stop(number)[0] == 0


def test_a_second_signal_changes_nothing(circle: RemoteCircle, tmp_path: Path) -> None:
    circle.fail("hang")
    with Exporter(tmp_path, configuration(circle, SLUGS, timeout="10m"), token=TOKEN) as exporter:
        wait_until(busy(circle, "hang", 2))
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.stop()[0] == 0


def test_a_signal_while_it_starts_ends_it_well(circle: RemoteCircle, tmp_path: Path) -> None:
    exporter = Exporter(tmp_path, configuration(circle, SLUGS), token=TOKEN)
    try:
        wait_until(lambda: exporter.events("starting"), interval=0.001)
        assert exporter.stop()[0] == 0
    finally:
        exporter.end()
