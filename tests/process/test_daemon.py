"""The daemon as a process: what it says of itself from its start to its end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from exporter import __version__
from exporter.web.http.incidents import KINDS
from tests.faults.campaign import polled, slug_of, small_circle, small_config
from tests.running.program import Exporter
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.circleci import Circle

TOKEN = "a-token-of-a-daemon"
SLUGS = [slug_of(0), slug_of(1)]


@pytest.fixture
def circle() -> Iterator[Circle]:
    with small_circle(TOKEN) as running:
        yield running


def hourly(circle: Circle, circleci: str = "") -> str:
    return small_config(circle.url, circleci).replace("interval: 1s", "interval: 1h")


def test_it_says_what_starts_what_came_of_the_first_polls_and_that_it_stops(circle: Circle, tmp_path: Path) -> None:
    with Exporter(tmp_path, hourly(circle), token=TOKEN) as exporter:
        wait_until(lambda: exporter.get("/-/ready") == (200, "ready\n"))
        (starting,) = exporter.events("starting")
        assert (starting["version"], starting["projects"], starting["circleci"]) == (__version__, 2, circle.url)
        (listening,) = exporter.events("listening")
        assert listening["address"] == exporter.address
        (told,) = wait_until(lambda: exporter.events("first poll of all projects complete"))
        assert (told["projects"], told["failing"]) == (2, 0)
        assert told["series"] > 0
        assert exporter.stop()[0] == 0
        assert exporter.events("stopping")
    events = [entry["event"] for entry in exporter.events()]
    assert sorted(events) == ["first poll of all projects complete", "listening", "starting", "stopping"], (
        "and nothing else"
    )


def test_it_is_ready_before_the_api_answers_for_the_first_time(circle: Circle, tmp_path: Path) -> None:
    circle.fail("hang")
    with Exporter(tmp_path, hourly(circle), token=TOKEN) as exporter:
        wait_until(lambda: exporter.get("/-/ready")[0] == 200)
        scrape = exporter.scrape()
        assert (scrape.get("projects"), scrape.get("up")) == (2, None)
        assert scrape.get("config_last_reload_successful") == 1
        assert exporter.get("/-/healthy")[0] == 200


def test_a_configuration_that_asks_for_more_than_its_rate_is_warned_of_by_how_much(
    circle: Circle, tmp_path: Path
) -> None:
    config = small_config(circle.url).replace("requests_per_second: 1000", "requests_per_second: 0.5")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        (warned,) = wait_until(
            lambda: [entry for entry in exporter.events(level="warning") if "requests_per_second" in entry["event"]]
        )
        assert warned["allowed_per_hour"] == 1800
        assert warned["api_calls_per_hour"] >= 7200
        assert re.fullmatch(r"\d+%", warned["exceeded_by"])
        exporter.until(lambda scrape: (scrape.get("poll_delay_seconds") or 0) > 0, "polls to be late")


def test_a_configuration_within_its_rate_is_not_warned_of(circle: Circle, tmp_path: Path) -> None:
    with Exporter(tmp_path, hourly(circle), token=TOKEN) as exporter:
        wait_until(lambda: exporter.events("first poll of all projects complete"))
        assert exporter.events(level="warning") == []


def test_the_page_tells_of_a_reload_that_failed_and_of_one_that_was_good(circle: Circle, tmp_path: Path) -> None:
    with Exporter(tmp_path, hourly(circle), "--web.enable-lifecycle", token=TOKEN) as exporter:
        exporter.until(lambda scrape: polled(scrape, SLUGS), "the first polls")
        good = exporter.get("/")[1]
        exporter.configure("projects: nonsense")
        assert exporter.get("/-/reload", "POST")[0] == 500
        bad = exporter.get("/")[1]
        assert ("configuration" in bad.lower(), "fail" in bad.lower()) == (True, True)
        assert bad != good
        exporter.configure(hourly(circle, "concurrency: 7"))
        assert exporter.get("/-/reload", "POST")[0] == 200
        assert exporter.scrape().get("config_last_reload_successful") == 1
        assert SLUGS[0] in exporter.get("/")[1]


def test_a_refused_change_of_the_web_configuration_is_counted_and_the_old_one_stays(
    circle: Circle, tmp_path: Path
) -> None:
    web = tmp_path / "web.yaml"
    web.write_text("http_server_config: {headers: {X-Frame-Options: deny}}")
    with Exporter(tmp_path, hourly(circle), "--web.config.file", str(web), token=TOKEN) as exporter:
        assert exporter.scrape().get("web_incidents_total", kind="web_config_refused") == 0
        web.write_text("http_server_config: {headers: {X-Frame-Options: perhaps}}")
        exporter.until(
            lambda scrape: scrape.get("web_incidents_total", kind="web_config_refused") == 1,
            "the refusal to be counted",
        )
        (refused,) = exporter.events("web configuration not reloaded")
        assert "X-Frame-Options" in refused["error"]


def test_a_series_that_was_born_during_a_scrape_interval_starts_at_zero(circle: Circle, tmp_path: Path) -> None:
    with Exporter(tmp_path, hourly(circle), token=TOKEN) as exporter:
        first = exporter.scrape()
        for reason in ("payload", "timeout", "throttled", "internal"):
            assert first.get("collector_failures_total", collector="workflows", reason=reason) == 0
        for reason in ("connection", "server", "throttled"):
            assert first.get("api_retries_total", reason=reason) == 0
        assert first.get("api_throttled_seconds_total") == 0
        assert {kind: first.get("web_incidents_total", kind=kind) for kind in KINDS} == dict.fromkeys(KINDS, 0)
        assert first.get("build_info", version=__version__, python_version=_python(first.text)) == 1


def _python(text: str) -> str:
    found = re.search(r'python_version="([^"]+)"', text)
    assert found is not None
    return found[1]
