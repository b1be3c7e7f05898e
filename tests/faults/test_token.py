"""The token: refused, replaced under a running exporter, missing for a moment, and never anywhere to be read."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests import truth
from tests.faults.campaign import WORKFLOWS, Known, failures, polled, slug_of, small_circle, small_config, unharmed
from tests.faults.conftest import TOKEN
from tests.running import Exporter, forms_of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.circleci import Circle
    from tests.running import Scrape

SLUGS = [slug_of(0), slug_of(1)]
NEXT = "CCIPAT_the-next-one-8d2f6a_must-be-seen-nowhere"


@pytest.fixture
def circle() -> Iterator[Circle]:
    with small_circle(TOKEN) as running:
        yield running


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret-token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture
def exporter(circle: Circle, token_file: Path, tmp_path: Path) -> Iterator[Exporter]:
    """An exporter that reads its token from a file and has polled everything."""
    with Exporter(tmp_path / "run", small_config(circle.url, token_file=token_file)) as running:
        running.secrets += [TOKEN, NEXT]
        exact(running, circle)
        yield running


def exact(exporter: Exporter, circle: Circle) -> Scrape:
    exporter.until(lambda scrape: polled(scrape, SLUGS), "good polls")
    return unharmed(exporter, {slug: truth.of_project(Known(circle), slug, WORKFLOWS) for slug in SLUGS})


def more_than(circle: Circle, count: int, _: Scrape) -> bool:
    return len(circle.requests) >= count


def met(circle: Circle, asked: int, kind: str) -> bool:
    return kind in {one.fault for one in circle.requests[asked:]}


def refusals(circle: Circle) -> int:
    return sum(not one.token_ok for one in circle.requests)


def test_a_refused_token_is_told_by_up_and_logged_once_for_all_and_only_its_holder_is_asked_for(
    exporter: Exporter, circle: Circle
) -> None:
    before, asked = exporter.scrape(), len(circle.requests)
    circle.accept("another")
    wait_until(lambda: sum(one.path == "/me" for one in circle.requests) >= 3, why="the light question")
    refused = [one.path for one in circle.requests[asked:] if not one.token_ok]
    assert sum(path != "/me" for path in refused) <= len(SLUGS), "each project had one request under way at most"
    again = refused.index("/me", refused.index("/me") + 1)  # a second later
    assert set(refused[again:]) == {"/me"}
    scrape = exporter.scrape()
    assert 1 <= failures(scrape, "workflows")["unauthorized"] <= len(SLUGS)
    assert scrape.get("up") == 0
    assert scrape.of_project(SLUGS[0]) == before.of_project(SLUGS[0]), "the values stay"
    assert len(exporter.events("CircleCI rejects the token", level="error")) == 1
    assert exporter.events("project is failing") == []
    circle.accept(TOKEN)
    exporter.until(lambda scrape: scrape.get("up") == 1, "the token to be taken again")
    exact(exporter, circle)
    wait_until(lambda: len(exporter.events("CircleCI accepts the token again")) == 1)


def test_a_new_token_in_the_file_is_used_at_once_after_a_refusal_and_no_poll_fails(
    exporter: Exporter, circle: Circle, token_file: Path
) -> None:
    token_file.write_text(f"{NEXT}\n")
    circle.accept(NEXT)
    circle.forget_requests()
    wait_until(lambda: sum(one.token_ok for one in circle.requests) >= 8, why="requests with the new token")
    scrape = exact(exporter, circle)
    assert failures(scrape, "workflows") == failures(scrape, "jobs") == {}
    assert refusals(circle) <= 4, "each request under way may be refused once"
    assert scrape.get("up") == 1


def test_a_new_token_in_the_file_ends_the_wait_for_one_that_is_taken(
    exporter: Exporter, circle: Circle, token_file: Path
) -> None:
    circle.accept(NEXT)
    exporter.until(lambda scrape: scrape.get("up") == 0, "a refusal")
    token_file.write_text(f"{NEXT}\n")
    exporter.until(lambda scrape: scrape.get("up") == 1, "the new token to be taken")
    exact(exporter, circle)
    assert len(exporter.events("CircleCI accepts the token again")) == 1


def test_a_new_token_in_the_file_is_used_without_a_refusal_too(
    exporter: Exporter, circle: Circle, token_file: Path
) -> None:
    circle.accept(TOKEN, NEXT)
    token_file.with_name("secret-new").write_text(NEXT)
    token_file.with_name("secret-new").replace(token_file)
    asked = len(circle.requests)
    exporter.until(lambda _: len(circle.requests) >= asked + 12, "some polls more")
    circle.accept(NEXT)
    asked = len(circle.requests)
    exporter.until(lambda _: len(circle.requests) >= asked + 8, "requests with the new token alone")
    assert refusals(circle) == 0


def test_a_file_that_is_no_good_for_a_moment_leaves_the_last_token_in_use(
    exporter: Exporter, circle: Circle, token_file: Path
) -> None:
    for content in (b"", b"two words", b"\xff\xfe", None):
        if content is None:
            token_file.unlink()
        else:
            token_file.write_bytes(content)
        asked = len(circle.requests)
        exporter.until(partial(more_than, circle, asked + 9), "some polls more")
    scrape = exact(exporter, circle)
    assert (refusals(circle), scrape.get("up")) == (0, 1)


@pytest.mark.parametrize("auth", ["circle-token", "bearer", "basic"])
def test_the_token_is_nowhere_to_be_read_however_it_is_sent_and_whatever_goes_wrong(auth: str, tmp_path: Path) -> None:
    basic = base64.b64encode(f"{TOKEN}:".encode()).decode()
    echoed = {"circle-token": TOKEN, "bearer": f"Bearer {TOKEN}", "basic": f"Basic {basic}"}[auth]
    state = f'\nstate: {{path: "{tmp_path / "run" / "state.db"}"}}\n'
    with small_circle(TOKEN) as circle:
        config = small_config(circle.url, f"auth: {auth}") + state
        with Exporter(tmp_path / "run", config, "--web.enable-lifecycle", token=TOKEN) as exporter:
            exact(exporter, circle)
            words = f'{{"message": "no use for {echoed}"}}'
            wrongs: list[tuple[str, dict[str, object]]] = [
                ("status", {"code": 401, "body": words}),
                ("status", {"code": 403, "body": words}),
                ("status", {"code": 404, "body": words}),
                ("throttle", {"body": words, "retry_after": 0.1}),
                ("redirect", {"to": f"http://127.0.0.1:9/?circle-token={TOKEN}"}),
                ("body", {"text": f"<html>{echoed}"}),
                ("headers", {"headers": {"Content-Encoding": echoed}}),
                ("put", {"path": "next_page_token", "value": [echoed]}),
                ("status", {"code": 500, "body": words}),
                ("reset", {}),
            ]
            for number, (kind, options) in enumerate(wrongs):
                asked = len(circle.requests)
                circle.heal()
                circle.fail(kind, rf"{SLUGS[number % 2]}/workflows\?", **options)
                wait_until(partial(met, circle, asked, kind), why=kind)
                exporter.get("/")
                exporter.scrape()
            exporter.configure("circleci: {token: nothing, timeout: bad}")
            exporter.get("/-/reload", "POST")
            exporter.get("/?" + "q=refused")
            exporter.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
            circle.heal()
        assert exporter.left_behind().keys() >= {str(tmp_path / "run" / "state.db"), str(exporter.log_file), "answer 0"}
        assert len(exporter.log) > 1000


def test_the_search_for_tokens_would_find_one_in_each_form(tmp_path: Path) -> None:
    with small_circle(TOKEN) as circle, Exporter(tmp_path, small_config(circle.url), token=TOKEN) as exporter:
        exporter.hold_secrets()
        for form in forms_of(TOKEN):
            (tmp_path / "planted").write_bytes(b"a line with " + form + b"== in it\n")
            with pytest.raises(AssertionError, match="planted holds a secret"):
                exporter.hold_secrets()
        (tmp_path / "planted").unlink()
