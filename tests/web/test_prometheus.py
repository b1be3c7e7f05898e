"""A real Prometheus scrapes by TLS, with a client certificate and a login."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from tests.running.waiting import PATIENCE, wait_until
from tests.web.published import Published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.web.conftest import Certificates, Running

    Serve = Callable[..., Running]

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()
EXPOSITION = b"# HELP answer What it all comes to.\n# TYPE answer gauge\nanswer 42.0\n"


def configuration(running: Running, certificates: Certificates) -> str:
    def job(name: str, password: str, certificate: str = "client.pem") -> str:
        return f"""
- job_name: {name}
  scheme: https
  scrape_interval: 1s
  basic_auth: {{username: alice, password: {password}}}
  tls_config:
    ca_file: {certificates.ca}
    server_name: localhost
    cert_file: {certificates.folder / certificate}
    key_file: {certificates.folder / certificate}
  static_configs: [{{targets: ["127.0.0.1:{running.port}"]}}]
"""

    return "scrape_configs:" + job("right", "right") + job("wrong", "wrong") + job("strange", "right", "stranger.pem")


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def values(self, query: str) -> dict[str, str]:
        return {row["metric"]["job"]: row["value"][1] for row in self.ask(f"query?query={query}")["result"]}


@pytest.fixture
def scraped(serve: Serve, certificates: Certificates, prometheus_program: Path) -> Iterator[tuple[Running, Prometheus]]:
    web_config = certificates.web_config(
        f"basic_auth_users: {{alice: {HASH}}}",
        client_ca_file="ca.pem",
        client_auth_type="RequireAndVerifyClientCert",
    )
    running = serve(Published(text=[EXPOSITION]), web_config=web_config)
    config = certificates.folder / "prometheus.yml"
    config.write_text(configuration(running, certificates))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        str(prometheus_program),
        f"--config.file={config}",
        f"--storage.tsdb.path={certificates.folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            yield running, Prometheus(port)
        finally:
            process.terminate()


def test_prometheus_scrapes_with_certificate_and_login_and_not_without(scraped: tuple[Running, Prometheus]) -> None:
    running, prometheus = scraped
    wait_until(lambda: prometheus.values("up").get("right") == "1" and len(prometheus.values("up")) == 3)
    assert prometheus.values("up") == {"right": "1", "wrong": "0", "strange": "0"}
    assert prometheus.values("answer") == {"right": "42"}
    errors = {target["labels"]["job"]: target["lastError"] for target in prometheus.ask("targets")["activeTargets"]}
    assert errors["right"] == ""
    assert "401" in errors["wrong"]
    assert errors["strange"]
    assert set(running.source.asked) == {(True, True)}
    assert set(running.counts) == {"handshake"}
