"""Webhooks from the socket to the counters, as a process."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci import Circle
from tests.circleci.webhooks import send, workflow_completed
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLUG, SECRET, TOKEN = "gh/acme/web", "a-webhook-secret", "a-token-of-a-daemon"
PIPELINES = "collectors: [pipelines], pipelines: {interval: 1h}"


@pytest.fixture
def circle() -> Iterator[Circle]:
    made = Circle(quiet=True, refresh=1, token=TOKEN).start()
    made.organization.roster.add(SLUG)
    yield made
    made.stop()


def config(circle: Circle, webhooks: str = "", settings: str = PIPELINES) -> str:
    return (
        f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 20s}}\n"
        f"state: {{path: state.db}}\n{webhooks}\n"
        f"projects: [{{slug: {SLUG}, {settings}}}]\n"
    )


def ended(circle: Circle) -> str:
    """A run that has ended well after the first look."""
    circle.clock.advance(5)
    now = circle.clock.now()
    pipeline = circle.pipelines.add(SLUG, "main")
    jobs = [{"name": "test", "status": "success", "started": now - 1, "stopped": now}]
    return circle.pipelines.add_workflow(pipeline.id, "build", status="success", stopped=now, jobs=jobs).id


def polled(exporter: Exporter) -> None:
    exporter.until(
        lambda scrape: scrape.get("collector_success", project=SLUG, collector="pipelines") == 1, "the first poll"
    )


def received(exporter: Exporter, result: str, event: str = "workflow-completed") -> float | None:
    return exporter.scrape().get("webhooks_total", event=event, result=result)


def delays(exporter: Exporter) -> float | None:
    return exporter.scrape().get("run_delay_seconds_count", source="webhook")


def test_a_signed_event_is_counted_at_once_and_a_secret_of_a_file_is_read_again(circle: Circle, tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"{SECRET}\n")
    with Exporter(tmp_path, config(circle, f"webhooks: {{secret_file: '{file}'}}"), token=TOKEN) as exporter:
        polled(exporter)
        body = workflow_completed(ended(circle), SLUG)
        assert send(exporter.address, body, SECRET)[0] == 200
        wait_until(lambda: delays(exporter) == 1)
        assert send(exporter.address, body, "another")[0] == 401
        file.write_text(f"another\n\n{SECRET}\n")
        wait_until(lambda: send(exporter.address, body, "another")[0] == 200)
        assert send(exporter.address, body, SECRET)[0] == 200
        assert (received(exporter, "bad_signature") or 0) >= 1
        exporter.secrets.append(SECRET)


def test_without_a_secret_there_is_no_route(circle: Circle, tmp_path: Path) -> None:
    with Exporter(tmp_path, config(circle), token=TOKEN) as exporter:
        polled(exporter)
        assert send(exporter.address, b"{}", SECRET)[0] == 404
        assert received(exporter, "accepted") is None


def test_the_secret_of_the_environment_serves_without_a_file(circle: Circle, tmp_path: Path) -> None:
    environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
    with Exporter(tmp_path, config(circle), token=TOKEN, environ=environ) as exporter:
        polled(exporter)
        assert send(exporter.address, workflow_completed(ended(circle), SLUG), SECRET)[0] == 200
        wait_until(lambda: delays(exporter) == 1)


@pytest.mark.parametrize("content", ["", " \n\n"])
def test_an_empty_secret_file_ends_the_start_with_its_name(circle: Circle, tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(content)
    exporter = Exporter(tmp_path, config(circle, f"webhooks: {{secret_file: '{file}'}}"), token=TOKEN)
    assert exporter.process.wait(PATIENCE) == 2
    assert f"{file}: webhooks.secret_file: no secret" in exporter.log


def test_an_event_of_a_project_without_pipelines_is_told_apart(circle: Circle, tmp_path: Path) -> None:
    environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
    settings = "collectors: [workflows]"
    with Exporter(tmp_path, config(circle, settings=settings), token=TOKEN, environ=environ) as exporter:
        body = workflow_completed(str(uuid.uuid4()), SLUG)
        assert send(exporter.address, body, SECRET) == (200, "ignored: project not polled here\n")
        assert received(exporter, "unknown_project") == 1


def test_a_run_is_counted_after_a_kill_right_after_the_answer(circle: Circle, tmp_path: Path) -> None:
    environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
    with Exporter(tmp_path, config(circle), token=TOKEN, environ=environ) as exporter:
        polled(exporter)
        circle.fail("hang", "/workflow")
        assert send(exporter.address, workflow_completed(ended(circle), SLUG), SECRET)[0] == 200
        exporter.kill()
    circle.heal()
    with Exporter(tmp_path, config(circle), token=TOKEN, environ=environ) as again:
        wait_until(lambda: delays(again) == 1)


def test_a_body_says_where_to_look_and_nothing_else_of_it_is_kept_or_logged(circle: Circle, tmp_path: Path) -> None:
    environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
    with Exporter(tmp_path, config(circle), token=TOKEN, environ=environ) as exporter:
        polled(exporter)
        circle.fail("forbidden", "/workflow")
        document: dict[str, Any] = json.loads(workflow_completed(ended(circle), SLUG))
        document["pipeline"]["vcs"] = {"commit": {"author": {"email": "someone@example.com"}}}
        document["workflow"]["status"] = "failed"
        assert send(exporter.address, json.dumps(document).encode(), SECRET)[0] == 200
        wait_until(lambda: exporter.scrape().get("collector_failures_total", collector="pipelines", reason="forbidden"))
        exporter.secrets.append("someone@example.com")


def test_each_shard_takes_only_the_events_of_its_own_projects(circle: Circle, tmp_path: Path) -> None:
    both = [SLUG, *(f"gh/acme/service-{number}" for number in range(5))]
    for slug in both[1:]:
        circle.organization.roster.add(slug)
    listed = ", ".join(f"{{slug: {slug}, {PIPELINES}}}" for slug in both)
    content = config(circle).partition("projects:")[0] + f"projects: [{listed}]\n"
    taken = 0
    for shard in range(2):
        flags = "--shard", str(shard), "--total-shards", "2"
        environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
        with Exporter(tmp_path / str(shard), content, *flags, token=TOKEN, environ=environ) as exporter:
            for slug in both:
                assert send(exporter.address, workflow_completed(str(uuid.uuid4()), slug), SECRET)[0] == 200
            mine = int(received(exporter, "accepted") or 0)
            assert 0 < mine < len(both)
            assert received(exporter, "unknown_project") == len(both) - mine
            taken += mine
            exporter.secrets.append(SECRET)
    assert taken == len(both)
