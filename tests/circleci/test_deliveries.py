"""How connections fail, seen from the other end."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.demo.asking import WEB, ask
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.circleci import Circle

PATH = f"/insights/{WEB}/workflows"


def raw(circle: Circle) -> socket.socket:
    """Send a request and leave the answer to be read."""
    host, _, port = circle.url.partition("://")[2].partition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.sendall(f"GET /api/v2{PATH} HTTP/1.1\r\nHost: x\r\nCircle-Token: {circle.token}\r\n\r\n".encode())
    return connection


def test_a_delayed_answer_comes_whole(circle: Circle) -> None:
    circle.fail("delay", seconds=0.2)
    begun = time.monotonic()
    assert ask(circle, PATH).status == 200
    assert time.monotonic() - begun >= 0.2


def test_an_answer_in_chunks_is_the_same(circle: Circle) -> None:
    whole = ask(circle, PATH).json
    circle.fail("chunked")
    answer = ask(circle, PATH)
    assert (answer.json, answer.headers["transfer-encoding"]) == (whole, "chunked")


def test_an_empty_answer_in_chunks_has_none(circle: Circle) -> None:
    circle.fail("chunked", match="/me")
    circle.tokens = frozenset()
    assert ask(circle, "/me").status == 401


@pytest.mark.parametrize("kind", ["truncated", "cut_chunk"])
def test_a_body_that_ends_early_is_incomplete(circle: Circle, kind: str) -> None:
    circle.fail(kind)
    with pytest.raises(http.client.IncompleteRead):
        ask(circle, PATH)


def test_a_connection_is_reset_before_the_answer_or_within_it(circle: Circle) -> None:
    circle.fail("reset", times=1)
    with pytest.raises(ConnectionResetError):
        ask(circle, PATH)
    circle.fail("reset", sent=20, times=1)
    with raw(circle) as connection:
        assert len(connection.recv(100)) <= 20
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_a_connection_is_closed_before_the_answer(circle: Circle) -> None:
    circle.fail("close")
    with pytest.raises(http.client.RemoteDisconnected):
        ask(circle, PATH)
    assert [seen.status for seen in circle.requests] == [0]


def test_an_answer_that_never_comes_leaves_the_others_alone(circle: Circle) -> None:
    circle.fail("hang", match=PATH)
    with raw(circle) as connection:
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert ask(circle, "/me").status == 200


def test_a_hang_can_end_by_itself(circle: Circle) -> None:
    circle.fail("hang", seconds=0.05)
    with raw(circle) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize("kind", ["drip_body", "drip_headers"])
def test_bytes_come_one_by_one(circle: Circle, kind: str) -> None:
    circle.fail(kind, interval=0.0001, times=1)
    assert ask(circle, PATH).json == ask(circle, PATH).json


@pytest.mark.parametrize("kind", ["drip_body", "drip_headers", "delay"])
def test_stopping_ends_a_slow_answer_at_once(circle: Circle, kind: str) -> None:
    options: dict[str, Any] = {"seconds": 600} if kind == "delay" else {"interval": 600}
    circle.fail(kind, **options)
    with raw(circle) as connection:
        circle.server.stopped.wait(0.05)
        circle.server.stopped.set()
        while connection.recv(65536):
            pass


@pytest.mark.parametrize("chunked", [True, False])
def test_an_oversize_body_is_one_valid_document(circle: Circle, chunked: bool) -> None:
    circle.fail("oversize", mib=3, chunked=chunked)
    answer = ask(circle, PATH)
    assert len(answer.body) > 3 * 1024 * 1024
    assert ("content-length" in answer.headers) != chunked
    assert len(json.loads(answer.body)["items"][0]) == 3 * 1024 * 1024
