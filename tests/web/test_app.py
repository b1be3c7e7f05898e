"""The routes as an HTTP client sees them."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import bcrypt
import pytest

from exporter.errors import ConfigError
from exporter.web.app import check_telemetry_path
from exporter.web.headers import DEFAULTS
from tests.running.waiting import PATIENCE, wait_until
from tests.web.conftest import PATIENT, Running, read_to_end, read_until
from tests.web.published import TEXT, Published, overview, project, workflow
from tests.web.test_negotiation import PROMETHEUS_2_42, PROMETHEUS_3_5

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., Running]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def ask(running: Running, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def test_metrics_are_text_unless_asked_otherwise(serve: Serve) -> None:
    answer = ask(serve(), "/metrics")
    assert (answer.status, answer.body) == (200, TEXT)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert answer.headers["content-length"] == str(len(TEXT))
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("accept", [PROMETHEUS_2_42, PROMETHEUS_3_5])
def test_prometheus_gets_openmetrics_and_gzip(serve: Serve, accept: str) -> None:
    answer = ask(serve(), "/metrics", accept=accept, accept_encoding="gzip")
    assert gzip.decompress(answer.body) == TEXT + b"# EOF\n"
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))


def test_an_accept_in_two_lines_is_read_as_one(serve: Serve) -> None:
    running = serve()
    lines = b"Accept: text/plain;q=0.1\r\nAccept: application/openmetrics-text\r\nAccept-Encoding: br\r\n"
    answer = running.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n")
    assert answer.endswith(b"# EOF\n")


def test_pieces_arrive_in_order_and_whole(serve: Serve) -> None:
    pieces = [b"small\n", b"x" * 1_000_000, b"", b"another\n", b"y" * 70_000]
    assert ask(serve(Published(text=pieces)), "/metrics").body == b"".join(pieces)


def test_a_body_of_a_hundred_and_seventy_megabytes_arrives(serve: Serve) -> None:
    piece = b"x" * 999_999 + b"\n"
    running = serve(Published(text=[piece] * 170))
    assert len(ask(running, "/metrics").body) == 170_000_000


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/static/page.css", "/static/icon.svg"])
def test_head_has_the_headers_of_get_and_no_body(serve: Serve, path: str) -> None:
    running = serve()
    head, get = ask(running, path, "HEAD"), ask(running, path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers | {"date": ""} == get.headers | {"date": ""}


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/static/page.css"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_another_method_is_405_and_says_what_is_allowed(serve: Serve, path: str, method: str) -> None:
    answer = ask(serve(), path, method)
    assert answer.status == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "HEAD"]
    assert len(answer.body) < 100


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_reload_is_for_post_alone(serve: Serve, method: str) -> None:
    answer = ask(serve(), "/-/reload", method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/",
        "/metrics/x",
        "/metrics%2Fx",
        "//metrics",
        "/Metrics",
        "/metric",
        "/favicon.ico",
        "/static/",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/page.html",
        "/-/",
        "/index.html",
        "/%00",
        "/\N{LATIN SMALL LETTER E}%CC%81",
        "/" + "x" * 4000,
    ],
)
def test_an_unknown_path_is_404_small_and_plain(serve: Serve, path: str) -> None:
    answer = ask(serve(), path)
    assert (answer.status, answer.body) == (404, b"not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_every_answer_has_the_security_headers(serve: Serve) -> None:
    running = serve()
    for path, method in [("/", "GET"), ("/metrics", "GET"), ("/nowhere", "GET"), ("/", "POST"), ("/-/reload", "POST")]:
        headers = ask(running, path, method).headers
        assert headers.items() >= DEFAULTS.items(), path
        assert "server" not in headers


def test_the_style_sheet_may_be_kept_and_nothing_else(serve: Serve) -> None:
    answer = ask(serve(), "/static/page.css")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "private, max-age=604800, immutable"
    assert ask(serve(), "/static/icon.svg").headers["content-type"] == "image/svg+xml"


def test_health_holds_always_and_readiness_when_the_core_is_ready(serve: Serve) -> None:
    source = Published(is_ready=False)
    running = serve(source)
    assert ask(running, "/-/healthy")[::2] == (200, b"healthy\n")
    assert ask(running, "/-/ready")[::2] == (503, b"not ready yet\n")
    source.is_ready = True
    assert ask(running, "/-/ready")[::2] == (200, b"ready\n")


def test_the_telemetry_path_can_be_another(serve: Serve) -> None:
    running = serve(telemetry_path="/probe/metrics")
    assert ask(running, "/probe/metrics").body == TEXT
    assert ask(running, "/metrics").status == 404
    assert b'href="probe/metrics"' in ask(running, "/").body


def test_metrics_at_the_root_take_the_place_of_the_page(serve: Serve) -> None:
    assert ask(serve(telemetry_path="/"), "/").body == TEXT


@pytest.mark.parametrize(
    "path",
    [
        "",
        "metrics",
        "/-/healthy",
        "/-/ready",
        "/-/reload",
        "/webhooks/circleci",
        "/static/page.css",
        "/a b",
        "/a?b",
        "/a#b",
        "/{a}",
        "/%41",
        "/é",
    ],
)
def test_a_telemetry_path_that_cannot_be_is_a_mistake(path: str) -> None:
    with pytest.raises(ConfigError, match=r"--web\.telemetry-path: found .*; expected a path such as /metrics"):
        check_telemetry_path(path)


def test_the_page_is_html_for_any_query(serve: Serve) -> None:
    running = serve(Published(view=overview([project("acme/web")], [workflow("acme/web", "build")])))
    for query in ("", "?q=build", "?q=%00%ff%ed%a0%80", "?state=failing&pp=99999999999&wp=x", "?" + "a=b&" * 900):
        answer = ask(running, f"/{query}")
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.body.startswith(b"<!DOCTYPE html>")


def test_a_reload_says_how_it_went(serve: Serve) -> None:
    source = Published(on_reload=lambda: (True, "the configuration is in force"))
    running = serve(source)
    assert ask(running, "/-/reload", "POST")[::2] == (200, b"the configuration is in force\n")
    source.on_reload = lambda: (False, "config.yaml: projects: found nothing; allowed: at least one")
    answer = ask(running, "/-/reload", "POST")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert answer.body == b"config.yaml: projects: found nothing; allowed: at least one\n"


def test_a_reload_that_is_not_enabled_is_403_as_prometheus_says_it(serve: Serve) -> None:
    assert ask(serve(), "/-/reload", "POST")[::2] == (403, b"Lifecycle API is not enabled.\n")


def test_a_second_reload_at_once_is_told_so_and_a_scrape_does_not_wait_for_it(serve: Serve) -> None:
    go_on = threading.Event()

    def slow() -> tuple[bool, str]:
        go_on.wait(PATIENCE)
        return True, "done"

    source = Published(on_reload=slow)
    running = serve(source)
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask(running, "/-/reload", "POST")))
    thread.start()
    assert source.entered.wait(PATIENCE)
    assert ask(running, "/-/reload", "POST")[::2] == (409, b"a reload is already in progress\n")
    assert ask(running, "/metrics").body == TEXT
    assert ask(running, "/").status == 200
    go_on.set()
    thread.join(PATIENCE)
    assert [answer.body for answer in answers] == [b"done\n"]
    assert source.reloads == 1


@pytest.mark.parametrize(
    "headers", [{"sec_fetch_site": "cross-site"}, {"origin": "http://evil.example"}, {"origin": "null"}]
)
def test_another_site_cannot_drive_a_reload(serve: Serve, headers: dict[str, str]) -> None:
    source = Published(on_reload=lambda: (True, "done"))
    running = serve(source)
    assert ask(running, "/-/reload", "POST", None, **headers).status == 403
    assert source.reloads == 0
    assert ask(running, "/-/reload", "POST", origin=f"http://127.0.0.1:{running.port}").status == 200


def test_the_body_of_a_reload_is_read_away_so_that_the_connection_goes_on(serve: Serve) -> None:
    running = serve(Published(on_reload=lambda: (True, "done")))
    with running.connect() as sock:
        for _ in range(3):
            sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
            sock.sendall(b"x" * 2_000)
            assert read_until(sock, b"done\n").startswith(b"HTTP/1.1 200 OK")


def test_a_gigabyte_for_reload_is_refused_unread_and_the_refusal_arrives(serve: Serve) -> None:
    source = Published(on_reload=lambda: (True, "done"))
    running = serve(source)
    with running.connect() as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 100_000)
        assert read_to_end(sock).startswith(b"HTTP/1.1 413 ")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with running.connect() as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 2)
        assert read_to_end(sock).startswith(b"HTTP/1.1 413 ")
    huge = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 18 + b"\r\n\r\n"
    assert running.ask(huge).startswith(b"HTTP/1.1 413 ")
    assert source.reloads == 0


def test_a_body_that_trickles_in_is_given_up_at_its_deadline(serve: Serve) -> None:
    source = Published(on_reload=lambda: (True, "done"))
    running = serve(source, limits=replace(PATIENT, body=0.3))
    assert running.ask(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").startswith(
        b"HTTP/1.1 408 "
    )
    with running.connect() as sock:
        sock.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
    wait_until(lambda: len(running.server._connections) == 0)
    assert source.reloads == 0
    assert running.counts == {}


class Broken(Published):
    def ready(self) -> bool:
        raise ValueError("broken\nbadly")

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[list[bytes], int]:
        del openmetrics, gzip
        return [b"x" * 100, "no bytes"], 1000  # type: ignore[list-item]


def test_a_defect_is_a_plain_500_and_one_line_in_the_log(serve: Serve) -> None:
    running = serve(Broken())
    answer = ask(running, "/-/ready")
    assert (answer.status, answer.body) == (500, b"internal error\n")
    assert answer.headers.items() >= DEFAULTS.items()
    [line] = running.log.events("web incident")
    assert (line["kind"], line["path"]) == ("defect", "/-/ready")
    assert line["error"].startswith("ValueError: broken badly (")


def test_a_defect_in_the_middle_of_an_answer_ends_the_connection(serve: Serve) -> None:
    running = serve(Broken())
    with pytest.raises(http.client.IncompleteRead):
        ask(running, "/metrics")
    assert running.counts["defect"] == 1


HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


def status(running: Running, target: str, method: str = "GET") -> int:
    head = f"{method} {target} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    return int(running.ask(head.encode()).split()[1])


@pytest.mark.parametrize("base", ["http://exporter", "HTTP://exporter:10115", "https://[::1]:443", "http://a%20b"])
def test_a_whole_url_asks_for_the_path_in_it(serve: Serve, base: str) -> None:
    running = serve()
    for path, expected in (("/metrics", 200), ("/-/healthy", 200), ("/nowhere", 404), ("/?search=a", 200)):
        assert status(running, base + path) == expected
    assert status(running, base + "/-/reload") == 405


def test_a_url_without_a_path_asks_for_the_page(serve: Serve) -> None:
    assert status(serve(), "http://exporter") == 200


@pytest.mark.parametrize("target", ["http%3A//exporter/metrics", "ftp://exporter/metrics", "/http://exporter/metrics"])
def test_what_only_looks_like_a_url_is_not_found(serve: Serve, target: str) -> None:
    assert status(serve(), target) == 404


def test_a_whole_url_is_no_way_around_the_login(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alice: {HASH}}}")
    running = serve(web_config=tmp_path / "web.yml")
    targets = ("/metrics", "http://exporter/metrics", "http://exporter/-/healthy", "http://x/-/healthy/../../metrics")
    assert [status(running, target) for target in targets] == [401, 401, 200, 401]
