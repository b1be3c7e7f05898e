"""Counting without noise."""

from __future__ import annotations

import asyncio
import logging

from exporter.web.http.incidents import Incidents, describe
from tests.web.conftest import Lines


def test_a_kind_is_counted_always_and_logged_once_a_minute() -> None:
    log, now = Lines(), [0.0]
    told: list[str] = []
    incidents = Incidents(log, lambda: now[0], told.append)
    for _ in range(500):
        incidents.note("headers_deadline", peer="192.0.2.7")
    incidents.note("evicted", peer="192.0.2.7")
    assert incidents.counts == {"headers_deadline": 500, "evicted": 1}
    assert told == [*["headers_deadline"] * 500, "evicted"]
    assert log.events("web incident") == [
        {"kind": "headers_deadline", "count": 1, "peer": "192.0.2.7"},
        {"kind": "evicted", "count": 1, "peer": "192.0.2.7"},
    ]
    now[0] = 61.0
    incidents.note("headers_deadline", peer="192.0.2.8")
    assert log.events("web incident")[2:] == [{"kind": "headers_deadline", "count": 501, "peer": "192.0.2.8"}]


def test_what_asyncio_and_uvicorn_log_becomes_a_line_without_a_traceback() -> None:
    log = Lines()
    incidents = Incidents(log)
    loggers = [logging.getLogger("asyncio"), logging.getLogger("uvicorn.error")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    with incidents.replacing_foreign_logs():
        try:
            int("broken\nin two lines")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    assert [(logger.handlers, logger.propagate) for logger in loggers] == before
    [line] = log.events("web incident")
    assert (line["kind"], line["message"]) == ("server", "Exception in ASGI application")
    assert line["error"].startswith("ValueError: invalid literal for int() with base 10: 'broken\\nin two lines' (")
    assert line["error"].endswith(")")


def test_an_error_in_the_loop_becomes_a_line() -> None:
    log = Lines()
    loop = asyncio.new_event_loop()
    Incidents(log).from_loop(loop, {"message": "Fatal error", "exception": ValueError("x")})
    Incidents(log).from_loop(loop, {"message": "no exception"})
    loop.close()
    assert log.events("web incident") == [
        {"kind": "loop", "count": 1, "message": "Fatal error", "error": "ValueError: x"},
        {"kind": "loop", "count": 1, "message": "no exception", "error": None},
    ]


def test_an_error_is_described_in_one_bounded_line() -> None:
    assert describe(None) is None
    assert len(describe(ValueError("x" * 10_000)) or "") == 300
