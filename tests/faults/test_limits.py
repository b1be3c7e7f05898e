"""What makes the whole process hold back: refusals for the rate, blocks of a network, a quota that runs low."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci import truth
from tests.circleci.bucket import TokenBucket
from tests.faults.campaign import WORKFLOWS, configuration, polled, slug_of, still_polled, unharmed
from tests.faults.conftest import TOKEN
from tests.faults.stage import Stage
from tests.running.program import Exporter
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.circleci import RemoteCircle

SLUGS = [slug_of(number) for number in range(6)]

THROTTLES = {
    "status 429 with Retry-After in seconds": ({"retry_after": 2}, (2.0, 2.0)),
    "status 429 with Retry-After as a date": ({"date_in": 2}, (1.0, 3.0)),
    "status 429 with Retry-After as a fraction": ({"retry_after": "1.4"}, (1.4, 1.4)),
    "status 429 without Retry-After": ({}, (1.0, 2.0)),
    "status 429 with a Retry-After that is nonsense": ({"retry_after": "soon"}, (1.0, 2.0)),
    "status 429 with a body in plain text": (
        {"retry_after": 1, "body": "Rate limited.", "content_type": "text/plain"},
        (1.0, 1.0),
    ),
    "status 429 with an empty object": ({"retry_after": 1, "body": "{}"}, (1.0, 1.0)),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with Stage("".join(f"  - {slug}\n" for slug in SLUGS), count=len(SLUGS)) as begun:
        yield begun


@pytest.fixture
def scene(running: Stage) -> Stage:
    """Nothing holds anything back, and everything was polled."""
    running.circle.heal()
    for _ in range(2):  # by the first, what the case before has slowed down is as fast as ever
        running.polls(*SLUGS)
    assert poll(running) == (0, {})
    running.circle.forget_requests()
    return running


def poll(scene: Stage) -> tuple[float, dict[tuple[str, str], float]]:
    """Poll all: how many seconds count as throttled, and what fails."""
    failed, began = scene.failures(), scene.clockwork.now
    throttled = scene.scrape().get("api_throttled_seconds_total") or 0.0
    scene.polls(*SLUGS)
    after, took = scene.failures(), scene.clockwork.now - began - 3600
    counted = (scene.scrape().get("api_throttled_seconds_total") or 0.0) - throttled
    assert counted - 0.01 <= took <= counted + 1, "the rate is lower after a refusal"
    for slug in SLUGS:
        assert scene.shown(slug) == scene.known(slug)
    return round(counted, 3), {key: after[key] - failed.get(key, 0) for key in after if after[key] != failed.get(key)}


@pytest.mark.parametrize(("options", "pause"), THROTTLES.values(), ids=THROTTLES.keys())
def test_one_refusal_pauses_everything_and_fails_nothing(
    options: dict[str, Any], pause: tuple[float, float], scene: Stage
) -> None:
    refusal = scene.circle.fail("throttle", SLUGS[0], times=1, **options)
    took, failed = poll(scene)
    assert pause[0] <= took <= pause[1]
    assert (failed, refusal.hits) == ({}, 1)
    asked = [one.path for one in scene.circle.requests]
    refused = next(one.path for one in scene.circle.requests if one.fault)
    assert asked.count(refused) == 2, "it is asked again"


def test_a_row_of_refusals_does_not_use_up_the_retries_of_a_request(scene: Stage) -> None:
    refusals = scene.circle.fail("throttle", rf"{SLUGS[1]}/workflows\?", times=5, retry_after=0.3)
    took, failed = poll(scene)
    assert took >= 5 * 0.3
    assert (failed, refusals.hits) == ({}, 5)


def test_the_block_of_one_project_pauses_nobody_and_that_of_a_second_pauses_everybody(scene: Stage) -> None:
    scene.circle.fail("cdn_block", SLUGS[0])
    assert poll(scene) == (0, {("workflows", "forbidden"): 1})
    scene.circle.fail("cdn_block", SLUGS[1], times=1)
    took, failed = poll(scene)
    assert took >= 1
    assert failed == {("workflows", "forbidden"): 2}


@pytest.mark.parametrize("prefix", ["", "X-"], ids=["RateLimit headers", "X-RateLimit headers"])
def test_a_quota_that_is_nearly_spent_slows_everything_down_before_the_refusal(prefix: str, scene: Stage) -> None:
    scene.circle.fail("rate_headers", "", remaining=2, limit=300, reset=1, prefix=prefix)
    took, failed = poll(scene)
    assert (took > 0.3, failed) == (True, {}), "two requests are spread over a second"
    scrape = scene.scrape()
    assert (scrape.get("api_rate_limit_remaining"), scrape.get("api_rate_limit_limit")) == (2, 300)

    scene.circle.heal()
    scene.circle.fail("rate_headers", "", remaining=299, limit=300, reset=2, prefix=prefix)
    scene.polls(*SLUGS)
    assert poll(scene) == (0, {})
    assert scene.scrape().get("api_rate_limit_remaining") == 299


def test_a_quota_of_many_requests_changes_nothing(scene: Stage) -> None:
    scene.circle.fail("rate_headers", "", remaining=250, limit=300, reset=60)
    assert poll(scene) == (0, {})


def test_an_api_that_allows_less_than_is_configured_and_says_so_is_hardly_ever_overrun(scene: Stage) -> None:
    scene.circle.bucket = TokenBucket(1, 10, scene.clockwork.clock)
    failed, began = scene.failures(), scene.clockwork.now
    for slug in 5 * SLUGS:  # one after the other, so that none is under way when the quota runs low
        scene.polls(slug, after=0)
    assert len(scene.circle.requests) >= 30
    assert (scene.failures(), scene.circle.bucket.violations <= 2) == (failed, True)
    assert scene.clockwork.now - began > 10


def test_a_process_waits_as_it_is_told_to_and_goes_on(circle: RemoteCircle, tmp_path: Path) -> None:
    with Exporter(tmp_path, configuration(circle, SLUGS), token=TOKEN) as exporter:
        exporter.until(lambda scrape: polled(scrape, SLUGS), "a good poll of everything")
        after = len(circle.requests())
        circle.fail("throttle", SLUGS[0], times=1, retry_after=1)
        refused = wait_until(lambda: [one for one in circle.requests(after) if one["fault"]], why="a refusal")[0]["at"]
        exporter.until(lambda scrape: (scrape.get("api_throttled_seconds_total") or 0) > 0.9, "the pause to count")
        still_polled(exporter, SLUGS)
        sent = [one["at"] - refused for one in circle.requests(after)]
        assert not [seconds for seconds in sent if 0.5 < seconds < 0.9], "those before were on their way"
        scrape = unharmed(exporter, {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in SLUGS})
        assert scrape.failures("workflows") == scrape.failures("jobs") == {}
