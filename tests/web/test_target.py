"""A request target may be a whole URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.web.conftest import Running

    Serve = Callable[..., Running]

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
