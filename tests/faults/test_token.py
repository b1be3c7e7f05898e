"""The token: refused, replaced under a running exporter, missing for a moment, and never anywhere to be read."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.circleci import truth
from tests.faults.campaign import WORKFLOWS, Known, polled, slug_of, small_circle, small_config, unharmed
from tests.faults.conftest import TOKEN
from tests.faults.stage import Stage
from tests.running.program import Exporter, forms_of
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.circleci import Circle

SLUGS = [slug_of(0), slug_of(1)]
NEXT = "CCIPAT_the-next-one-8d2f6a_must-be-seen-nowhere"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret-token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture
def scene(token_file: Path) -> Iterator[Stage]:
    """An engine that reads its token from a file and has polled everything."""
    lines = "".join(f"  - {slug}\n" for slug in SLUGS)
    with Stage(lines, circleci=f"{Stage.circleci}, token_file: '{token_file}'") as begun:
        begun.circle.accept(TOKEN)
        begun.polls(*SLUGS)
        begun.circle.forget_requests()
        yield begun


def refusals(circle: Circle) -> int:
    return sum(not one.token_ok for one in circle.requests)


def polled_well(scene: Stage) -> bool:
    """Whether no poll failed, and every value is right."""
    return scene.failures() == {} and all(scene.shown(slug) == scene.known(slug) for slug in SLUGS)


def test_a_new_token_in_the_file_is_used_at_once_after_a_refusal_and_no_poll_fails(
    scene: Stage, token_file: Path
) -> None:
    token_file.write_text(f"{NEXT}\n")
    scene.circle.accept(NEXT)
    scene.polls(*SLUGS, after=0)
    assert 1 <= refusals(scene.circle) <= len(SLUGS), "each request under way may be refused once"
    assert sum(one.token_ok for one in scene.circle.requests) >= len(SLUGS)
    assert polled_well(scene)
    assert scene.scrape().get("up") == 1


def test_a_new_token_in_the_file_is_used_without_a_refusal_too(scene: Stage, token_file: Path) -> None:
    scene.circle.accept(TOKEN, NEXT)
    token_file.with_name("secret-new").write_text(NEXT)
    token_file.with_name("secret-new").replace(token_file)
    scene.polls(*SLUGS, after=1)
    scene.circle.accept(NEXT)
    scene.polls(*SLUGS, after=0)
    assert refusals(scene.circle) == 0
    assert polled_well(scene)


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", None])
def test_a_file_that_is_no_good_for_a_moment_leaves_the_last_token_in_use(
    content: bytes | None, scene: Stage, token_file: Path
) -> None:
    if content is None:
        token_file.unlink()
    else:
        token_file.write_bytes(content)
    scene.polls(*SLUGS)
    assert scene.circle.requests
    assert refusals(scene.circle) == 0
    assert polled_well(scene)


def good(exporter: Exporter, circle: Circle) -> None:
    """Everything was polled, and every value is right."""
    exporter.until(lambda scrape: polled(scrape, SLUGS), "good polls")
    unharmed(exporter, {slug: truth.of_project(Known(circle), slug, WORKFLOWS) for slug in SLUGS})


def test_a_refused_token_is_told_by_up_and_logged_once_for_all_until_another_is_taken(
    token_file: Path, tmp_path: Path
) -> None:
    with (
        small_circle(TOKEN) as circle,
        Exporter(tmp_path / "run", small_config(circle.url, token_file=token_file)) as exporter,
    ):
        exporter.secrets += [TOKEN, NEXT]
        good(exporter, circle)
        before, asked = exporter.scrape(), len(circle.requests)
        circle.accept(NEXT)
        wait_until(lambda: sum(one.path == "/me" for one in circle.requests) >= 2, why="the light question")
        refused = [one.path for one in circle.requests[asked:] if not one.token_ok]
        assert sum(path != "/me" for path in refused) <= len(SLUGS), "each project had one request under way at most"
        scrape = exporter.scrape()
        assert 1 <= scrape.failures("workflows")["unauthorized"] <= len(SLUGS)
        assert scrape.get("up") == 0
        assert scrape.of_project(SLUGS[0]) == before.of_project(SLUGS[0]), "the values stay"
        assert len(exporter.events("CircleCI rejects the token", level="error")) == 1
        assert exporter.events("project is failing") == []
        token_file.write_text(f"{NEXT}\n")
        exporter.until(lambda scrape: scrape.get("up") == 1, "the new token to be taken")
        good(exporter, circle)
        wait_until(lambda: len(exporter.events("CircleCI accepts the token again")) == 1)


def test_the_token_is_nowhere_to_be_read_however_it_is_sent_and_whatever_goes_wrong(tmp_path: Path) -> None:
    basic = base64.b64encode(f"{TOKEN}:".encode()).decode()
    echoes = {"circle-token": TOKEN, "bearer": f"Bearer {TOKEN}", "basic": f"Basic {basic}"}
    slugs = [slug_of(number) for number in range(10)]
    state = f'\nstate: {{path: "{tmp_path / "run" / "state.db"}"}}\n'

    def config(auth: str) -> str:
        return small_config(circle.url, f"auth: {auth}", projects=slugs) + state

    with small_circle(TOKEN, projects=len(slugs)) as circle:
        with Exporter(tmp_path / "run", config("circle-token"), "--web.enable-lifecycle", token=TOKEN) as exporter:
            for auth, echoed in echoes.items():
                exporter.configure(config(auth))
                assert exporter.get("/-/reload", "POST")[0] == 200
                circle.heal()
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
                faults = [
                    circle.fail(kind, rf"{slug}/workflows\?", **options)
                    for slug, (kind, options) in zip(slugs, wrongs, strict=True)
                ]
                wait_until(lambda faults=faults: all(fault.hits for fault in faults), why=auth)  # type: ignore[misc]
                exporter.get("/")
                exporter.scrape()
            exporter.configure("circleci: {token: nothing, timeout: bad}")
            exporter.get("/-/reload", "POST")
            exporter.get("/?" + "q=refused")
            exporter.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
            for form in forms_of(TOKEN):
                (tmp_path / "run" / "planted").write_bytes(b"a line with " + form + b"== in it\n")
                with pytest.raises(AssertionError, match="planted holds a secret"):
                    exporter.hold_secrets()
            (tmp_path / "run" / "planted").unlink()
        assert exporter.left_behind().keys() >= {str(tmp_path / "run" / "state.db"), str(exporter.log_file), "answer 0"}
        assert len(exporter.log) > 1000
