"""What lies between the exporter and CircleCI: names, TLS, proxies, and what the environment says of them."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.circleci import truth
from tests.faults.campaign import (
    WORKFLOWS,
    Known,
    polled,
    slug_of,
    small_circle,
    small_config,
    still_polled,
    unharmed,
)
from tests.faults.conftest import TOKEN
from tests.running.program import Exporter
from tests.running.proxy import Proxy
from tests.running.starting import COMMAND, run_to_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trustme

    from tests.circleci import Circle
    from tests.running.scrapes import Scrape

SLUGS = [slug_of(0), slug_of(1)]
PROXY_PASSWORD = "proxy-pass-93f1"


def tls_of(authority: trustme.CA, *names: str, ended: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    until = now + timedelta(days=-1 if ended else 9)
    authority.issue_cert(*names, not_before=now - timedelta(days=9), not_after=until).configure_cert(context)
    return context


def values(circle: Circle) -> dict[str, dict[str, float]]:
    return {slug: truth.of_project(Known(circle), slug, WORKFLOWS) for slug in SLUGS}


def exact(exporter: Exporter, circle: Circle) -> Scrape:
    """Everything was polled, and every value is right."""
    exporter.until(lambda scrape: polled(scrape, SLUGS), "a good poll of everything")
    scrape = unharmed(exporter, values(circle))
    assert scrape.get("up") == 1
    return scrape


def failing(exporter: Exporter, reason: str) -> str:
    """The process serves, says that the API is not up and why; returns the error in words."""
    scrape = exporter.until(lambda scrape: scrape.failures("workflows").get(reason), f"a failure: {reason}")
    assert scrape.get("up") == 0
    assert set(scrape.failures("workflows")) == {reason}
    unharmed(exporter, {})
    assert exporter.get("/-/ready") == (200, "ready\n")
    return str(exporter.events("CircleCI cannot be reached", reason=reason)[0]["error"])


def test_an_api_that_is_down_at_the_start_and_up_later_and_down_again_is_told_by_up(tmp_path: Path) -> None:
    with small_circle(TOKEN) as circle:
        port = circle.server.address[1]
    with Exporter(tmp_path, small_config(f"http://127.0.0.1:{port}"), token=TOKEN) as exporter:
        assert "refused" in failing(exporter, "connection")
        with small_circle(TOKEN, port=port) as circle:
            known = values(circle)
            exact(exporter, circle)
        scrape = exporter.until(lambda scrape: scrape.get("up") == 0, "the API to be down")
        assert {slug: truth.shown(scrape.of_project(slug)) for slug in SLUGS} == known, "the values stay"


def test_a_kept_connection_that_the_server_closed_costs_no_poll(tmp_path: Path) -> None:
    with small_circle(TOKEN) as circle, Exporter(tmp_path, small_config(circle.url), token=TOKEN) as exporter:
        for _ in range(3):
            exact(exporter, circle)
            circle.server.drop_connections()
            still_polled(exporter, SLUGS)
        assert exporter.scrape().failures("workflows") == {}


@dataclass(frozen=True, slots=True)
class Situation:
    """An exporter that cannot reach CircleCI: what its metrics and its log call that, and who must hear nothing."""

    exporter: Exporter
    reason: str
    says: str = ""
    circle: Circle | None = None


def situations(stack: ExitStack, folder: Path, authority: trustme.CA, ca_file: Path) -> dict[str, Situation]:
    """Start them all, so that they wait for their retries at the same time."""
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
    plain = stack.enter_context(small_circle(TOKEN))
    stranger = stack.enter_context(small_circle(TOKEN, tls=tls_of(authority, "circleci.example.com")))
    ended = stack.enter_context(small_circle(TOKEN, tls=tls_of(authority, "127.0.0.1", ended=True)))
    unknown = stack.enter_context(small_circle(TOKEN, tls=tls_of(authority, "127.0.0.1")))
    refusing = stack.enter_context(Proxy(refuses=True))
    trust = f'ca_file: "{ca_file}"'
    # Variables that other programs take for the authorities to trust must not make one trusted.
    trusting = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(ca_file))
    through = f"http://operator:{PROXY_PASSWORD}@"
    verify = "certificate verify failed"
    found: dict[str, Situation] = {}

    def add(
        name: str,
        url: str,
        reason: str,
        says: str = "",
        *,
        keys: str = "",
        environ: dict[str, str] | None = None,
        circle: Circle | None = None,
    ) -> None:
        config = small_config(url, keys, timeout="1s" if reason == "timeout" else "20s")
        exporter = Exporter(folder / str(len(found)), config, token=TOKEN, environ=environ)
        stack.callback(exporter.end)
        exporter.secrets.append(PROXY_PASSWORD)
        found[name] = Situation(exporter, reason, says, circle)

    add("a host name that nobody knows", "https://circleci.invalid", "connection")
    add("a server that never shakes hands", f"https://127.0.0.1:{silent}", "timeout")
    add("a server that speaks no TLS", plain.url.replace("http:", "https:"), "connection", circle=plain)
    add("a certificate of an unknown authority", unknown.url, "connection", verify, environ=trusting, circle=unknown)
    add("the certificate of another host", stranger.url, "connection", verify, keys=trust, circle=stranger)
    add("a certificate that has ended", ended.url, "connection", verify, keys=trust, circle=ended)
    nowhere, refused = f"{through}127.0.0.1:9", through + refusing.url.removeprefix("http://")
    add("a proxy that is gone", "https://127.0.0.1:1", "connection", environ={"https_proxy": nowhere})
    add("a proxy that wants a login", "https://127.0.0.1:1", "connection", environ={"https_proxy": refused})
    for situation in found.values():
        stack.enter_context(situation.exporter)
    return found


NAMES = (
    "a host name that nobody knows",
    "a server that never shakes hands",
    "a server that speaks no TLS",
    "a certificate of an unknown authority",
    "the certificate of another host",
    "a certificate that has ended",
    "a proxy that is gone",
    "a proxy that wants a login",
)


@pytest.fixture(scope="module")
def under_way(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, ca_file: Path
) -> Iterator[dict[str, Situation]]:
    with ExitStack() as stack:
        yield situations(stack, tmp_path_factory.mktemp("network"), authority, ca_file)


@pytest.mark.parametrize("name", NAMES)
def test_an_api_that_cannot_be_reached_is_named_and_the_process_serves_on(
    name: str, under_way: dict[str, Situation]
) -> None:
    assert set(under_way) == set(NAMES)
    found = under_way[name]
    assert found.says in failing(found.exporter, found.reason)
    assert found.circle is None or found.circle.requests == [], "no token was sent"


@pytest.mark.parametrize("kind", ["circle-token", "bearer", "basic"])
def test_ca_file_is_trusted_and_neither_netrc_nor_the_environment_changes_what_is_sent(
    kind: str, tmp_path: Path, authority: trustme.CA, ca_file: Path
) -> None:
    netrc = tmp_path / "secret-netrc"
    netrc.write_text("machine 127.0.0.1 login stranger password not-the-token\n")
    (tmp_path / ".netrc").write_text(netrc.read_text())
    nothing = tmp_path / "empty.pem"
    nothing.touch()
    foreign = {
        "NETRC": str(netrc),
        "HOME": str(tmp_path),
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(nothing)),
        "SSL_CERT_DIR": str(tmp_path / "nowhere"),
    }
    with small_circle(TOKEN, tls=tls_of(authority, "127.0.0.1")) as circle:
        config = small_config(circle.url, f'ca_file: "{ca_file}", auth: {kind}')
        with Exporter(tmp_path / "run", config, token=TOKEN, environ=foreign) as exporter:
            exact(exporter, circle)
        headers = {"circle-token", "authorization"} & set(circle.requests[0].header_names)
        assert headers == {"circle-token" if kind == "circle-token" else "authorization"}
        assert all(one.token_ok for one in circle.requests)


def test_http_requests_go_through_the_proxy_of_the_environment(tmp_path: Path) -> None:
    with (
        small_circle(TOKEN) as circle,
        Proxy() as proxy,
        Exporter(tmp_path, small_config(circle.url), token=TOKEN, environ={"http_proxy": proxy.url}) as exporter,
    ):
        exact(exporter, circle)
        assert proxy.asked[0].startswith(f"GET {circle.url}/api/v2/")


def test_https_requests_go_through_a_tunnel_in_which_the_proxy_sees_no_token(
    tmp_path: Path, authority: trustme.CA, ca_file: Path
) -> None:
    with small_circle(TOKEN, tls=tls_of(authority, "127.0.0.1")) as circle, Proxy() as proxy:
        config = small_config(circle.url, f'ca_file: "{ca_file}"')
        with Exporter(tmp_path, config, token=TOKEN, environ={"HTTPS_PROXY": proxy.url}) as exporter:
            exact(exporter, circle)
        assert {line.split(" ")[0] for line in proxy.asked} == {"CONNECT"}
        assert proxy.asked[0] == f"CONNECT {circle.url.removeprefix('https://')}"
        assert TOKEN not in "".join(proxy.heads)


def test_a_host_that_no_proxy_names_is_asked_directly(tmp_path: Path) -> None:
    environ = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    with (
        small_circle(TOKEN) as circle,
        Exporter(tmp_path, small_config(circle.url), token=TOKEN, environ=environ) as exporter,
    ):
        exact(exporter, circle)


@pytest.mark.parametrize("url", ["http://circleci.example.com", "http://10.0.0.1:8080"])
def test_plain_http_to_another_host_needs_a_word(url: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(small_config(url))
    command = [str(COMMAND), "check", "--offline", "--config.file", str(file)]
    refused = run_to_end(command)
    assert refused.returncode == 2
    assert "allow_insecure" in refused.stderr
    file.write_text(small_config(url, "allow_insecure: true"))
    assert run_to_end(command).returncode == 0
