"""Which format and which coding an Accept and an Accept-Encoding get."""

from __future__ import annotations

import pytest

from exporter.web.negotiation import wants_gzip, wants_openmetrics

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3_5 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2_42,
        PROMETHEUS_3_5,
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        'APPLICATION/OpenMetrics-Text; Version="1.0.0"',
        "application/openmetrics-text,text/plain",
        "text/plain;q=0.5,application/openmetrics-text;q=0.501",
        "text/plain;q=0,application/openmetrics-text;q=0.1",
        "text/*;q=0.9,text/plain;q=0.2,application/openmetrics-text;q=0.5",
        "text/plain;version=1.0.0,application/openmetrics-text;q=0.1",
        "application/openmetrics-text;version=0.0.1,application/openmetrics-text;version=1.0.0;q=0.1",
    ],
)
def test_openmetrics_goes_to_whoever_prefers_it_by_name(accept: str) -> None:
    assert wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "application/*",
        CHROMIUM,
        "text/plain;version=0.0.4",
        "text/plain;version=0.0.4,application/openmetrics-text",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0,*/*;q=0",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0.4,text/plain;q=0.5",
        "application/openmetrics-text;q=0.4,*/*;q=0.5",
        "application/openmetrics-text;q=high",
        "application/openmetrics-text;q=1.1",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=0.12345",
        "application/json",
        ",;,;=;q=,",
        "application/openmetrics-textx",
    ],
)
def test_text_goes_to_everybody_else(accept: str) -> None:
    assert not wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept_encoding",
    ["gzip", "GZIP", "x-gzip", "deflate, gzip;q=1.0", "gzip;q=0.001", "br, *", "gzip;q=0.5, identity;q=0.5", "*;q=0.1"],
)
def test_gzip_goes_to_whoever_accepts_it(accept_encoding: str) -> None:
    assert wants_gzip(accept_encoding)


@pytest.mark.parametrize(
    "accept_encoding",
    [
        "",
        "identity",
        "gzip;q=0",
        "gzip;q=0.000",
        "gzip;q=0, *",
        "br",
        "gzip;q=0.5, identity",
        "gzip;q=x",
        "*;q=0",
        "gzipped",
    ],
)
def test_nobody_else_gets_gzip(accept_encoding: str) -> None:
    assert not wants_gzip(accept_encoding)
