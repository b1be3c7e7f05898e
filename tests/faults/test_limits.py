"""What makes the whole process hold back: refusals for the rate, blocks of a network, a quota that runs low."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import truth
from tests.faults.campaign import (
    WORKFLOWS,
    configuration,
    failures,
    last_success,
    polled,
    slug_of,
    still_polled,
    unharmed,
)
from tests.faults.conftest import TOKEN
from tests.running import Exporter
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.circleci import RemoteCircle

SLUGS = [slug_of(number) for number in range(6)]
IN_FLIGHT = 0.5
"""Seconds after a refusal in which requests may still arrive that were sent before it was read."""

THROTTLES = {
    "status 429 with Retry-After in seconds": ({"retry_after": 2}, 2.0),
    "status 429 with Retry-After as a date": ({"date_in": 2}, 1.0),
    "status 429 with Retry-After as a fraction": ({"retry_after": "1.4"}, 1.4),
    "status 429 without Retry-After": ({}, 1.0),
    "status 429 with a Retry-After that is nonsense": ({"retry_after": "soon"}, 1.0),
    "status 429 with a body in plain text": (
        {"retry_after": 1, "body": "Rate limited.", "content_type": "text/plain"},
        1.0,
    ),
    "status 429 with an empty object": ({"retry_after": 1, "body": "{}"}, 1.0),
}


@pytest.fixture(scope="module")
def bystanders(circle: RemoteCircle) -> dict[str, dict[str, float]]:
    return {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in SLUGS}


@pytest.fixture(scope="module")
def daemon(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with Exporter(tmp_path_factory.mktemp("limits"), configuration(circle, SLUGS), token=TOKEN) as exporter:
        yield exporter


@pytest.fixture
def exporter(daemon: Exporter, circle: RemoteCircle) -> Iterator[Exporter]:
    daemon.until(lambda scrape: polled(scrape, SLUGS), "a good poll of everything")
    yield daemon
    circle.heal()


def met(circle: RemoteCircle, after: int, kind: str) -> dict[str, Any]:
    """The first request that met a fault."""

    def first() -> dict[str, Any] | None:
        return next((one for one in circle.requests(after) if one["fault"] == kind), None)

    found = wait_until(first, why=f"a request to meet {kind}")
    assert found is not None
    return found


def quiet(circle: RemoteCircle, after: int, since: float) -> float:
    """Seconds between a moment and the first request after it, without those that were on their way."""

    def first() -> float | None:
        return next((one["at"] for one in circle.requests(after) if one["at"] > since + IN_FLIGHT), None)

    return (wait_until(first, why="a request after the pause") or 0.0) - since


@pytest.mark.parametrize(("options", "pause"), THROTTLES.values(), ids=THROTTLES.keys())
def test_one_refusal_pauses_everything_and_fails_nothing(
    options: dict[str, Any],
    pause: float,
    exporter: Exporter,
    circle: RemoteCircle,
    bystanders: dict[str, dict[str, float]],
) -> None:
    before, after = exporter.scrape(), len(circle.requests())
    circle.fail("throttle", SLUGS[0], times=1, **options)
    refused = met(circle, after, "throttle")

    unharmed(exporter, bystanders)
    assert quiet(circle, after, refused["at"]) >= pause - 0.1
    again = [one for one in circle.requests(after) if one["path"] == refused["path"] and one["status"] == 200]
    wait_until(lambda: again or [one for one in circle.requests(after) if one["path"] == refused["path"]][1:])
    told = exporter.until(
        lambda scrape: (
            (scrape.get("api_retries_total", reason="throttled") or 0)
            > (before.get("api_retries_total", reason="throttled") or 0)
        ),
        "the refusal to be counted",
    )
    waited = (told.get("api_throttled_seconds_total") or 0) - (before.get("api_throttled_seconds_total") or 0)
    assert pause - 0.2 <= waited <= pause + 3
    assert failures(told, "workflows") == failures(before, "workflows")
    still_polled(exporter, SLUGS)


def test_a_row_of_refusals_does_not_use_up_the_retries_of_a_request(
    exporter: Exporter, circle: RemoteCircle, bystanders: dict[str, dict[str, float]]
) -> None:
    before, after = exporter.scrape(), len(circle.requests())
    circle.fail("throttle", rf"{SLUGS[1]}/workflows\?", times=5, retry_after=0.3)
    wait_until(lambda: [one["fault"] for one in circle.requests(after)].count("throttle") == 5)
    seen = last_success(before, SLUGS[1])
    exporter.until(lambda scrape: last_success(scrape, SLUGS[1]) > seen, "the poll to end well")
    assert failures(unharmed(exporter, bystanders), "workflows") == failures(before, "workflows")


def test_the_block_of_one_project_pauses_nobody_and_that_of_a_second_pauses_everybody(
    exporter: Exporter, circle: RemoteCircle, bystanders: dict[str, dict[str, float]]
) -> None:
    still_polled(exporter, SLUGS)  # and so the last pause of the test before is counted
    before = exporter.scrape().get("api_throttled_seconds_total") or 0.0
    circle.fail("cdn_block", SLUGS[0])
    exporter.until(lambda scrape: not polled(scrape, SLUGS[:1]), "the block to fail a poll")
    still_polled(exporter, SLUGS[1:])
    scrape = unharmed(exporter, {slug: bystanders[slug] for slug in SLUGS[1:]})
    assert scrape.get("api_throttled_seconds_total") == before
    assert failures(scrape, "workflows")["forbidden"] >= 1

    after = len(circle.requests())
    circle.fail("cdn_block", SLUGS[1], times=1)
    blocked = wait_until(
        lambda: next((one for one in circle.requests(after) if one["fault"] and SLUGS[1] in one["path"]), None)
    )
    assert blocked is not None
    assert quiet(circle, after, blocked["at"]) >= 0.9
    exporter.until(
        lambda scrape: (scrape.get("api_throttled_seconds_total") or 0) >= before + 0.9, "the pause to count"
    )


@pytest.mark.parametrize("prefix", ["", "X-"], ids=["RateLimit headers", "X-RateLimit headers"])
def test_a_quota_that_is_nearly_spent_slows_everything_down_before_the_refusal(
    prefix: str, exporter: Exporter, circle: RemoteCircle, bystanders: dict[str, dict[str, float]]
) -> None:
    before, after = exporter.scrape(), len(circle.requests())
    circle.fail("rate_headers", "", remaining=2, limit=300, reset=1, prefix=prefix)
    scrape = exporter.until(lambda scrape: scrape.get("api_rate_limit_remaining") == 2, "the quota to show")
    assert scrape.get("api_rate_limit_limit") == 300

    wait_until(lambda: [one["fault"] for one in circle.requests(after)].count("rate_headers") >= 7)
    times = [one["at"] for one in circle.requests(after) if one["fault"] == "rate_headers"]
    assert times[-1] - times[-3] > 0.6, "two requests are spread over a second"
    slowed = unharmed(exporter, bystanders)
    assert (slowed.get("api_throttled_seconds_total") or 0) > (before.get("api_throttled_seconds_total") or 0)
    assert failures(slowed, "workflows") == failures(before, "workflows")

    circle.heal()
    circle.fail("rate_headers", "", remaining=299, limit=300, reset=2, prefix=prefix)
    still_polled(exporter, SLUGS)
    assert exporter.scrape().get("api_rate_limit_remaining") == 299


def test_a_quota_of_many_requests_changes_nothing(exporter: Exporter, circle: RemoteCircle) -> None:
    before = exporter.scrape()
    circle.fail("rate_headers", "", remaining=250, limit=300, reset=60)
    still_polled(exporter, SLUGS)
    assert exporter.scrape().get("api_throttled_seconds_total") == before.get("api_throttled_seconds_total")


def test_an_api_that_allows_less_than_is_configured_and_says_so_is_hardly_ever_overrun(
    exporter: Exporter, circle: RemoteCircle, bystanders: dict[str, dict[str, float]]
) -> None:
    before = exporter.scrape()
    circle.limit(rate=15, burst=20)
    still_polled(exporter, SLUGS)
    still_polled(exporter, SLUGS)
    assert failures(unharmed(exporter, bystanders), "workflows") == failures(before, "workflows")
    assert circle.heal() <= 2
