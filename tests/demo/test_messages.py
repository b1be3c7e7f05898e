from __future__ import annotations

import json

from exporter.demo.messages import Refused, Reply, Request, json_reply, message


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
