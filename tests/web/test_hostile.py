"""Crowds of hostile clients, and scrapes in their midst that are answered."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest
import trustme

from tests.campaigns.effort import effort
from tests.running.program import unmeasured
from tests.running.starting import Process
from tests.running.waiting import PATIENCE
from tests.web.crowd import MEGABYTE, PLAIN_ATTACKS, SECURED_ATTACKS
from tests.web.hosting import GZIP_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# The whole of it: the interpreter, the libraries, 11 MB of exposition, a page of 25,000 workflows and all of the crowd.
MOST_MEMORY = 200 * MEGABYTE
SECONDS = effort(0.4, 1.5)
LOGIN = "Basic " + base64.b64encode(b"alice:right").decode()


@dataclass
class Host:
    """The server's process, and how to reach it."""

    process: subprocess.Popen[str]
    port: int
    context: ssl.SSLContext | None = None
    login: str | None = None

    def scrape(self) -> float:
        """Scrape as Prometheus does on a new connection and return how long it took."""
        start = time.monotonic()
        connection: http.client.HTTPConnection
        if self.context:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=self.context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            headers = {"Accept-Encoding": "gzip"} | ({"Authorization": self.login} if self.login else {})
            connection.request("GET", "/metrics", headers=headers)
            response = connection.getresponse()
            assert response.status == 200
            assert len(response.read()) == GZIP_BYTES
        return time.monotonic() - start

    def peak(self) -> int:
        """Return the most memory that the process has had resident, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def forget_peak(self) -> None:
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def hosting(*arguments: str) -> Iterator[tuple[Host, list[str]]]:
    """Run the server, and afterwards hold that it ended well and logged no traceback."""
    command = [sys.executable, "-m", "tests.web.hosting", *arguments]
    environment = {**unmeasured(), "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    log: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reading = threading.Thread(target=lambda: log.extend(process.stderr or []))
    reading.start()
    with process:
        try:
            address = process.stdout.readline()
            yield Host(process, int(address.rpartition(":")[2])), log
            assert process.stdin is not None
            process.stdin.close()
            counts = json.loads(process.stdout.read())
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            reading.join()
    assert "defect" not in counts
    assert not [line for line in log if "Traceback" in line or "defect" in line], log


@pytest.fixture(scope="module")
def plain() -> Iterator[Host]:
    with hosting() as (host, _):
        yield host


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()
    config = folder / "web.yml"
    config.write_text(
        f"tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\nbasic_auth_users: {{alice: {hashed}}}\n"
    )
    with hosting(str(config)) as (host, _):
        host.context = ssl.create_default_context()
        authority.configure_trust(host.context)
        host.login = LOGIN
        yield host


@contextlib.contextmanager
def crowd(name: str, host: Host) -> Iterator[None]:
    """Let the crowd of that name attack the host meanwhile."""
    command = [sys.executable, "-m", "tests.web.crowd", name, str(host.port)]
    pipe = subprocess.PIPE
    with Process(command, cwd=ROOT, env=unmeasured(), stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "attacking\n"
            yield
            assert process.poll() is None, "the crowd had gone"
        finally:
            process.stdin.close()
            assert process.wait(PATIENCE) == 0


def check_scrapes(host: Host, name: str) -> None:
    """Scrape again and again during an attack: each scrape is whole, and memory is bounded."""
    host.forget_peak()
    times: list[float] = []
    with crowd(name, host):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or len(times) < 3:
            times.append(host.scrape())
            time.sleep(0.03)
    peak = host.peak()
    sys.stdout.write(f"| {name} | {len(times)} | {max(times) * 1000:.0f} ms | {peak / MEGABYTE:.0f} MiB |\n")
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("name", PLAIN_ATTACKS)
def test_scrapes_among_hostile_clients_are_answered_and_memory_is_bounded(plain: Host, name: str) -> None:
    check_scrapes(plain, name)


@pytest.mark.parametrize("name", SECURED_ATTACKS)
def test_scrapes_by_tls_and_login_among_hostile_clients_are_answered_and_memory_is_bounded(
    secured: Host, name: str
) -> None:
    check_scrapes(secured, name)


@pytest.mark.parametrize("kind", ["plain", "secured"])
def test_two_hundred_scrapes_at_once_are_all_answered_without_multiplying_memory(
    kind: str, request: pytest.FixtureRequest
) -> None:
    host: Host = request.getfixturevalue(kind)
    host.scrape()
    host.forget_peak()
    with ThreadPoolExecutor(200) as crowd:
        times = list(crowd.map(lambda _: host.scrape(), range(200)))
    peak = host.peak()
    sys.stdout.write(
        f"| 200 scrapes at once ({kind}) | 200 | {max(times) * 1000:.0f} ms | {peak / MEGABYTE:.0f} MiB |\n"
    )
    assert peak < MOST_MEMORY
