"""A real Prometheus scrapes by TLS, with a client certificate and a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt
import pytest

from tests.running.prometheus import Prometheus
from tests.running.waiting import wait_until
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
  scrape_interval: 3s
  scrape_timeout: 3s
  basic_auth: {{username: alice, password: {password}}}
  tls_config:
    ca_file: {certificates.ca}
    server_name: localhost
    cert_file: {certificates.folder / certificate}
    key_file: {certificates.folder / certificate}
  static_configs: [{{targets: ["127.0.0.1:{running.port}"]}}]
"""

    return "scrape_configs:" + job("right", "right") + job("wrong", "wrong") + job("strange", "right", "stranger.pem")


@pytest.fixture
def scraped(serve: Serve, certificates: Certificates, prometheus_program: Path) -> Iterator[tuple[Running, Prometheus]]:
    web_config = certificates.web_config(
        f"basic_auth_users: {{alice: {HASH}}}",
        client_ca_file="ca.pem",
        client_auth_type="RequireAndVerifyClientCert",
    )
    running = serve(Published(text=[EXPOSITION]), web_config=web_config)
    configured = configuration(running, certificates)
    with Prometheus(prometheus_program, certificates.folder / "prometheus", configured=configured) as prometheus:
        yield running, prometheus


def test_prometheus_scrapes_with_certificate_and_login_and_not_without(scraped: tuple[Running, Prometheus]) -> None:
    running, prometheus = scraped

    def values(query: str) -> dict[str, float]:
        return {each.labels["job"]: each.value for each in prometheus.ask(query)}

    wait_until(lambda: values("up").get("right") == 1 and len(values("up")) == 3, why="a scrape of each job")
    assert values("up") == {"right": 1, "wrong": 0, "strange": 0}
    assert values("answer") == {"right": 42}

    def errors() -> dict[str, str]:
        return {each["labels"]["job"]: each["lastError"] for each in prometheus.get("targets")["activeTargets"]}

    wait_until(lambda: "401" in errors()["wrong"], why="an answer to the wrong password")
    assert errors()["right"] == ""
    assert errors()["strange"]
    assert set(running.source.asked) == {(True, True)}
    assert set(running.counts) == {"handshake"}
