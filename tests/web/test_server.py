"""Starting, stopping and several addresses."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import resource
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from exporter.errors import ConfigError, StartError
from exporter.web.http.connections import Limits
from exporter.web.server import WebServer
from tests.running.waiting import PATIENCE, wait_until
from tests.web.conftest import PATIENT, Lines, Running, read_until
from tests.web.published import TEXT, Published

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., Running]


def server_at(*addresses: str, web_config: Path | None = None) -> WebServer:
    return WebServer(
        Published(), addresses=addresses, telemetry_path="/metrics", web_config=web_config, log=Lines(), limits=PATIENT
    )


def get(host: str, port: int) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    try:
        return connection.getresponse().read()
    finally:
        connection.close()


def test_several_addresses_answer_and_each_is_logged_with_its_real_port(serve: Serve) -> None:
    running = serve(addresses=["127.0.0.1:0", "[::1]:0", ":0"])
    ports = [int(address.rpartition(":")[2]) for address in running.addresses]
    assert 0 not in ports
    assert running.addresses == [f"127.0.0.1:{ports[0]}", f"[::1]:{ports[1]}", f"[::]:{ports[2]}"]
    assert (
        get("127.0.0.1", ports[0]) == get("::1", ports[1]) == get("127.0.0.1", ports[2]) == get("::1", ports[2]) == TEXT
    )
    assert running.log.events("listening") == [{"address": address, "tls": False} for address in running.addresses]


def test_a_taken_port_is_a_clear_error_and_gives_the_others_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = socket.create_server(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        server = server_at(f"127.0.0.1:{port}", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StartError, match="already in use"):
            server.bind()
    socket.create_server(("127.0.0.1", port)).close()
    server.stop()


def test_mistakes_in_flags_and_files_come_before_anything_is_bound(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--web\.listen-address"):
        server_at("nowhere")
    path = tmp_path / "web.yml"
    path.write_text("nonsense: 1")
    server = server_at("127.0.0.1:0", web_config=path)
    with pytest.raises(ConfigError, match="nonsense"):
        server.bind()
    server.stop()


def test_a_server_that_cannot_begin_says_so_instead_of_waiting_for_ever() -> None:
    server = server_at("127.0.0.1:0")
    server.bind()
    server._close_sockets()
    with pytest.raises(StartError, match="could not start"):
        server.start()
    server.stop()


def is_over() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name == "web"]


def test_it_stops_at_once_with_idle_slow_and_silent_connections_open(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 20_000_000]), limits=Limits())  # the idle one might stay for two minutes
    silent, idle, slow = running.connect(), running.connect(), running.connect()
    idle.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    read_until(idle, b"healthy\n")
    slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert slow.recv(10)
    running.server.stop()
    wait_until(is_over, why="its thread to end")
    with pytest.raises(ConnectionRefusedError):
        running.connect()
    for sock in (silent, idle, slow):
        sock.close()


def test_an_answer_under_way_is_given_its_time_to_end(serve: Serve) -> None:
    running = serve(Published(text=[b"x" * 8_000_000]))
    received = []

    with running.connect() as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        received.append(sock.recv(65536))
        stopping = threading.Thread(target=running.server.stop, args=(PATIENCE,))
        stopping.start()
        while chunk := sock.recv(262_144):
            received.append(chunk)
        stopping.join()
    body = b"".join(received).partition(b"\r\n\r\n")[2]
    assert len(body) == 8_000_000


def test_it_stops_during_a_reload_and_may_be_stopped_twice_or_before_it_started(serve: Serve) -> None:
    go_on = threading.Event()

    def slow() -> tuple[bool, str]:
        go_on.wait()
        return True, "done"

    source = Published(on_reload=slow)
    running = serve(source)
    with running.connect() as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        assert source.entered.wait(PATIENCE)
        running.server.stop()
        wait_until(is_over)
    go_on.set()
    running.server.stop()
    server = server_at("127.0.0.1:0")
    server.bind()
    server.stop()


def test_a_defect_in_recurring_work_is_told_and_the_work_goes_on(serve: Serve) -> None:
    running = serve()
    times = []

    async def fail() -> None:
        times.append(1)
        raise ValueError("broken")

    coroutine = running.server._every(0.01, fail)
    task = asyncio.run_coroutine_threadsafe(coroutine, running.server._loop)
    wait_until(lambda: len(times) > 2, why="the work to be done again")
    task.cancel()
    [line] = running.log.events("web incident")
    assert (line["kind"], line["error"].partition(" (")[0]) == ("defect", "ValueError: broken")


def test_a_connection_that_is_gone_again_is_no_trouble(serve: Serve) -> None:
    running = serve()
    for _ in range(50):
        sock = running.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.close()
    assert get("127.0.0.1", running.port) == TEXT
    wait_until(lambda: len(running.server._connections) == 0)
    assert running.counts == {}


def test_without_file_descriptors_it_waits_and_goes_on(serve: Serve) -> None:
    running = serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = socket.socket()
    spare = [socket.socket() for _ in range(3)]
    hoarded = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1 + len(spare), hard))
        with contextlib.suppress(OSError):
            while True:
                hoarded.append(socket.socket())
        client.connect(("127.0.0.1", running.port))
        wait_until(lambda: running.counts.get("accept"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for sock in (*spare, *hoarded):
            sock.close()
    with client:
        client.settimeout(PATIENCE)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(client, TEXT)
    assert set(running.counts) == {"accept"}
