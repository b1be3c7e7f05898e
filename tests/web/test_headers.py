"""Security headers, and requests of another site."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from exporter.web.headers import DEFAULTS, from_another_site, merged


def test_every_default_is_added_and_what_the_answer_says_itself_wins() -> None:
    own = [(b"content-type", b"text/css"), (b"cache-control", b"private, max-age=60")]
    headers = dict(merged(own, {}))
    assert headers[b"cache-control"] == b"private, max-age=60"
    assert set(headers) == {name.encode() for name in DEFAULTS} | {b"content-type"}


def test_what_is_configured_replaces_a_default_and_blank_removes_it() -> None:
    configured = {
        "X-Frame-Options": "sameorigin",
        "Content-Security-Policy": "",
        "Strict-Transport-Security": "max-age=1",
    }
    headers = dict(merged([], configured))
    assert headers[b"x-frame-options"] == b"sameorigin"
    assert headers[b"strict-transport-security"] == b"max-age=1"
    assert b"content-security-policy" not in headers


def test_the_policy_allows_no_script_and_nothing_from_elsewhere() -> None:
    policy = DEFAULTS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "https://exporter:10115"},
        {"sec-fetch-site": "none"},
        {"origin": "http://exporter:10115"},
        {"origin": "HTTP://EXPORTER:10115"},
    ],
)
def test_this_site_and_what_is_no_browser_may_change_something(headers: dict[str, str]) -> None:
    assert not from_another_site(Headers({"host": "exporter:10115", **headers}))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "cross-site", "origin": "http://exporter:10115"},
        {"origin": "null"},
        {"origin": "http://exporter"},
        {"origin": "http://evil.example"},
        {"origin": "http://exporter:10115.evil.example"},
        {"origin": "http://[evil"},
        {"origin": ""},
    ],
)
def test_another_site_may_not(headers: dict[str, str]) -> None:
    assert from_another_site(Headers({"host": "exporter:10115", **headers}))
