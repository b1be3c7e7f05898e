from __future__ import annotations

import base64
import gzip
import pickle
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.client import body
from exporter.client import transport as transport_module
from exporter.client.transport import Answer, TokenAuth, Transport, proxy_of
from exporter.config import Secret
from exporter.errors import (
    ConnectionFailed,
    GarbledError,
    PayloadError,
    PollError,
    RequestTimeout,
    StartError,
    Stopped,
    TooLargeError,
    TruncatedError,
    UnauthorizedError,
)
from tests.client.conftest import TOKEN, tls_for
from tests.client.servers import Peer, Script, Server, answering, close, refused_port, response
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import trustme

    Make = Callable[..., Transport]

AUTH = TokenAuth("circle-token", Secret(TOKEN))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def ask(made: Transport, target: str = "/api/v2/x", seconds: float = PATIENCE) -> Answer:
    return made.send(target, AUTH, seconds)


def saying(data: bytes) -> Script:
    """A script that answers one request with these bytes, and closes."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(data)

    return script


def forwarding(port: int, byte_by_byte: float = 0.0) -> Script:
    """A script that passes bytes on to a port and back, the answer slowly if so told."""

    def script(peer: Peer) -> None:
        with socket.create_connection(("127.0.0.1", port)) as onwards:

            def back() -> None:
                try:
                    while data := onwards.recv(65536):
                        if byte_by_byte:
                            peer.drip(data, byte_by_byte)
                        else:
                            peer.send(data)
                except OSError:
                    pass  # either side has gone

            thread = threading.Thread(target=back)
            thread.start()
            while data := peer.sock.recv(65536):
                onwards.sendall(data)
            close(onwards)
            thread.join()

    return script


def proxying(peer: Peer) -> None:
    """A script that is an HTTP proxy for CONNECT."""
    line = peer.request().split("\r\n", 1)[0]
    port = int(line.split(" ")[1].rsplit(":", 1)[1])
    peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    forwarding(port)(peer)


def test_an_answer_has_status_headers_and_body(transport: Make) -> None:
    with Server(answering(response({"items": []}, headers=[("X-RateLimit-Remaining", 7)]))) as server:
        answer = ask(transport(server.url))
    assert (answer.status, answer.body, answer.failure, answer.stale) == (200, b'{"items": []}', None, False)
    assert answer.headers["x-ratelimit-remaining"] == "7"


def test_a_request_has_these_headers_and_no_others(transport: Make) -> None:
    with Server(answering(response())) as server:
        ask(transport(server.url))
        assert sorted(server.requests[0].split("\r\n")) == sorted(
            [
                "GET /api/v2/x HTTP/1.1",
                f"Host: 127.0.0.1:{server.port}",
                "User-Agent: circleci-insights-exporter/1.2.3",
                "Accept: application/json",
                "Accept-Encoding: gzip",
                f"Circle-Token: {TOKEN}",
            ]
        )


@pytest.mark.parametrize(
    "target",
    [
        "/api/v2/insights/gh/acme/web/workflows/a%2Fb/jobs",
        "/api/v2/insights/gh/acme/web/workflows/100%25/jobs",
        "/api/v2/insights/gh/acme/web/workflows/..%2F..%2Fme/jobs",
        "/api/v2/insights/gh/acme/web/workflows/%2E%2E/jobs",
        "/api/v2/insights/gh/acme/web/workflows/../jobs",
        "/api/v2/insights/gh/acme/web/workflows/%25252F%C3%A9%20%23%3F%26%2B/jobs",
        "/api/v2/x?branch=release%2F2.0%20%2B&page-token=a%3D%3D%2F..%2F",
    ],
)
def test_a_target_is_sent_exactly_as_it_is(transport: Make, target: str) -> None:
    with Server(answering(response())) as server:
        ask(transport(server.url), target)
        assert server.lines == [f"GET {target} HTTP/1.1"]


def test_a_connection_is_kept_and_used_again(transport: Make) -> None:
    with Server(answering(response(), response(status=404), response())) as server:
        made = transport(server.url)
        for _ in range(10):
            ask(made)
        assert server.connections == 1


def test_packed_bodies_are_unpacked(transport: Make) -> None:
    packed = response(gzip.compress(b"[1, 2]"), headers=[("Content-Encoding", "gzip")])
    with Server(answering(packed)) as server:
        assert ask(transport(server.url)).body == b"[1, 2]"


def test_a_chunked_body_is_put_together(transport: Make) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2;x=y\r\n2]\r\n0\r\n\r\n"
    with Server(answering(chunked)) as server:
        made = transport(server.url)
        assert [ask(made).body for _ in range(3)] == [b"[1,2]"] * 3
        assert server.connections == 1


def test_a_body_that_ends_with_the_connection_is_read(transport: Make) -> None:
    with Server(saying(HEAD + b"\r\n[1, 2]")) as server:
        assert ask(transport(server.url)).body == b"[1, 2]"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ConnectionFailed),
        (b"\x16\x03\x01garbage\r\n\r\n", ConnectionFailed),
        (b"HTTP/1.1 twohundred OK\r\n\r\n", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", ConnectionFailed),
        (HEAD + b"Content-Length: 1, 2\r\n\r\n{}", ConnectionFailed),
        (HEAD + b"Content-Length: 100\r\n\r\n{}", TruncatedError),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1,", TruncatedError),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n", TruncatedError),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[1,\r\n", TruncatedError),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + gzip.compress(b"[]")[:9], TruncatedError),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]", GarbledError),
        (HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n[]", PayloadError),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, TooLargeError),
    ],
)
def test_a_broken_answer_is_a_failure_of_its_kind(
    transport: Make, data: bytes, kind: type[PollError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "HEAD_SIZE", 200_000)
    monkeypatch.setattr(body, "LIMIT", 100_000)
    with Server(saying(data)) as server:
        answer = ask(transport(server.url))
    assert type(answer.failure) is kind
    assert (answer.status is None) is (kind is ConnectionFailed or data.startswith(b"HTTP/1.1 100"))
    assert not answer.stale


@pytest.mark.parametrize("framing", ["length", "chunks", "connection", "negative"])
def test_an_oversized_body_is_left_unread_however_it_is_framed(transport: Make, framing: str) -> None:
    mebibyte = bytes(1024 * 1024)
    sent: list[int] = []

    def script(peer: Peer) -> None:
        peer.request()
        head = {
            "length": b"Content-Length: 99999999999\r\n\r\n",
            "chunks": b"Transfer-Encoding: chunked\r\n\r\n",
            "connection": b"\r\n",
            "negative": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        }
        peer.send(HEAD + head[framing])
        for number in range(200):
            peer.send(b"100000\r\n" + mebibyte + b"\r\n" if framing == "chunks" else mebibyte)
            sent.append(number)

    with Server(script) as server:
        answer = ask(transport(server.url))
    assert isinstance(answer.failure, (TooLargeError, TruncatedError))
    assert isinstance(answer.failure, TooLargeError) or framing == "negative"
    assert len(sent) < 60


def test_of_an_error_no_more_is_read_than_explains_it(transport: Make) -> None:
    with Server(answering(response(b"x" * 1_000_000, 500), response())) as server:
        made = transport(server.url)
        answer = ask(made)
        assert (answer.status, answer.failure) == (500, None)
        assert ask(made).status == 200


def test_whatever_a_server_sends_ends_as_an_answer_or_a_named_failure(transport: Make) -> None:
    content = b'{"items": [1, 2, 3], "next_page_token": null}'
    good = (
        response(content),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\n" + content[:16] + b"\r\n0\r\n\r\n",
        response(gzip.compress(content, mtime=0), headers=[("Content-Encoding", "gzip")]),
    )
    cut = st.tuples(st.integers(0, 400), st.integers(0, 40), st.binary(max_size=20))
    sent = [b""]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(sent[0])

    with Server(script) as server:
        made = transport(server.url)

        @settings(max_examples=300)
        @given(data=st.sampled_from(good), cuts=st.lists(cut, min_size=1, max_size=4))
        def hold(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
            for start, length, inserted in cuts:
                data = data[:start] + inserted + data[start + length :]
            sent[0] = data
            answer = ask(made)
            assert answer.failure is not None or answer.status is not None
            if answer.failure is not None:
                assert answer.failure.reason in {"connection", "truncated", "payload"}

        hold()


@pytest.mark.parametrize("status", [429, 503])
def test_an_error_whose_body_breaks_is_still_that_error(transport: Make, status: int) -> None:
    with Server(saying(response(b"{}", status, [("Retry-After", 7)], length=50))) as server:
        answer = ask(transport(server.url))
    assert (answer.status, answer.failure, answer.headers["Retry-After"]) == (status, None, "7")


def test_a_redirect_is_not_followed_nor_its_body_read(transport: Make) -> None:
    with Server(answering(response())) as other:
        location = f"{other.url}/elsewhere"
        with Server(
            saying(HEAD.replace(b"200 OK", b"302 Found") + f"Location: {location}\r\n\r\n".encode() + b"x" * 10_000_000)
        ) as server:
            answer = ask(transport(server.url))
        assert (answer.status, answer.failure) == (302, None)
        assert other.connections == 0


def test_cookies_are_not_sent_back(transport: Make) -> None:
    with Server(answering(response(headers=[("Set-Cookie", "session=1; Path=/")]))) as server:
        made = transport(server.url)
        ask(made)
        ask(made)
        assert "cookie" not in server.requests[1].lower()


# What is sent at once, and what follows byte by byte.
DRIPS = {
    "status line": (b"", HEAD + b"\r\n"),
    "headers": (HEAD, b"X-Slow: " + b"y" * 1000),
    "body": (HEAD + b"Content-Length: 1000\r\n\r\n", b"[" + b" " * 998 + b"]"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n" + b"1\r\n \r\n" * 500),
    "packed body": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n",
        gzip.compress(b"[" + b"1," * 1000 + b"1]"),
    ),
}


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("phase", DRIPS)
def test_a_server_that_drips_is_given_up_in_time(
    transport: Make,
    server_tls: ssl.SSLContext,
    ca_file: Path,
    secure: bool,
    phase: str,
) -> None:
    at_once, slowly = DRIPS[phase]

    def script(peer: Peer) -> None:
        peer.request()
        if at_once:
            peer.send(at_once)
        peer.drip(slowly, 0.06)

    with Server(script, tls=server_tls if secure else None) as server:
        made = transport(server.url, ca_file=ca_file)
        began = time.monotonic()
        answer = ask(made, seconds=0.25)
        took = time.monotonic() - began
    assert type(answer.failure) is RequestTimeout
    assert took >= 0.25


def test_a_tls_handshake_that_drips_is_given_up_in_time(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    with Server(answering(response()), tls=server_tls) as server, Server(forwarding(server.port, 0.05)) as slow:
        answer = ask(transport(slow.url.replace("http:", "https:"), ca_file=ca_file), seconds=0.5)
    assert type(answer.failure) is RequestTimeout


def test_a_slow_tls_handshake_within_the_time_succeeds(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    """It is cut into slices, each of which ends in the middle of it."""
    with Server(answering(response()), tls=server_tls) as server, Server(forwarding(server.port, 0.0004)) as slow:
        answer = ask(transport(slow.url.replace("http:", "https:"), ca_file=ca_file))
    assert answer.status == 200


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(transport: Make, ca_file: Path) -> None:
    with Server(Peer.hang) as server:
        for url in (server.url, server.url.replace("http:", "https:")):
            answer = ask(transport(url, ca_file=ca_file), seconds=0.3)
            assert type(answer.failure) is RequestTimeout


def test_no_time_left_is_a_timeout_and_no_request(transport: Make) -> None:
    with Server(answering(response())) as server:
        assert type(ask(transport(server.url), seconds=0).failure) is RequestTimeout
        assert server.requests == []


def test_a_stop_ends_a_request_under_way(transport: Make, stop: threading.Event) -> None:
    with Server(Peer.hang) as server:
        made = transport(server.url)
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Stopped):
            ask(made, seconds=600)


def test_a_refused_connection_is_a_failure_that_names_the_host(transport: Make) -> None:
    host = f"127.0.0.1:{refused_port()}"
    answer = ask(transport(f"http://{host}"))
    assert type(answer.failure) is ConnectionFailed
    assert str(answer.failure) == f"no connection to {host}: Connection refused"
    assert not answer.stale


def test_a_name_that_does_not_exist_is_a_failure_that_says_so(transport: Make) -> None:
    answer = ask(transport("http://circleci.invalid"))
    assert type(answer.failure) is ConnectionFailed


def test_a_kept_connection_that_is_closed_before_its_next_request_is_replaced(transport: Make) -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(response())

    with Server(once) as server:
        made = transport(server.url)
        assert ask(made).status == 200
        wait_until(lambda: not made._adapter.pool.pool.queue[-1].is_connected)  # type: ignore[union-attr]
        assert ask(made).status == 200
        assert server.connections == 2


def test_a_kept_connection_that_is_closed_on_its_next_request_is_stale(transport: Make) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(response())
        peer.request()

    with Server(script) as server:
        made = transport(server.url)
        assert ask(made).status == 200
        answer = ask(made)
        assert type(answer.failure) is ConnectionFailed
        assert answer.stale


def test_closing_ends_the_kept_connections(transport: Make) -> None:
    gone: list[Peer] = []

    def script(peer: Peer) -> None:
        answering(response())(peer)  # it returns when the client has closed
        gone.append(peer)

    with Server(script) as server:
        made = transport(server.url)
        ask(made)
        assert gone == []
        made.close()
        wait_until(lambda: len(gone) == 1)


def test_what_is_asked_after_closing_is_answered_over_a_connection_of_its_own(transport: Make) -> None:
    gone: list[Peer] = []

    def script(peer: Peer) -> None:
        answering(response())(peer)
        gone.append(peer)

    with Server(script) as server:
        made = transport(server.url)
        made.close()
        assert [ask(made).status for _ in range(2)] == [200, 200]
        assert server.connections == 2
        wait_until(lambda: len(gone) == 2)


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    transport: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(answering(response())) as server:
        made = transport(server.url)
        ask(made)
        monkeypatch.setattr(transport_module, "LONGEST_IDLE", 0.0)
        ask(made)
        assert server.connections == 2


def test_tls_is_verified_against_the_file_of_the_configuration(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path
) -> None:
    with Server(answering(response()), tls=server_tls) as server:
        made = transport(server.url, ca_file=ca_file)
        assert [ask(made).status for _ in range(3)] == [200] * 3
        assert server.connections == 1
        strange = ask(transport(server.url))
        assert type(strange.failure) is ConnectionFailed
        assert "certificate verify failed" in str(strange.failure)
        assert len(server.requests) == 3


def test_a_certificate_for_another_name_is_refused(transport: Make, authority: trustme.CA, ca_file: Path) -> None:
    with Server(answering(response()), tls=tls_for(authority, "circleci.example")) as server:
        answer = ask(transport(server.url, ca_file=ca_file))
    assert "certificate verify failed" in str(answer.failure)
    assert server.requests == []


def test_tls_below_1_2_is_refused(transport: Make, authority: trustme.CA, ca_file: Path) -> None:
    context = tls_for(authority, "127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(answering(response()), tls=context) as server:
        answer = ask(transport(server.url, ca_file=ca_file))
    assert type(answer.failure) is ConnectionFailed
    assert server.requests == []


def test_netrc_and_the_environments_authorities_change_nothing(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    with Server(answering(response()), tls=server_tls) as server:
        assert type(ask(transport(server.url)).failure) is ConnectionFailed
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        assert ask(transport(server.url, ca_file=ca_file)).status == 200
        assert "Authorization" not in server.requests[0]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_https_goes_through_a_tunnel_and_the_proxy_never_sees_the_token(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with Server(answering(response()), tls=server_tls) as server, Server(proxying) as proxy:
        monkeypatch.setenv(variable, f"http://someone:s3cret@127.0.0.1:{proxy.port}")
        made = transport(server.url, ca_file=ca_file)
        monkeypatch.delenv(variable)
        assert [ask(made, "/api/v2/..%2Fx").status for _ in range(3)] == [200] * 3
        assert proxy.lines[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'someone:s3cret').decode()}" in proxy.requests[0]
        assert TOKEN not in "".join(proxy.requests)
        assert server.targets == ["/api/v2/..%2Fx"] * 3
        assert TOKEN in server.requests[0]
        assert "Proxy-" not in server.requests[0]


def test_a_proxy_is_spoken_to_over_tls_when_its_url_says_so(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(answering(response()), tls=server_tls) as server, Server(proxying, tls=server_tls) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert ask(transport(server.url, ca_file=ca_file)).status == 200
        assert len(proxy.requests) == 1


def test_a_proxy_that_drips_is_given_up_in_time(
    transport: Make, server_tls: ssl.SSLContext, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.drip(b"HTTP/1.1 200 Connection established" + b" " * 1000, 0.05)

    with Server(script) as plain, Server(script, tls=server_tls) as secure:
        for proxy in (plain, secure):
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            answer = ask(transport("https://127.0.0.1:1", ca_file=ca_file), seconds=0.25)
            assert type(answer.failure) is RequestTimeout


def test_a_proxy_that_refuses_is_a_failure_that_says_so(
    transport: Make, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(saying(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        answer = ask(transport("https://127.0.0.1:1", ca_file=ca_file))
    assert type(answer.failure) is ConnectionFailed
    assert "407" in str(answer.failure)


def test_http_is_forwarded_by_the_proxy(transport: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(answering(response())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert ask(transport("http://circleci.example"), "/api/v2/a%2Fb?c=d%20e").status == 200
        assert proxy.targets == ["http://circleci.example/api/v2/a%2Fb?c=d%20e"]


def test_no_proxy_is_used_for_a_host_that_is_excepted(transport: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refused_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    with Server(answering(response())) as server:
        assert ask(transport(server.url)).status == 200


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://", "ftp://127.0.0.1"])
def test_a_proxy_that_cannot_be_used_is_an_error_at_the_start(
    proxy: str, transport: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(StartError, match="proxy"):
        transport("https://circleci.example")


def test_a_proxy_whose_url_cannot_be_read_is_an_error_that_does_not_show_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:s3cret@[::1:port")
    with pytest.raises(StartError) as raised:
        proxy_of("https://circleci.example/api/v2")
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_a_host_may_be_an_ipv6_address(transport: Make) -> None:
    with Server(answering(response()), host="::1") as server:
        assert ask(transport(server.url)).status == 200
        assert f"Host: [::1]:{server.port}" in server.requests[0]


def test_nothing_that_stays_holds_the_token(transport: Make) -> None:
    with Server(answering(response(), response(status=500))) as server:
        made = transport(server.url)
        answers = [ask(made), ask(made)]
    answers.append(ask(made))
    assert TOKEN not in repr(answers)
    assert TOKEN not in repr([vars(made), vars(made._adapter), vars(made._adapter.pool)])
    for answer in answers:
        failure = answer.failure
        assert failure is None or (failure.__cause__, failure.__context__) == (None, None)


@pytest.mark.parametrize(
    ("kind", "header", "value"),
    [
        ("circle-token", "Circle-Token", "t0ken"),
        ("bearer", "Authorization", "Bearer t0ken"),
        ("basic", "Authorization", "Basic dDBrZW46"),
    ],
)
def test_each_kind_of_authentication_has_its_header(kind: str, header: str, value: str) -> None:
    auth = TokenAuth(kind, Secret("t0ken"))
    request = requests.Request("GET", "http://127.0.0.1/", auth=auth).prepare()
    assert request.headers == {header: value}
    auth.forget(request)
    assert request.headers == {}


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "caf\u00e9", "\ud800"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(UnauthorizedError) as raised:
        TokenAuth("bearer", Secret(token))
    assert not token or token not in str(raised.value)


def test_the_token_does_not_show_in_what_holds_it() -> None:
    auth = TokenAuth("circle-token", Secret(TOKEN))
    assert TOKEN not in repr(auth)
    assert TOKEN not in repr(vars(auth))
    with pytest.raises(TypeError):
        pickle.dumps(auth)
