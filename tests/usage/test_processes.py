"""The Usage export in the exporter as a process: alone, on the first shard, over a reload, in `once` and in `check`."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from exporter.demo.circleci import DEMO_TOKEN
from tests.circleci import Circle
from tests.circleci.usage import FILE, START
from tests.running.program import Exporter
from tests.running.starting import COMMAND, run_to_end
from tests.running.waiting import wait_until
from tests.usage.making import on
from tests.usage.reading import Exporter as Started

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

USAGE = "usage: {organizations: [gh/acme], interval: 1s}\n"
STATE = "state: {path: state.db}\n"
JOB = {"job_name": "test", "project": "gh/acme/shop", "resource_class": "medium", "workflow": "build"}
CREDITS = "circleci_usage_job_credits_total"


def yesterday() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle() as running:
        running.usage.rows(on(yesterday(), 1))
        yield running


def under_way(circle: Circle, folder: Path) -> None:
    """Leave the state of an exporter that was ended once it had started an export; whoever finds it looks at once."""
    folder.mkdir(exist_ok=True)
    circle.usage.states = ["completed"]
    with Started(circle, folder / "state.db") as started:
        started.organization.step()


def config(url: str, *more: str) -> str:
    return f"circleci: {{url: '{url}', timeout: 60s}}\n{''.join(more)}"


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.yaml").write_text(text)
    environment = {**os.environ, "CIRCLECI_TOKEN": DEMO_TOKEN, "COLUMNS": "160"}
    return run_to_end([COMMAND, *arguments], cwd=folder, env=environment)


def test_usage_needs_no_project_and_shows_its_families_in_both_formats(circle: Circle, tmp_path: Path) -> None:
    under_way(circle, tmp_path)
    with Exporter(tmp_path, config(circle.url, STATE, USAGE.replace("1s", "1h")), token=circle.token) as exporter:
        exporter.until(lambda scrape: scrape.get(CREDITS, **JOB) == 0, "the series at 0, where they stay for a minute")
    with Exporter(tmp_path, config(circle.url, STATE, USAGE), token=circle.token) as exporter:
        scrape = exporter.until(lambda scrape: scrape.get(CREDITS, **JOB) == 51, "the credits")
        assert scrape.get("circleci_usage_job_cpu_median_ratio", **JOB) == 0.415
        assert scrape.get("collector_failures_total", collector="usage", reason="truncated") == 0
        assert scrape.get("unreadable_fields_total", collector="usage", field="TOTAL_CREDITS") == 0
        assert not [name for name in scrape.values if "collector_success" in name]
        status, _, text = exporter.ask("/metrics", Accept="application/openmetrics-text;version=1.0.0")
        assert (status, text.count("# TYPE circleci_usage_job_queue_seconds histogram")) == (200, 1)
        assert "# TYPE circleci_usage_job_credits counter" in text
        assert exporter.stop()[0] == 0
        exporter.hold_secrets()
        left = exporter.left_behind()
    assert left
    assert circle.usage.signatures
    for signature in circle.usage.signatures:
        assert not [name for name, content in left.items() if signature.encode() in content]


def test_a_restart_goes_on_without_a_call_and_shows_what_was_shown(circle: Circle, tmp_path: Path) -> None:
    under_way(circle, tmp_path)
    text = config(circle.url, STATE, USAGE)
    with Exporter(tmp_path, text, token=circle.token) as exporter:
        exporter.until(lambda scrape: scrape.get(CREDITS, **JOB) == 51, "the credits")
        exporter.kill()
    circle.forget_requests()
    with Exporter(tmp_path, text, token=circle.token) as exporter:
        scrape = exporter.until(lambda scrape: scrape.get(CREDITS, **JOB), "the credits")
        assert scrape.get(CREDITS, **JOB) == 51
        assert scrape.get("circleci_usage_job_memory_max_ratio", **JOB) == 0.351
    assert circle.asked("usage") == []


def test_only_the_first_shard_reads(circle: Circle, tmp_path: Path) -> None:
    under_way(circle, tmp_path / "0")
    text = config(circle.url, STATE, USAGE, "projects: [gh/acme/web]\n")
    with Exporter(tmp_path / "1", text, "--shard", "1", "--total-shards", "2", token=circle.token) as second:
        wait_until(lambda: second.get("/-/ready")[0] == 200)
        with Exporter(tmp_path / "0", text, "--shard", "0", "--total-shards", "2", token=circle.token) as first:
            first.until(lambda scrape: scrape.get(CREDITS, **JOB) == 51, "the credits")
        assert not [name for name in second.scrape().values if name.startswith("circleci_usage")]
    assert len(circle.asked(START)) == 1


def test_a_reload_turns_it_on_and_off(circle: Circle, tmp_path: Path) -> None:
    under_way(circle, tmp_path)
    project = "projects: [gh/acme/web]\n"
    on_, off = config(circle.url, STATE, USAGE, project), config(circle.url, STATE, project)
    with Exporter(tmp_path, off, token=circle.token) as exporter:
        wait_until(lambda: exporter.get("/-/ready")[0] == 200)
        exporter.configure(on_)
        exporter.hang_up()
        exporter.until(lambda scrape: scrape.get(CREDITS, **JOB) == 51, "the credits")
        exporter.configure(on_ + "defaults: {pipelines: {wait_buckets: [2s, 4s]}}\n")
        exporter.hang_up()
        exporter.until(
            lambda scrape: "circleci_usage_job_queue" not in scrape.text and scrape.get(CREDITS, **JOB), "buckets"
        )
        exporter.configure(off)
        exporter.hang_up()
        exporter.until(lambda scrape: CREDITS not in scrape.text, "no usage")


def test_a_polled_project_has_its_name(tmp_path: Path) -> None:
    with Circle() as circle:
        under_way(circle, tmp_path)
        organization = "usage: {organizations: [gh/acme], interval: 1s}\n"
        project = "projects: [{slug: gh/acme/web, name: the shop}]\n"
        with Exporter(tmp_path, config(circle.url, STATE, organization, project), token=circle.token) as exporter:
            lint = 'job_credits_total{job_name="lint"'
            scrape = exporter.until(lambda scrape: lint in scrape.text, "its jobs")
    projects = {
        line.split('project="')[1].split('"')[0] for line in scrape.text.splitlines() if line.startswith(CREDITS)
    }
    assert projects == {"the shop", "gh/acme/api", "gh/acme/mobile", "gh/acme/odd.names_1"}


def test_what_exceeds_the_limit_of_an_organization_is_left_out_and_logged(circle: Circle, tmp_path: Path) -> None:
    under_way(circle, tmp_path)
    text = config(circle.url, STATE, USAGE, "defaults: {max_series: 12}\n")
    with Exporter(tmp_path, text, token=circle.token) as exporter:
        total = {"organization": "gh/acme", "kind": "compute"}
        scrape = exporter.until(lambda scrape: scrape.get("circleci_usage_credits_total", **total) == 51, "the credits")
        assert CREDITS not in scrape.text
        told = exporter.events("limit exceeded, usage dropped")
        assert [(each["organization"], each["count"]) for each in told] == [("gh/acme", 8 + 12)]


def test_without_a_state_it_does_not_start(circle: Circle, tmp_path: Path) -> None:
    for command in (("run", "--web.listen-address", "127.0.0.1:0"), ("once",), ("check", "--offline")):
        done = run(tmp_path, config(circle.url, USAGE), *command)
        assert done.returncode == 2
        assert "usage.organizations: the Usage export needs a state" in done.stderr + done.stdout


def test_once_reads_none(circle: Circle, tmp_path: Path) -> None:
    done = run(tmp_path, config(circle.url, STATE, USAGE), "once")
    assert done.returncode == 0, done.stderr
    assert "circleci_usage" not in done.stdout
    assert circle.requests == []


def test_check_says_what_it_would_do_and_starts_none(circle: Circle, tmp_path: Path) -> None:
    text, ident = config(circle.url, STATE, USAGE), circle.organization.roster.owners()["gh/acme"].id
    done = run(tmp_path, text, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Usage export of gh/acme (organization ID {ident}): " in done.stdout
    assert f"to {yesterday()} first, then every 1s until yesterday's figures are in." in done.stdout
    document = json.loads(run(tmp_path, text, "check", "--json").stdout)
    [entry] = document["usage"]
    found = (entry["organization"], entry["id"], entry["ok"], entry["last_day"])
    assert found == ("gh/acme", ident, True, yesterday())
    assert circle.asked("usage") == []


def test_check_fails_for_an_organization_that_the_user_is_no_member_of(circle: Circle, tmp_path: Path) -> None:
    circle.fail("body", "/me/collaborations", text="[]")
    done = run(tmp_path, config(circle.url, STATE, USAGE), "check")
    assert done.returncode == 3
    assert "Usage export of gh/acme fails: " in done.stdout
    assert "the token's user is no member of the organization" in done.stdout


def test_a_download_host_that_refuses_says_nothing_about_circleci(circle: Circle, tmp_path: Path) -> None:
    circle.fail("status", FILE, code=403, body="<Error/>", content_type="application/xml")
    under_way(circle, tmp_path)
    with Exporter(tmp_path, config(circle.url, STATE, USAGE), token=circle.token) as exporter:
        scrape = exporter.until(
            lambda scrape: scrape.get("collector_failures_total", collector="usage", reason="forbidden"), "the failure"
        )
        assert scrape.get("up") == 1
        assert scrape.get("api_requests_total", endpoint="usage file", code="403") == 1
        assert scrape.get("api_throttled_seconds_total") == 0
        [told] = exporter.events("the Usage export is failing")
        assert told["reason"] == "forbidden"
        exporter.hold_secrets()


def test_a_429_holds_back_one_organization_and_neither_another_nor_the_polls(tmp_path: Path) -> None:
    with Circle() as circle:
        acme = circle.organization.roster.owners()["gh/acme"].id
        refused = circle.fail("throttle", f"/organizations/{acme}/", retry_after=3600)
        text = config(
            circle.url,
            STATE,
            "usage: {organizations: [gh/acme, bb/initech], interval: 1s}\n",
            "projects: [{slug: bb/initech/billing, interval: 1s}]\n",
        )
        with Exporter(tmp_path, text, token=circle.token) as exporter:
            scrape = exporter.until(
                lambda scrape: scrape.get("circleci_usage_credits_total", organization="bb/initech", kind="compute"),
                "the credits of the other organization",
            )
            assert scrape.get("collector_failures_total", collector="usage", reason="throttled") == 1
            assert scrape.get("api_throttled_seconds_total") == 0
            assert scrape.get("collector_success", project="bb/initech/billing", collector="workflows") == 1
            assert not [name for name in scrape.values if name.startswith("circleci_usage_") and "gh/acme" in name]
            assert refused.hits == 1
