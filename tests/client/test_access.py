from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import GarbledError, PollError, ServerError, ThrottledError, UnauthorizedError
from exporter.insights.questions import Question
from tests.client.conftest import TOKEN, Tokens
from tests.client.servers import Peer, Server, answering, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.conftest import Aimed

    Aim = Callable[..., Aimed]

EXPORTS = "/organizations/{id}/usage_export_job"
QUESTION = Question("usage", EXPORTS, "gh/acme", id="a/b")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(b"{}", 500), ServerError),
        (response(b"{}", 429, [("Retry-After", 7)]), ThrottledError),
        (response(b"{"), GarbledError),
    ],
)
def test_a_question_is_asked_once_and_its_failure_says_what_was_asked(
    aim: Aim, answer: bytes, kind: type[PollError]
) -> None:
    with Server(answering(answer, response({}))) as server:
        aimed = aim(server.url)
        with pytest.raises(kind, match=r"^GET /organizations/\{id\}/usage_export_job: ") as raised:
            aimed.client.access.ask(QUESTION, aimed.limiter)
        assert server.targets == ["/api/v2/organizations/a%2Fb/usage_export_job"]
        assert raised.value.retry_after == (7 if kind is ThrottledError else None)


def test_an_answer_comes_with_its_date(aim: Aim) -> None:
    with Server(answering(response({"a": 1}, 200, [("Date", "Thu, 01 Jan 1970 00:01:00 GMT")]))) as server:
        aimed = aim(server.url)
        assert aimed.client.access.ask(QUESTION, aimed.limiter) == ({"a": 1}, 60.0)


def test_a_document_is_posted(aim: Aim) -> None:
    bodies: list[bytes] = []

    def script(peer: Peer) -> None:
        head = peer.request()
        while len(peer._received) < int(head.lower().partition("content-length: ")[2].split("\r\n")[0]):
            peer._received += peer.sock.recv(65536)
        bodies.append(peer._received)
        peer.send(response(b"{}", 500))

    with Server(script) as server:
        aimed = aim(server.url)
        with pytest.raises(ServerError, match=r"^POST "):
            aimed.client.access.ask(QUESTION, aimed.limiter, {"start": 1})
        assert server.lines[0].startswith("POST ")
    assert bodies == [b'{"start": 1}']


def test_the_question_after_a_refused_token_is_asked_with_a_new_one(aim: Aim) -> None:
    with Server(answering(response({"message": f"bad {TOKEN}"}, 401), response({}))) as server:
        tokens = Tokens([TOKEN, "a-new-one"])
        aimed = aim(server.url, tokens=tokens)
        with pytest.raises(UnauthorizedError) as raised:
            aimed.client.access.ask(QUESTION, aimed.limiter)
        assert TOKEN not in str(raised.value)
        aimed.client.access.ask(QUESTION, aimed.limiter)
        assert [TOKEN in head for head in server.requests] == [True, False]
        assert "a-new-one" in server.requests[1]


def test_what_another_host_answers_says_nothing_of_circleci(aim: Aim) -> None:
    with Server(answering(response({"message": "no"}, 500))) as server:
        aimed = aim("http://127.0.0.1:9")
        access = aimed.client.opened(aimed.settings, f"{server.url}/api/v3")
        with pytest.raises(ServerError, match=r"^GET /api/v3/runner[?]resource-class=a%2Fb: HTTP 500: no"):
            access.ask(Question("runners", "/runner", "a/b", params=(("resource-class", "a/b"),)), aimed.limiter)
        assert (aimed.telemetry.up.value, aimed.telemetry.recent.newest) == (None, "")
        assert aimed.metric("api_requests_total", endpoint="/runner", code="500") == 1
        access.close()
