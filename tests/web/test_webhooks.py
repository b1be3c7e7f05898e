"""Webhooks: what is signed, what is read of it, and what each sender gets."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
from collections import Counter
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Secret
from exporter.web import webhooks as webhooks_module
from exporter.web.webhooks import EVENTS, LARGEST_BODY, PATH, Hint, Unusable, Webhooks, event_of, read_hint, signed
from tests.running.waiting import PATIENCE, wait_until
from tests.web.published import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from exporter.web.webhooks import Event
    from tests.web.conftest import Running

    Serve = Callable[..., Running]

WORKFLOW, PIPELINE = "9a4e2d71-6b8c-4f10-a2c3-d4e5f6071829", "c1b7e0aa-2f4d-4a6b-9d3e-8b7a6c5d4e3f"
PROJECT_ID = "7d2f6b84-1c3e-4a55-8f90-6e5d4c3b2a19"
DOCUMENT: dict[str, Any] = {
    "type": "workflow-completed",
    "project": {"id": PROJECT_ID, "slug": "github/acme/shop"},
    "workflow": {"id": WORKFLOW, "status": "success"},
    "pipeline": {"id": PIPELINE},
}
JOB = DOCUMENT | {"type": "job-completed", "job": {"id": "x"}}
HINT = Hint("workflow-completed", WORKFLOW, PIPELINE, "gh/acme/shop", PROJECT_ID)
SECRET = "test-secret"
VECTOR = (
    b'{"id":"d0c1b2a3-9485-4766-8758-49a0b1c2d3e4","type":"workflow-completed",'
    b'"workflow":{"id":"9a4e2d71-6b8c-4f10-a2c3-d4e5f6071829","status":"success"}}'
)
VECTOR_HEX = "b44729f1fd41c0ce73910942a84e61d22148713d02b60cd2a3417f33999e1a6e"
FOO_HEX = "773ba44693c7553d6ee20f61ea5d2757a9a4f4a44d2841ae4e95b52e4cd62db4"


def hexadecimal(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signature(body: bytes, secret: str = SECRET) -> str:
    return f"v1={hexadecimal(body, secret)}"


def secrets(*texts: str) -> list[Secret]:
    return list(map(Secret, texts))


# ---- signatures


@pytest.mark.parametrize(("secret", "body", "made"), [("secret", b"foo", FOO_HEX), (SECRET, VECTOR, VECTOR_HEX)])
def test_the_known_vectors_are_good(secret: str, body: bytes, made: str) -> None:
    assert signed(f"v1={made}", body, secrets(secret))
    assert signed(f"v2=abc, v1={made} ,v3=", body, secrets("another", secret))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1=",
        "v1",
        FOO_HEX,
        f"v2={FOO_HEX}",
        f"V1={FOO_HEX}",
        f"v1 ={FOO_HEX}",
        f"v1= {FOO_HEX}",
        f"v1={FOO_HEX.upper()}",
        f"v1={FOO_HEX[:-1]}",
        f"v1={FOO_HEX}0",
        f"sha256={FOO_HEX}",
        f"v1={FOO_HEX};",
        f"v1={VECTOR_HEX}",
        f"v1={FOO_HEX},\u00e9",
        "v1=\u00e9" + FOO_HEX[2:],
        ",".join(["v1=0"] * 8 + [f"v1={FOO_HEX}"]),
    ],
)
def test_any_other_header_is_not(header: str) -> None:
    assert not signed(header, b"foo", secrets("secret"))


def test_without_a_secret_nothing_is_good() -> None:
    assert not signed(f"v1={hexadecimal(b'foo', '')}", b"foo", [])


def test_the_signature_is_of_the_raw_bytes_and_not_of_the_same_json() -> None:
    made = signature(VECTOR)
    assert signed(made, VECTOR, secrets(SECRET))
    for other in (json.dumps(json.loads(VECTOR)).encode(), VECTOR + b"\n", b" " + VECTOR, VECTOR.upper(), b""):
        assert not signed(made, other, secrets(SECRET))


@given(body=st.binary(max_size=200), secret=st.text(min_size=1, max_size=40), flipped=st.integers(0, 63))
def test_a_signature_with_one_other_digit_is_bad(body: bytes, secret: str, flipped: int) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    made = hexadecimal(body, secret)
    assert signed(f"v1={made}", body, secrets(secret))
    wrong = made[:flipped] + ("0" if made[flipped] != "0" else "1") + made[flipped + 1 :]
    assert not signed(f"v1={wrong}", body, secrets(secret))


# ---- hints


def body_of(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_hint_has_the_ids_and_the_project_in_its_short_form() -> None:
    assert read_hint("workflow-completed", body_of(DOCUMENT)) == HINT


def test_a_body_may_be_abridged_and_may_have_more_than_is_known() -> None:
    bare = {"workflow": {"id": WORKFLOW.upper(), "new": []}, "pipeline": None, "more": {"a": 1}}
    assert read_hint("workflow-completed", body_of(bare)) == Hint("workflow-completed", WORKFLOW, "", "", "")


def test_an_event_of_the_github_app_has_its_ids_where_others_have_them() -> None:
    slug = "circleci/8vLqd1AbCdEf43G3kM5Rt/43G3kM5RtfFE8vLqd1AbCd"
    document = {
        "id": "ab1491fb-c4ae-3496-a958-c248b4732020",  # of another version than ids elsewhere
        "type": "job-completed",
        "happened_at": "2026-11-24T09:51:31.379158Z",
        "webhook": {"id": PROJECT_ID, "name": ""},
        "project": {"id": PROJECT_ID, "name": "", "slug": slug},
        "organization": {"id": PROJECT_ID, "name": ""},
        "workflow": {"id": WORKFLOW, "name": "build", "created_at": "2026-11-24T09:51:06.137Z", "url": ""},
        "job": {"id": PIPELINE, "name": "test", "number": 12, "status": "success"},
        "pipeline": {
            "id": PIPELINE,
            "number": 5,
            "created_at": "2026-11-07T08:23:29.629Z",  # it was run again after weeks
            "trigger": {"type": "api"},
            "trigger_parameters": {
                "github_app": {"branch": "main", "ref": "main", "repo_name": "", "forced": "false"},
                "git": {"branch": "main", "ref": "refs/heads/main", "repo_name": "", "commit_author_email": ""},
                "circleci": {"event_time": "2026-11-07 08:23:29.361740256 +0000 UTC", "event_type": "create pipeline"},
                "webhook": {"body": "{}"},
            },
        },
    }
    hint = read_hint("job-completed", body_of(document))
    assert hint == Hint("job-completed", WORKFLOW, PIPELINE, slug, PROJECT_ID)


def test_a_job_without_its_workflow_leads_to_its_pipeline() -> None:
    document = {key: value for key, value in JOB.items() if key != "workflow"}
    assert read_hint("job-completed", body_of(document)) == Hint(
        "job-completed", "", PIPELINE, "gh/acme/shop", PROJECT_ID
    )


@pytest.mark.parametrize("slug", ["gh/acme/../me", "acme", 7, None, "x" * 5000, "gh/acme/\ud800"])
def test_a_project_that_cannot_be_is_left_out(slug: object) -> None:
    for project in ({"slug": slug}, {"slug": slug, "id": slug}, slug, [slug]):
        hint = read_hint("workflow-completed", body_of(DOCUMENT | {"project": project}))
        assert (hint.workflow, hint.project, hint.project_id) == (WORKFLOW, "", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{}",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"workflow": ' * 50_000,
        b'{"workflow": {"id": ' + b"1" * 6000 + b"}}",
        body_of(JOB),
        body_of(DOCUMENT | {"type": 7}),
        body_of(DOCUMENT | {"workflow": {}}),
        body_of(DOCUMENT | {"workflow": WORKFLOW}),
        body_of(DOCUMENT | {"workflow": {"id": ".."}}),
        body_of(DOCUMENT | {"workflow": {"id": "../../me"}}),
        body_of(DOCUMENT | {"workflow": {"id": f"{{{WORKFLOW}}}"}}),
        body_of(DOCUMENT | {"workflow": {"id": f"urn:uuid:{WORKFLOW}"}}),
        body_of(DOCUMENT | {"workflow": {"id": WORKFLOW.replace("-", "")}}),
        body_of(DOCUMENT | {"workflow": {"id": f"{WORKFLOW}\n"}}),
        body_of(DOCUMENT | {"workflow": {"id": f"{WORKFLOW[:-1]}\u0660"}}),
        body_of(DOCUMENT | {"workflow": {"id": f"{WORKFLOW}/x"}}),
        body_of(DOCUMENT | {"workflow": {"id": None}}),
        body_of(DOCUMENT | {"workflow": None}),
        body_of(DOCUMENT | {"pipeline": {"id": "1"}}),
    ],
)
def test_what_is_not_as_documented_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        read_hint("workflow-completed", body)


def test_a_job_with_neither_workflow_nor_pipeline_is_unusable() -> None:
    with pytest.raises(Unusable):
        read_hint("job-completed", body_of({"type": "job-completed", "project": {"id": PROJECT_ID}}))


KEYS = st.sampled_from(["type", "workflow", "pipeline", "project", "id", "slug"])
LEAVES = st.none() | st.text(max_size=5) | st.integers() | st.just(WORKFLOW)


@given(st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12))
def test_whatever_is_signed_becomes_a_hint_with_ids_or_is_unusable(document: object) -> None:
    for event in EVENTS[:2]:
        try:
            hint = read_hint(event, body_of(document))
        except Unusable:
            continue
        assert all(len(ident) in (0, 36) for ident in (hint.workflow, hint.pipeline, hint.project_id))


@pytest.mark.parametrize(
    ("header", "event"),
    [
        ("workflow-completed", "workflow-completed"),
        ("job-completed", "job-completed"),
        ("ping", "other"),
        ("", "other"),
    ],
)
def test_the_header_names_the_event(header: str, event: str) -> None:
    assert event_of(header) == event


# ---- the route


@dataclass
class Hints:
    """An inbox, and what was counted."""

    accepted: list[Hint] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: bool = False
    full: bool = False
    hold: threading.Event | None = None
    secrets: Sequence[str] = (SECRET,)

    def knows(self, hint: Hint) -> bool:
        del hint
        return not self.unknown

    def accept(self, hint: Hint) -> bool:
        if self.hold:
            self.hold.wait(PATIENCE)
        if not self.full:
            self.accepted.append(hint)
        return not self.full

    def count(self, event: Event, result: str) -> None:
        self.counted[event, result] += 1

    @property
    def webhooks(self) -> Webhooks:
        return Webhooks(self, lambda: secrets(*self.secrets), self.count)


@pytest.fixture(name="hints")
def one_inbox() -> Hints:
    return Hints()


@pytest.fixture(name="running")
def one_server(serve: Serve, hints: Hints) -> Running:
    return serve(webhooks=hints.webhooks)


def post(
    running: Running, body: bytes, sign: str | None = "", event: str = "workflow-completed", method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    """Send an event, signed unless told otherwise; `None` is no signature."""
    headers = {"Circleci-Event-Type": event, "Content-Type": "application/json"}
    if sign is not None:
        headers["Circleci-Signature"] = sign or signature(body)
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)) as connection:
        connection.request(method, PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_a_signed_event_is_accepted_once_it_is_committed(running: Running, hints: Hints) -> None:
    assert post(running, body_of(DOCUMENT))[0] == 200
    assert hints.accepted == [HINT]
    assert hints.counted == {("workflow-completed", "accepted"): 1}
    assert running.counts == {}


@pytest.mark.parametrize("sign", [None, "v1=", f"v1={FOO_HEX}", "v2=abc", "v1=é", f"v1={VECTOR_HEX.upper()}"])
def test_without_a_good_signature_it_is_401_and_nothing_is_parsed(
    running: Running, hints: Hints, sign: str | None
) -> None:
    for body in (VECTOR, b"[" * 100_000):
        assert post(running, body, sign)[0] == 401
    assert hints.accepted == []
    assert hints.counted == {("workflow-completed", "unsigned" if sign is None else "bad_signature"): 2}


def test_each_of_several_secrets_is_good_and_none_that_is_gone(running: Running, hints: Hints) -> None:
    hints.secrets = ("old", "new")
    body = body_of(DOCUMENT)
    assert [post(running, body, signature(body, secret))[0] for secret in ("old", "new", SECRET)] == [200, 200, 401]
    hints.secrets = ("new",)
    assert [post(running, body, signature(body, secret))[0] for secret in ("old", "new")] == [401, 200]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[" * 100_000, body_of(DOCUMENT | {"workflow": {"id": "../me"}})])
def test_a_signed_body_that_is_unusable_is_200_and_counted(running: Running, hints: Hints, body: bytes) -> None:
    assert post(running, body)[0] == 200
    assert hints.counted == {("workflow-completed", "unusable"): 1}
    assert hints.accepted == []


def test_a_test_ping_is_accepted_and_leads_nowhere(running: Running, hints: Hints) -> None:
    assert post(running, b'{"type": "ping"}', event="ping")[0] == 200
    assert hints.counted == {("other", "accepted"): 1}
    assert hints.accepted == []


def test_an_event_of_an_unknown_project_is_200_and_counted(running: Running, hints: Hints) -> None:
    hints.unknown = True
    assert post(running, body_of(JOB), event="job-completed")[0] == 200
    assert hints.counted == {("job-completed", "unknown_project"): 1}
    assert hints.accepted == []


def test_an_inbox_that_takes_no_more_is_503_with_a_time_to_come_again(running: Running, hints: Hints) -> None:
    hints.full = True
    status, headers, _ = post(running, body_of(DOCUMENT))
    assert (status, headers["retry-after"]) == (503, "10")
    assert hints.counted == {("workflow-completed", "busy"): 1}


def test_an_inbox_that_hangs_is_503_in_time_and_holds_up_no_scrape(
    running: Running, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks_module, "INBOX_SECONDS", 0.3)
    hints.hold = threading.Event()
    threads = [threading.Thread(target=post, args=(running, body_of(DOCUMENT))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert running.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(TEXT)
    wait_until(lambda: hints.counted["workflow-completed", "busy"] == 3)
    hints.hold.set()
    for thread in threads:
        thread.join(PATIENCE)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_another_method_is_405(running: Running, hints: Hints, method: str) -> None:
    status, headers, _ = post(running, b"", method=method)
    assert (status, headers["allow"]) == (405, "POST")
    assert hints.counted == {}


def test_without_secrets_there_is_no_such_route(serve: Serve) -> None:
    assert post(serve(), body_of(DOCUMENT))[0] == 404


@pytest.mark.parametrize("sign", ["", None, f"v1={FOO_HEX}"])
def test_a_body_that_is_announced_as_too_large_is_413_before_its_signature(
    running: Running, hints: Hints, sign: str | None
) -> None:
    header = "" if sign is None else f"Circleci-Signature: {sign or signature(b'')}\r\n"
    for length in (str(LARGEST_BODY + 1), "9" * 18):
        received = running.ask(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{header}\r\nabc".encode()
        )
        assert received.startswith(b"HTTP/1.1 413 ")
    assert hints.counted == {("other", "too_large"): 2}


def test_the_largest_body_is_read_and_one_byte_more_is_413(running: Running, hints: Hints) -> None:
    padded = body_of(DOCUMENT | {"padding": ""})
    largest = padded.replace(b'"padding": ""', b'"padding": "' + b"x" * (LARGEST_BODY - len(padded)) + b'"')
    assert len(largest) == LARGEST_BODY
    assert post(running, largest)[0] == 200
    assert hints.accepted == [HINT]
    assert post(running, largest + b" ")[0] == 413


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def head(body: bytes, *lines: str) -> bytes:
    every = (f"POST {PATH} HTTP/1.1", "Host: x", f"Circleci-Signature: {signature(body)}", "Connection: close", *lines)
    return "\r\n".join((*every, "Circleci-Event-Type: workflow-completed", "", "")).encode()


def test_a_body_in_chunks_is_read_up_to_the_same_size(running: Running, hints: Hints) -> None:
    body = body_of(DOCUMENT)
    assert running.ask(head(body, "Transfer-Encoding: chunked") + chunked(body, 40)).startswith(b"HTTP/1.1 200 ")
    assert hints.accepted == [HINT]
    large = b"x" * (LARGEST_BODY + 1)
    assert running.ask(head(large, "Transfer-Encoding: chunked") + chunked(large, 16_384)).startswith(b"HTTP/1.1 413 ")
    assert hints.counted["workflow-completed", "too_large"] == 1


def test_a_body_in_chunks_of_a_byte_is_given_up_early(running: Running, hints: Hints) -> None:
    body = b"x" * 300_000
    received = running.ask(head(body, "Transfer-Encoding: chunked") + chunked(body, 1))
    assert received.startswith(b"HTTP/1.1 413 ")
    assert hints.accepted == []


def test_a_body_that_trickles_in_is_given_up_at_its_deadline(
    running: Running, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks_module, "BODY_SECONDS", 0.3)
    assert running.ask(head(b"abcde", "Content-Length: 5") + b"ab").startswith(b"HTTP/1.1 408 ")
    assert hints.counted == {}


def test_a_sender_that_leaves_in_the_middle_leaves_nothing_behind(running: Running) -> None:
    with running.connect() as sock:
        sock.sendall(head(b"abcde", "Content-Length: 5") + b"ab")
    wait_until(lambda: len(running.server._connections) == 0)
    assert running.counts == {}


def test_many_slow_senders_of_large_bodies_keep_no_small_one_out(running: Running, hints: Hints) -> None:
    large = b"x" * (LARGEST_BODY - 1)
    with ExitStack() as slow:
        for _ in range(40):
            sock = slow.enter_context(running.connect())
            with suppress(OSError):  # given up in the middle of it
                sock.sendall(head(large, f"Content-Length: {LARGEST_BODY}") + large)
        assert post(running, body_of(DOCUMENT))[0] == 200
        wait_until(lambda: hints.counted["workflow-completed", "busy"] >= 20)
    assert hints.accepted == [HINT]


def test_logins_do_not_apply_to_this_one_route(serve: Serve, hints: Hints, tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{someone: {hashed}}}\n")
    running = serve(webhooks=hints.webhooks, web_config=tmp_path / "web.yml")
    assert post(running, body_of(DOCUMENT))[0] == 200
    assert post(running, b"x", None)[0] == 401
    for path in (b"/metrics", b"/", b"/-/reload", b"/webhooks", b"/webhooks/circleci/"):
        received = running.ask(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                               b"Circleci-Signature: v1=0\r\nContent-Length: 0\r\n\r\n")  # fmt: skip
        assert b"login required" in received


def test_refusals_are_one_line_a_minute_in_the_log_and_show_nothing_of_the_body(running: Running, hints: Hints) -> None:
    for _ in range(50):
        post(running, b'{"email": "someone@example.com"}', None)
        post(running, b'{"email": "someone@example.com"}', "v1=0")
    assert sum(hints.counted.values()) == 100
    [line] = running.log.events("web incident")
    assert line == {"kind": "webhook", "count": 1, "result": "unsigned", "webhook_event": "workflow-completed",
                    "peer": "127.0.0.1"}  # fmt: skip
    assert running.counts == {"webhook": 100}
