"""A file from another host: as long as it comes, without a header of CircleCI's, and its URL in no error."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.client.download import CHUNK, Downloads
from exporter.demo.messages import Reply, Request, Wire, head, length
from exporter.demo.server import Server
from exporter.errors import (
    ConnectionFailed,
    ForbiddenError,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    Stopped,
    TruncatedError,
)
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "signature0that0nobody0may0see"


class Store:
    """Answers every request with one reply, and remembers it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.reply = Reply(200, b"content")
        self.seen: list[Request] = []
        self.codes: list[str] = []
        self.stop = threading.Event()
        self.server = Server(self._answer, 0, tls)
        self.url = f"{self.server.url}/a/b%20c/../part-0.csv.gz?X-Amz-Signature={SECRET}&x=%2F"

    def _answer(self, request: Request) -> Reply:
        self.seen.append(request)
        return self.reply

    def read(self, url: str = "", *, timeout: float = PATIENCE, ca_file: Path | None = None) -> bytes:
        downloads = Downloads(ca_file=ca_file, timeout=timeout, version="1", stop=self.stop)
        with downloads.open(url or self.url, self.codes.append) as body:
            return b"".join(body.chunks)


@pytest.fixture
def store() -> Iterator[Store]:
    found = Store()
    found.server.start()
    yield found
    found.server.stop()


def told_by(failing: Callable[[], object], kind: type[PollError]) -> str:
    """What an error says, with its whole traceback."""
    with pytest.raises(kind) as caught:
        failing()
    return "".join(traceback.format_exception(caught.value))


def in_parts(size: int, pause: float) -> Callable[[Wire, Reply], bool]:
    def send(wire: Wire, reply: Reply) -> bool:
        wire.send(head(reply, length(len(reply.body))))
        for place in range(0, len(reply.body), size):
            if wire.stop.wait(pause):
                return False
            wire.send(reply.body[place : place + size])
        return True

    return send


def test_a_file_is_asked_for_exactly_as_its_url_says_and_with_no_header_of_circlecis(store: Store) -> None:
    assert store.read() == b"content"
    [seen] = store.seen
    assert (seen.method, f"{store.server.url}{seen.target}") == ("GET", store.url)
    assert set(seen.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert seen.headers["accept-encoding"] == "identity"
    assert store.codes == ["200"]


def test_a_file_may_take_longer_than_the_timeout_as_long_as_it_comes(store: Store) -> None:
    """All of it has come and waits in the socket, so that no piece is late on a busy machine."""
    store.reply = Reply(200, b"x" * (2 * CHUNK))
    over = time.monotonic() + 8.0
    with Downloads(ca_file=None, timeout=8.0, version="1", stop=store.stop).open(store.url, store.codes.append) as body:
        first = next(body.chunks)
        wait_until(lambda: time.monotonic() > over, why="the timeout to be over")
        assert len(first + b"".join(body.chunks)) == 2 * CHUNK


def test_a_file_of_which_less_than_64_kib_comes_within_the_timeout_is_given_up(store: Store) -> None:
    store.reply = Reply(200, b"x" * (8 * CHUNK), send=in_parts(1000, 0.1))
    told_by(lambda: store.read(timeout=1.0), RequestTimeout)


def test_a_stop_ends_a_download(store: Store) -> None:
    store.reply = Reply(200, b"x" * (8 * CHUNK), send=in_parts(1000, 0.1))
    threading.Timer(0.3, store.stop.set).start()
    with pytest.raises(Stopped):
        store.read(timeout=600)


@pytest.mark.parametrize("size", [0, 10, CHUNK + 5])
def test_a_body_that_ends_before_its_length_is_cut(store: Store, size: int) -> None:
    def cut(wire: Wire, reply: Reply) -> bool:
        wire.send(head(reply, length(2 * CHUNK)) + reply.body)
        return False

    store.reply = Reply(200, b"x" * size, send=cut)
    assert SECRET not in told_by(store.read, TruncatedError)


def test_whether_an_end_can_be_told_is_said(store: Store) -> None:
    def until_closed(wire: Wire, reply: Reply) -> bool:
        wire.send(head(reply, ("Connection", "close")) + reply.body)
        wire.connection.shutdown(socket.SHUT_RDWR)
        return False

    downloads = Downloads(ca_file=None, timeout=PATIENCE, version="1", stop=store.stop)
    for reply, bounded in ((store.reply, True), (replace(store.reply, send=until_closed), False)):
        store.reply = reply
        with downloads.open(store.url, store.codes.append) as body:
            assert b"".join(body.chunks) == b"content"
            assert body.bounded is bounded


@pytest.mark.parametrize(
    ("status", "kind"), [(302, RedirectError), (403, ForbiddenError), (206, PayloadError), (304, RedirectError)]
)
def test_a_status_is_an_error_that_tells_nothing_of_url_and_body(
    store: Store, status: int, kind: type[PollError]
) -> None:
    explained = f"<Error><SignatureProvided>{SECRET}</SignatureProvided></Error>".encode()
    store.reply = Reply(status, explained, (("Location", store.url),))
    told = told_by(store.read, kind)
    assert str(status) in told
    assert SECRET not in told
    assert store.codes == [str(status)]
    assert len(store.seen) == 1


def test_what_answers_nothing_or_no_http_is_an_error_that_tells_nothing_of_the_url(store: Store) -> None:
    def nonsense(wire: Wire, _reply: Reply) -> bool:
        wire.send(b"SSH-2.0-OpenSSH_9\r\n\r\n")
        return False

    store.reply = Reply(200, send=nonsense)
    assert SECRET not in told_by(store.read, ConnectionFailed)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/x?X={SECRET}"
        told = told_by(lambda: store.read(url), ConnectionFailed)
    assert "Connection refused" in told
    assert SECRET not in told
    assert store.codes == ["error", "error"]


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"file:///etc/passwd?{SECRET}",
        f"https://user:{SECRET}@127.0.0.1/",
        f"https://127.0.0.1:99999/{SECRET}",
        f"https://[::1/{SECRET}",
        f"//127.0.0.1/{SECRET}",
        f"https://127.0.0.1/ {SECRET}",
        f"https://127.0.0.1/\r\nX: {SECRET}",
        f"https://127.0.0.1/ü{SECRET}",
        SECRET,
        "",
    ],
)
def test_a_url_that_is_none_or_neither_https_nor_of_this_machine_is_asked_for_nothing(store: Store, url: str) -> None:
    downloads = Downloads(ca_file=None, timeout=PATIENCE, version="1", stop=store.stop)

    def ask() -> None:
        with downloads.open(url, store.codes.append):
            raise AssertionError

    assert SECRET not in told_by(ask, PayloadError).partition("raise ")[2]
    assert store.codes == []


def test_https_is_verified(server_tls: ssl.SSLContext, ca_file: Path) -> None:
    store = Store(server_tls)
    store.server.start()
    try:
        url = store.url.replace("127.0.0.1", "localhost")
        assert store.read(url, ca_file=ca_file) == b"content"
        told = told_by(lambda: store.read(url), ConnectionFailed)
        assert "certificate verify failed" in told
        assert SECRET not in told
    finally:
        store.server.stop()
