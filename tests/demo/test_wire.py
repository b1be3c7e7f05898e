from __future__ import annotations

import socket
import threading

from exporter.demo.messages import Reply
from exporter.demo.wire import Wire, head, length


def test_an_answer_is_a_status_its_headers_and_a_body_of_the_length_that_is_told() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert Reply(404, b"{}", (("X-One", "1"),)).deliver(Wire(here, threading.Event()))
        assert there.recv(1000) == b"HTTP/1.1 404 Not Found\r\nX-One: 1\r\nContent-Length: 2\r\n\r\n{}"


def test_a_status_that_has_no_name_and_a_header_that_is_no_latin_are_written_all_the_same() -> None:
    assert (
        head(Reply(299, headers=(("X", "→"),)), length(7))
        == b"HTTP/1.1 299 Unknown\r\nX: ?\r\nContent-Length: 7\r\n\r\n"
    )
