from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from exporter.client.access import LONGEST_NAME
from exporter.config import Secret
from exporter.errors import (
    BlockedError,
    ClientError,
    ConnectionFailed,
    DeadlineError,
    ForbiddenError,
    GarbledError,
    NotFoundError,
    PaginationError,
    PayloadError,
    PollError,
    RedirectError,
    RequestTimeout,
    ServerError,
    Stopped,
    ThrottledError,
    TooLargeError,
    TruncatedError,
    UnauthorizedError,
)
from exporter.insights.questions import Question
from tests.client.conftest import QUESTION, TOKEN, Tokens
from tests.client.servers import Peer, Server, answering, refused_port, response
from tests.running.clockwork import Clockwork
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.conftest import Aimed

    Aim = Callable[..., Aimed]

ENDPOINT = "/insights/{slug}/workflows"
JOBS = "/insights/{slug}/workflows/{workflow}/jobs"


def message(text: str, status: int, **headers: object) -> bytes:
    return response({"message": text}, status, [(name.replace("_", "-"), value) for name, value in headers.items()])


def page(token: object = None, number: int = 0) -> bytes:
    return response({"items": [number], "next_page_token": token})


def test_a_question_is_asked_with_its_parameters_fully_encoded(aim: Aim) -> None:
    question = Question(
        "jobs",
        JOBS,
        "circleci/8vLqd1AbCdEf/43G3kM5RtfFE",
        "build / 100% é",
        (("branch", "release/2 x+y&z=~é"), ("reporting-window", "last-7-days")),
    )
    with Server(answering(response({"items": [1]}))) as server:
        assert aim(server.url).fetch(question) == {"items": [1]}
        path, _, query = server.targets[0].partition("?")
        assert path == (
            "/api/v2/insights/circleci/8vLqd1AbCdEf/43G3kM5RtfFE/workflows/build%20%2F%20100%25%20%C3%A9/jobs"
        )
        assert query == "branch=release%2F2%20x%2By%26z%3D~%C3%A9&reporting-window=last-7-days"


@pytest.mark.parametrize(
    ("workflow", "encoded"), [("a%2Fb", "a%252Fb"), ("100%", "100%25"), ("..%2F", "..%252F"), ("../x", "..%2Fx")]
)
def test_no_workflow_name_leads_to_another_path(aim: Aim, workflow: str, encoded: str) -> None:
    with Server(answering(response())) as server:
        aim(server.url).fetch(Question("jobs", JOBS, "gh/acme/web", workflow))
        assert server.targets == [f"/api/v2/insights/gh/acme/web/workflows/{encoded}/jobs"]


def test_a_url_with_a_path_of_its_own_keeps_it(aim: Aim) -> None:
    with Server(answering(response())) as server:
        aim(f"{server.url}/circle").fetch(Question("facts", "/project/{slug}", "gh/acme/web"))
        assert server.targets == ["/circle/api/v2/project/gh/acme/web"]


def test_a_name_with_half_a_surrogate_pair_cannot_be_asked_for(aim: Aim) -> None:
    with Server(answering(page("\ud800"))) as server:
        aimed = aim(server.url)
        with pytest.raises(PayloadError):
            aimed.fetch(Question("jobs", JOBS, "gh/acme/web", "\ud800"))
        with pytest.raises(PayloadError):
            aimed.pages()


def test_later_pages_repeat_every_parameter_and_the_first_has_no_token(aim: Aim) -> None:
    with Server(answering(page("a+/=", 1), page("b", 2), page(None, 3))) as server:
        assert [found["items"] for found in aim(server.url).pages()] == [[1], [2], [3]]
        first = "/api/v2/insights/gh/acme/web/workflows?all-branches=true"
        assert server.targets == [first, f"{first}&page-token=a%2B%2F%3D", f"{first}&page-token=b"]


@pytest.mark.parametrize("last", [{"items": [], "next_page_token": None}, {"items": []}, {"next_page_token": ""}])
def test_a_null_an_absent_and_an_empty_token_end_the_pages(aim: Aim, last: dict[str, object]) -> None:
    with Server(answering(response(last))) as server:
        assert aim(server.url).pages() == [last]


@pytest.mark.parametrize("token", [5, 0, False, True, [], {"a": 1}, "x" * 10_000])
def test_a_token_that_is_none_is_a_payload_error(aim: Aim, token: object) -> None:
    with Server(answering(page(token))) as server, pytest.raises(PayloadError, match="next_page_token"):
        aim(server.url).pages()


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_page_that_is_no_object_is_a_payload_error(aim: Aim, body: object) -> None:
    content = b"null" if body is None else body
    with Server(answering(response(content))) as server, pytest.raises(PayloadError, match="not an object"):
        aim(server.url).pages()


def test_a_list_can_be_fetched_where_one_is_expected(aim: Aim) -> None:
    with Server(answering(response([{"slug": "gh/acme"}]))) as server:
        assert aim(server.url).fetch(Question("orgs", "/me/collaborations", "")) == [{"slug": "gh/acme"}]


def test_a_repeated_token_ends_the_question(aim: Aim) -> None:
    with Server(answering(page("a"), page("b"), page("a"))) as server:
        with pytest.raises(PaginationError, match="twice"):
            aim(server.url).pages()
        assert len(server.requests) == 3


def test_a_thousand_pages_are_read_and_one_more_is_too_many(aim: Aim) -> None:
    def numbered(last: int) -> Callable[[str], bytes]:
        asked = iter(range(1, 2000))

        def answer(_: str) -> bytes:
            number = next(asked)
            return page(f"t{number}" if number < last else None)

        return answer

    with Server(answering(numbered(1000))) as server:
        assert len(aim(server.url, rate=1e6, burst=5000).pages()) == 1000
    with Server(answering(numbered(1001))) as server:
        with pytest.raises(PaginationError, match="1000"):
            aim(server.url, rate=1e6, burst=5000).pages()
        assert len(server.requests) == 1000


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (message("Bad window", 400), ClientError, "HTTP 400: Bad window"),
        (message("No access", 403), ForbiddenError, "HTTP 403: No access"),
        (message("Project not found", 404), NotFoundError, "HTTP 404: Project not found"),
        (response(b"<html>blocked</html>", 403, [("Content-Type", "text/html")]), BlockedError, "HTTP 403"),
        (response(b"", 302, [("Location", "http://127.0.0.1:1/")]), RedirectError, "HTTP 302"),
        (response(b"", 301), RedirectError, "HTTP 301"),
        (response(b"", 304), RedirectError, "HTTP 304"),
        (response(b"[" * 50_000), PayloadError, "nested"),
        (response(b'{"n": ' + b"1" * 6000 + b"}"), PayloadError, "JSON"),
        (response(b"[" + b"," * 1_000_001 + b"]"), TooLargeError, "values"),
        (response(b"zz", headers=[("Content-Encoding", "br")]), PayloadError, "encoding is br"),
    ],
)
def test_what_would_be_answered_alike_is_asked_once_and_names_the_question(
    aim: Aim, answer: bytes, kind: type[PollError], says: str
) -> None:
    with Server(answering(answer)) as server:
        with pytest.raises(PollError) as raised:
            aim(server.url).fetch()
        assert type(raised.value) is kind
        assert str(raised.value).startswith("GET /insights/gh/acme/web/workflows: ")
        assert says in str(raised.value)
        assert len(server.requests) == 1


def test_a_question_that_goes_ahead_is_asked_before_those_that_wait(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(page())) as server:
        aimed = aim(server.url, clockwork=clockwork, rate=1.0, burst=1)

        def poll(number: int) -> None:
            clockwork.sleep(number / 100)
            aimed.fetch(Question("workflows", ENDPOINT, f"gh/acme/p{number}"), seconds=100)

        def hint() -> None:
            clockwork.sleep(0.5)
            question = Question("workflows", ENDPOINT, "gh/acme/hint")
            list(aimed.client.pages(question, deadline=aimed.clock() + 100, ahead=True))

        clockwork.run(*[lambda n=n: poll(n) for n in range(4)], hint)
        assert [target.split("/")[6] for target in server.targets] == ["p0", "hint", "p1", "p2", "p3"]


def test_a_server_error_is_asked_again_with_growing_pauses(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(response(status=502), response(status=503), response(status=500), page())) as server:
        aimed = aim(server.url, clockwork=clockwork, random=1.0)
        clockwork.run(aimed.fetch)
        assert clockwork.slept == [1.0, 2.0, 4.0]
        assert aimed.metric("api_retries_total", reason="server") == 3
        assert [aimed.metric("api_requests_total", endpoint=ENDPOINT, code=code) for code in ("500", "502", "200")] == [
            1,
            1,
            1,
        ]


def test_after_three_retries_the_error_stands(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(message("Internal", 500))) as server:
        aimed = aim(server.url, clockwork=clockwork)
        with pytest.raises(ServerError, match="HTTP 500: Internal"):
            clockwork.run(aimed.fetch)
        assert len(server.requests) == 4


def test_a_retry_after_of_a_server_error_is_waited_for(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(message("Maintenance", 503, Retry_After=20), page())) as server:
        clockwork.run(aim(server.url, clockwork=clockwork).fetch)
    assert clockwork.slept == [20.0]


def test_a_retry_that_would_come_after_the_deadline_is_not_waited_for(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(message("Maintenance", 503, Retry_After=200))) as server:
        with pytest.raises(ServerError):
            clockwork.run(lambda: aim(server.url, clockwork=clockwork).fetch(seconds=100))
        assert len(server.requests) == 1
    assert clockwork.slept == []


def test_a_connection_error_is_asked_again_and_then_ends_the_poll(aim: Aim) -> None:
    clockwork = Clockwork()
    aimed = aim(f"http://127.0.0.1:{refused_port()}", clockwork=clockwork)
    with pytest.raises(ConnectionFailed, match="Connection refused") as raised:
        clockwork.run(aimed.fetch)
    assert raised.value.ends_poll
    assert aimed.metric("api_retries_total", reason="connection") == 3
    assert aimed.metric("api_requests_total", endpoint=ENDPOINT, code="error") == 4
    assert aimed.metric("up") == 0


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (response({"items": [1, 2, 3]}, length=500), "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n[1,", "truncated"),
        (b"", "connection"),
        (response(b'{"items": [1, 2'), "payload"),
        (response(b"<html>maintenance</html>"), "payload"),
        (response(b'"\xe9"'), "payload"),
        (response(b"zz", headers=[("Content-Encoding", "gzip")]), "payload"),
    ],
)
def test_an_answer_that_breaks_off_is_asked_again(aim: Aim, broken: bytes, reason: str) -> None:
    answers = [broken, broken, page(number=7)]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answers.pop(0))

    clockwork = Clockwork()
    with Server(script) as server:
        aimed = aim(server.url, clockwork=clockwork)
        [found] = clockwork.run(aimed.fetch)
    assert found == {"items": [7], "next_page_token": None}
    assert aimed.metric("api_retries_total", reason=reason) == 2
    assert aimed.metric("up") == 1


def test_a_truncated_body_that_stays_so_is_reported(aim: Aim) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(response(length=500))

    clockwork = Clockwork()
    with Server(script) as server, pytest.raises(TruncatedError):
        clockwork.run(aim(server.url, clockwork=clockwork).fetch)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (response(b"<html>", 200), "JSON"),
        (response(b'"\xe9"'), "JSON"),
        (response(b"zz", headers=[("Content-Encoding", "gzip")]), "gzip"),
    ],
)
def test_a_body_that_stays_no_json_is_reported_with_the_question(aim: Aim, broken: bytes, says: str) -> None:
    clockwork = Clockwork()
    with Server(answering(broken)) as server:
        aimed = aim(server.url, clockwork=clockwork)
        with pytest.raises(PayloadError, match=f"^GET /insights/gh/acme/web/workflows: .*{says}"):
            clockwork.run(aimed.fetch)
        assert len(server.requests) == 4
    assert aimed.metric("api_retries_total", reason="payload") == 3


def test_a_slow_server_is_given_up_at_the_timeout_each_time(aim: Aim) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.drip(response(), 0.05)

    clockwork = Clockwork()
    with Server(script) as server:
        aimed = aim(server.url, clockwork=clockwork, timeout=0.2)
        with pytest.raises(RequestTimeout):
            clockwork.run(aimed.fetch)
    assert aimed.metric("api_retries_total", reason="timeout") == 3


def test_a_request_that_is_cut_short_by_the_polls_deadline_says_so(aim: Aim) -> None:
    with Server(Peer.hang) as server:
        aimed = aim(server.url)
        with pytest.raises(DeadlineError):
            aimed.fetch(seconds=0.3)


def test_a_kept_connection_that_went_stale_costs_no_pause(aim: Aim) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(page())
        peer.request()

    with Server(script) as server:
        aimed = aim(server.url, clockwork=(clockwork := Clockwork()))
        clockwork.run(lambda: [aimed.fetch() for _ in range(3)])
        assert clockwork.slept == [0.0, 0.0]
        assert aimed.metric("api_retries_total", reason="connection") == 2


def test_connections_that_went_stale_between_failures_take_no_retry_from_them(aim: Aim) -> None:
    answers = [*[message("Bad Gateway", 502)] * 3, page(number=7)]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answers.pop(0))
        peer.request()  # the connection closes on it

    with Server(script) as server:
        aimed = aim(server.url, clockwork=(clockwork := Clockwork()))
        [found] = clockwork.run(aimed.fetch)
    assert found == {"items": [7], "next_page_token": None}
    assert aimed.metric("api_retries_total", reason="server") == 3
    assert aimed.metric("api_retries_total", reason="connection") == 3


def test_a_refused_token_is_read_again_at_once(aim: Aim) -> None:
    with Server(answering(message("Unauthorized", 401), page())) as server:
        aimed = aim(server.url, tokens=Tokens(["old-token", "new-token"]))
        aimed.fetch()
        assert [head.split("Circle-Token: ")[1].split("\r\n")[0] for head in server.requests] == [
            "old-token",
            "new-token",
        ]
        assert aimed.metric("api_retries_total", reason="unauthorized") == 1
        assert aimed.metric("up") == 1


def test_a_new_token_that_is_refused_too_is_not_replaced_again(aim: Aim) -> None:
    with Server(answering(message("Unauthorized", 401))) as server:
        aimed = aim(server.url, tokens=Tokens(["old", "new", "newer"]))
        with pytest.raises(UnauthorizedError, match="HTTP 401: Unauthorized") as raised:
            aimed.fetch()
        assert raised.value.ends_poll
        assert len(server.requests) == 2
        assert aimed.metric("up") == 0


def test_the_same_token_is_not_sent_twice(aim: Aim) -> None:
    with Server(answering(message("Unauthorized", 401))) as server:
        aimed = aim(server.url)
        with pytest.raises(UnauthorizedError):
            aimed.fetch()
        assert (len(server.requests), aimed.tokens.refreshed) == (1, 1)


def test_a_token_that_another_request_has_read_meanwhile_is_used(aim: Aim) -> None:
    class Rotated(Tokens):
        def refresh(self) -> bool:
            self.texts = ["new"]
            return False

    with Server(answering(message("Unauthorized", 401), page())) as server:
        aim(server.url, tokens=Rotated(["old"])).fetch()
        assert "Circle-Token: new" in server.requests[1]


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (message("Unauthorized", 401), UnauthorizedError, "GET /me: HTTP 401: Unauthorized"),
        (message("oops", 500), ServerError, "GET /me: HTTP 500: oops"),
        (response("<html>", 200, [("Content-Type", "text/html")]), GarbledError, "GET /me: HTTP 200 that is not JSON"),
        (response("<html>", 404, [("Content-Type", "text/html")]), GarbledError, "GET /me: HTTP 404 that is not JSON"),
        (response("<html>", 403, [("Content-Type", "text/html")]), BlockedError, "GET /me: HTTP 403 that is not JSON"),
    ],
)
def test_when_the_light_question_fails_too_nothing_else_is_asked_until_it_is_answered(
    aim: Aim, answer: bytes, kind: type[PollError], says: str
) -> None:
    told: list[PollError | None] = []
    with Server(answering(answer, page(), page())) as server:
        aimed = aim(server.url, told=told.append)
        aimed.client.doubt(ConnectionFailed("gone"), aimed.clock())
        for _ in range(3):
            with pytest.raises(kind, match=says) as raised:
                aimed.fetch()
            assert raised.value.held
        assert aimed.metric("up") == 0
        assert server.targets == ["/api/v2/me"]
        aimed.client.ask_lightly()
        aimed.fetch()
        assert [target.partition("?")[0] for target in server.targets[1:]] == [
            "/api/v2/me",
            "/api/v2/insights/gh/acme/web/workflows",
        ]
        assert aimed.client.lost is None
        assert aimed.metric("up") == 1
        assert [type(each) for each in told] == [kind, type(None)]


def test_the_light_question_is_asked_once_and_its_answer_says_that_a_failure_is_the_questions_own(aim: Aim) -> None:
    with Server(answering(message("not for you", 403), page())) as server:
        aimed = aim(server.url)
        aimed.client.doubt(ServerError("HTTP 500"), aimed.clock())
        assert aimed.client.lost is None
        aimed.client.doubt(ServerError("HTTP 500"), aimed.clock() - 10)
        aimed.fetch()
        assert [target.partition("?")[0] for target in server.targets] == [
            "/api/v2/me",
            "/api/v2/insights/gh/acme/web/workflows",
        ]


def test_a_light_question_that_is_refused_for_its_rate_says_nothing(aim: Aim) -> None:
    told: list[PollError | None] = []
    with Server(answering(message("slow down", 429, Retry_After=1))) as server:
        aimed = aim(server.url, told=told.append)
        aimed.client.doubt(ConnectionFailed("gone"), aimed.clock())
        assert (aimed.client.lost, told) == (None, [])
        assert len(server.requests) == 1
        assert aimed.metric("up") is None


def test_an_answer_to_what_was_asked_before_contact_was_lost_does_not_show_as_up(aim: Aim) -> None:
    asked, lost = threading.Event(), threading.Event()

    def slowly(peer: Peer) -> None:
        while head := peer.request():
            if "/me" in head:
                peer.send(message("Unauthorized", 401))
            else:
                asked.set()
                lost.wait(PATIENCE)
                peer.send(page())

    with Server(slowly) as server:
        aimed = aim(server.url)
        slow = threading.Thread(target=aimed.fetch)
        slow.start()
        assert asked.wait(PATIENCE)
        aimed.client.doubt(UnauthorizedError("HTTP 401"), aimed.clock())
        lost.set()
        slow.join(PATIENCE)
        assert aimed.metric("up") == 0
        assert isinstance(aimed.client.lost, UnauthorizedError)


def test_a_token_that_no_header_can_hold_is_not_sent(aim: Aim) -> None:
    with Server(answering(page())) as server:
        with pytest.raises(UnauthorizedError):
            aim(server.url, tokens=Tokens(["two\nlines"])).fetch()
        assert server.requests == []


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("circle-token", "Circle-Token: abc"),
        ("bearer", "Authorization: Bearer abc"),
        ("basic", "Authorization: Basic YWJjOg=="),
    ],
)
def test_the_token_is_sent_in_the_way_that_is_configured(aim: Aim, auth: str, header: str) -> None:
    with Server(answering(page())) as server:
        aim(server.url, auth=auth, tokens=Tokens(["abc"])).fetch()
        assert header in server.requests[0].split("\r\n")


@pytest.mark.parametrize(
    "refusal",
    [
        message("Rate limit exceeded.", 429, Retry_After=30),
        response(b"{}", 429, [("Retry-After", 30)]),
        response(b"Rate limited.", 429, [("Retry-After", 30), ("Content-Type", "text/plain")]),
        response(
            b"", 429, [("Retry-After", "Fri, 15 Jan 2027 08:00:30 GMT"), ("Date", "Fri, 15 Jan 2027 08:00:00 GMT")]
        ),
    ],
)
def test_a_refused_request_is_asked_again_after_the_pause_without_using_up_retries(aim: Aim, refusal: bytes) -> None:
    clockwork = Clockwork()
    start = clockwork.now
    with Server(answering(*[refusal] * 6, page())) as server:
        aimed = aim(server.url, clockwork=clockwork)
        clockwork.run(lambda: aimed.fetch(seconds=3600))
        assert len(server.requests) == 7
    assert clockwork.now - start == pytest.approx(180)
    assert aimed.metric("api_throttled_seconds_total") == pytest.approx(180)
    assert aimed.metric("api_retries_total", reason="throttled") == 6
    assert aimed.metric("up") == 1


def test_a_refusal_until_the_deadline_is_reported_as_such(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(message("Rate limit exceeded.", 429, Retry_After=40))) as server:
        aimed = aim(server.url, clockwork=clockwork)
        with pytest.raises(ThrottledError) as raised:
            clockwork.run(lambda: aimed.fetch(seconds=100))
        assert raised.value.ends_poll
        assert len(server.requests) == 3
    assert aimed.metric("up") is None


def test_two_hours_of_refusals_are_outlasted_with_few_requests(aim: Aim) -> None:
    clockwork = Clockwork()
    start = clockwork.now

    def answer(_: str) -> bytes:
        refusing = clockwork.now - start < 7200
        return message("Rate limit exceeded.", 429) if refusing else page()

    with Server(answering(answer)) as server:
        aimed = aim(server.url, clockwork=clockwork, rate=5.0, burst=10, random=0.5)

        def poll(number: int) -> float:
            question = Question("workflows", ENDPOINT, f"gh/acme/p{number}")
            while True:
                try:
                    aimed.fetch(question, seconds=3600)
                except ThrottledError:
                    clockwork.sleep(60)
                else:
                    return clockwork.now - start

        ended = clockwork.run(*[lambda number=number: poll(number) for number in range(8)])
        assert len(server.requests) < 150
    assert all(7200 <= moment < 7900 for moment in ended)
    assert aimed.metric("api_throttled_seconds_total") == pytest.approx(7200, rel=0.1)
    assert aimed.limiter.state().rate < 5


def test_a_block_fails_its_poll_and_a_second_projects_block_pauses_everything(aim: Aim) -> None:
    blocked = response(b"<h1>403 ERROR</h1>", 403, [("Content-Type", "text/html"), ("Retry-After", 25)])
    clockwork = Clockwork()
    with Server(answering(blocked, blocked, page())) as server:
        aimed = aim(server.url, clockwork=clockwork)

        def work() -> None:
            with pytest.raises(BlockedError) as raised:
                aimed.fetch()
            assert raised.value.ends_poll
            assert aimed.limiter.state().paused_until is None
            assert aimed.metric("up") == 0
            with pytest.raises(BlockedError):
                aimed.fetch(Question("workflows", ENDPOINT, "gh/acme/api"))
            began = clockwork.now
            aimed.fetch()
            assert clockwork.now - began == 25

        clockwork.run(work)


def test_a_quota_that_runs_low_is_shown_and_slows_down(aim: Aim) -> None:
    low = [("X-RateLimit-Limit", 300), ("X-RateLimit-Remaining", 2), ("X-RateLimit-Reset", 10)]
    clockwork = Clockwork()
    with Server(answering(response(headers=low), page())) as server:
        aimed = aim(server.url, clockwork=clockwork)
        start = clockwork.now
        clockwork.run(lambda: [aimed.fetch() for _ in range(2)])
    assert clockwork.now - start == 5
    assert (aimed.metric("api_rate_limit_remaining"), aimed.metric("api_rate_limit_limit")) == (2, 300)


def test_a_reset_that_is_always_one_second_away_does_not_stall(aim: Aim) -> None:
    """As CircleCI was seen to send it: a window's length rather than a countdown."""
    spent = [("X-RateLimit-Limit", 300), ("X-RateLimit-Remaining", 0), ("X-RateLimit-Reset", 1)]
    clockwork = Clockwork()
    with Server(answering(response(headers=spent))) as server:
        aimed = aim(server.url, clockwork=clockwork)
        start = clockwork.now
        clockwork.run(lambda: [aimed.fetch(seconds=100) for _ in range(11)])
    assert clockwork.now - start == 10


def test_four_dripping_projects_do_not_hold_up_a_fifth_for_long(aim: Aim) -> None:
    def script(peer: Peer) -> None:
        while head := peer.request():
            if "slow" in head.split("\r\n", 1)[0]:
                peer.drip(response() * 100, 1.0)
            else:
                peer.send(page())

    with Server(script) as server:
        aimed = aim(server.url, timeout=PATIENCE, concurrency=4)
        failures: list[PollError] = []

        def slow(number: int) -> None:
            try:
                aimed.fetch(Question("workflows", ENDPOINT, f"gh/acme/slow{number}"), seconds=1.5)
            except PollError as error:
                failures.append(error)

        threads = [threading.Thread(target=slow, args=(number % 4,)) for number in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: aimed.limiter.state().in_flight == 4, why="all places to be taken")
        aimed.fetch(seconds=600)
        for thread in threads:
            thread.join()
        assert len(failures) == 8


@pytest.mark.parametrize("phase", ["answer", "retry", "pause"])
def test_no_wait_outlives_a_stop(aim: Aim, phase: str) -> None:
    answers = {"retry": message("Maintenance", 503, Retry_After=300), "pause": message("", 429, Retry_After=300)}

    def script(peer: Peer) -> None:
        peer.request()
        if phase in answers:
            peer.send(answers[phase])
        peer.hang()

    with Server(script) as server:
        aimed = aim(server.url)
        ended = threading.Event()

        def work() -> None:
            with pytest.raises(Stopped):
                aimed.fetch(seconds=600)
            ended.set()

        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: server.requests, why="the request")
        if phase == "pause":
            wait_until(lambda: aimed.limiter.state().paused_until)
        elif phase == "retry":
            wait_until(lambda: aimed.metric("api_requests_total", endpoint=ENDPOINT, code="503"))
        aimed.stop.set()
        assert ended.wait(PATIENCE)
        thread.join()


def test_an_answer_of_the_api_shows_as_up_and_a_web_page_does_not(aim: Aim) -> None:
    html = response(b"<html>sign in</html>", 200, [("Content-Type", "text/html")])
    clockwork = Clockwork()
    with Server(answering(page(), *[html] * 4, message("Project not found", 404))) as server:
        aimed = aim(server.url, clockwork=clockwork)
        seen = []
        assert aimed.metric("up") is None
        for _ in range(3):
            with suppress(PollError):
                clockwork.run(aimed.fetch)
            seen.append(aimed.metric("up"))
    assert seen == [1, 0, 1]


def test_the_duration_of_each_request_is_observed(aim: Aim) -> None:
    with Server(answering(page())) as server:
        aimed = aim(server.url)
        aimed.fetch()
        aimed.fetch()
    assert aimed.metric("api_request_duration_seconds_count", endpoint=ENDPOINT) == 2


def test_the_token_shows_in_no_error_log_or_repr(aim: Aim, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = message(f"token {TOKEN} is not valid here: " + "x" * 150 + TOKEN, 400)
    broken = response(TOKEN.encode() + b" is no JSON")
    clockwork = Clockwork()
    with Server(answering(echo, *[broken] * 4, message(TOKEN, 401), response(TOKEN.encode(), 403))) as server:
        aimed = aim(server.url, clockwork=clockwork)
        errors = []
        for _ in range(4):
            with pytest.raises(PollError) as raised:
                clockwork.run(aimed.fetch)
            errors.append(raised.value)
            assert raised.value.__cause__ is None
            assert raised.value.__context__ is None or raised.value.__suppress_context__
        assert TOKEN in server.requests[0]
    aimed.client.close()
    for shown in (
        caplog.text,
        *map(str, errors),
        *map(repr, errors),
        repr(vars(aimed.client)),
        repr(aimed.tokens.current()),
    ):
        assert TOKEN not in shown
    assert len(errors) == 4


def test_a_long_name_is_cut_in_an_error(aim: Aim) -> None:
    with Server(answering(message("no", 404))) as server, pytest.raises(NotFoundError) as raised:
        aim(server.url).fetch(Question("jobs", JOBS, "gh/acme/web", "x" * 5000))
    assert len(str(raised.value)) < LONGEST_NAME + 50


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert QUESTION.path == "/insights/gh/acme/web/workflows"


def test_the_pages_of_an_answer_take_as_long_as_the_rate_wants_and_no_deadline_counts_that(aim: Aim) -> None:
    clockwork = Clockwork()
    with Server(answering(page("a", 1), page("b", 2), page(None, 3))) as server:
        aimed = aim(server.url, clockwork=clockwork, rate=0.01, burst=1)
        began = clockwork.now
        (found,) = clockwork.run(lambda: aimed.pages(seconds=50.0))
        assert [answer["items"] for answer in found] == [[1], [2], [3]]
        assert clockwork.now == began + 200
