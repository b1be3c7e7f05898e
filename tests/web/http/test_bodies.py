"""Bodies of requests, in memory and time that are bounded. The routes' tests have the rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request

from exporter.web.http.bodies import Bodies, BodyRefused, check_announced

if TYPE_CHECKING:
    from starlette.types import Message


class Sender:
    """A client that sends a body piece by piece, each when the test says so."""

    def __init__(self, announced: str | None = None) -> None:
        headers = [] if announced is None else [(b"content-length", announced.encode())]
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self.request = Request({"type": "http", "headers": headers}, self._messages.get)

    def send(self, chunk: bytes, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": chunk, "more_body": more})

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


async def whole(bodies: Bodies, sender: Sender, most: int = 100, seconds: float = 5.0) -> bytes:
    async with bodies.read(sender.request, most, seconds) as body:
        return body


async def refusal(bodies: Bodies, sender: Sender, most: int = 100, seconds: float = 5.0) -> int:
    with pytest.raises(BodyRefused) as raised:
        await whole(bodies, sender, most, seconds)
    return raised.value.status


def test_a_body_is_whole_and_its_memory_is_given_back() -> None:
    async def scenario() -> None:
        bodies, sender = Bodies(), Sender()
        for chunk in (b"one ", b"two ", b""):
            sender.send(chunk)
        sender.send(b"three", more=False)
        assert await whole(bodies, sender) == b"one two three"
        assert (bodies._held, bodies._reading) == (0, set())

    asyncio.run(scenario())


@pytest.mark.parametrize(("size", "refused"), [(100, False), (101, True)])
def test_a_body_has_a_largest_size(size: int, refused: bool) -> None:
    async def scenario() -> None:
        bodies, sender = Bodies(), Sender()
        sender.send(b"x" * size, more=False)
        if refused:
            assert await refusal(bodies, sender) == 413
        else:
            assert len(await whole(bodies, sender)) == size
        assert bodies._held == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("announced", ["101", "1000000000000000000000", "0000000101"])
def test_a_body_that_is_announced_as_larger_is_not_read(announced: str) -> None:
    assert asyncio.run(refusal(Bodies(), Sender(announced))) == 413
    check_announced(Sender("100").request, 100)
    check_announced(Sender().request, 0)


def test_a_body_that_does_not_come_and_a_sender_that_leaves_are_given_up() -> None:
    async def scenario() -> None:
        bodies, slow, gone = Bodies(), Sender(), Sender()
        slow.send(b"abc")
        gone.send(b"abc")
        gone.leave()
        assert await refusal(bodies, slow, seconds=0.05) == 408
        assert await refusal(bodies, gone) == 408
        assert (bodies._held, bodies._reading) == (0, set())

    asyncio.run(scenario())


def test_beyond_the_memory_the_largest_body_that_is_being_read_is_given_up() -> None:
    async def scenario() -> None:
        bodies, small, large = Bodies(memory=100), Sender(), Sender()
        tasks = [asyncio.create_task(refusal(bodies, large)), asyncio.create_task(whole(bodies, small))]
        large.send(b"x" * 90)
        small.send(b"y" * 11)
        await asyncio.sleep(0)
        small.send(b"z", more=False)
        assert await tasks[1] == b"y" * 11 + b"z"
        assert await tasks[0] == 503, "at once, whether or not more comes"
        assert (bodies._held, bodies._reading) == (0, set())

    asyncio.run(scenario())


def test_a_body_that_is_in_use_counts_and_is_not_given_up() -> None:
    async def scenario() -> None:
        bodies, first, second = Bodies(memory=100), Sender(), Sender()
        first.send(b"x" * 90, more=False)
        second.send(b"y" * 11, more=False)
        async with bodies.read(first.request, 100, 5.0) as body:
            assert await refusal(bodies, second) == 503
            assert body == b"x" * 90
        second = Sender()
        second.send(b"y" * 11, more=False)
        assert await whole(bodies, second) == b"y" * 11

    asyncio.run(scenario())
