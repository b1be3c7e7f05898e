from __future__ import annotations

import json
import socket
import threading

from exporter.demo.messages import Refused, Reply, Request, Wire, head, json_reply, length, message


def test_a_target_falls_into_path_and_query() -> None:
    request = Request("GET", "/a%2Fb?x=1?2", {})
    assert (request.path, request.query) == ("/a%2Fb", "x=1?2")


def test_a_header_replaces_its_namesake() -> None:
    reply = Reply().header("content-type", "text/plain").header("X-A", "1")
    assert reply.headers == (("content-type", "text/plain"), ("X-A", "1"))


def test_documents_are_written_as_json_in_utf_8() -> None:
    assert json.loads(json_reply({"name": "größe"}).body) == {"name": "größe"}
    assert "größe".encode() in json_reply({"name": "größe"}).body


def test_errors_have_a_message() -> None:
    assert (message(404, "gone").status, json.loads(message(404, "gone").body)) == (404, {"message": "gone"})
    assert Refused(400, "bad").reply == message(400, "bad")


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
