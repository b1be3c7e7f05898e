from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.demo.messages import json_reply
from tests.circleci.bucket import TokenBucket
from tests.demo.asking import ask

if TYPE_CHECKING:
    from tests.circleci import Circle


class Hand:
    """A clock moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_the_next_is_refused_with_the_time_to_wait() -> None:
    hand = Hand()
    bucket = TokenBucket(0.5, 2, hand)
    assert bucket.refusal() is None
    assert bucket.refusal() is None
    refusal = bucket.refusal()
    assert refusal is not None
    assert refusal.status == 429
    assert ("Retry-After", "2") in refusal.headers
    assert bucket.violations == 1
    hand.now = 2.0
    assert bucket.refusal() is None


def test_the_bucket_never_holds_more_than_its_burst() -> None:
    hand = Hand()
    bucket = TokenBucket(10, 2, hand)
    hand.now = 1000.0
    assert [bucket.refusal() is None for _ in range(3)] == [True, True, False]


def test_headers_tell_what_is_left() -> None:
    bucket = TokenBucket(1, 5, Hand())
    bucket.refusal()
    marked = dict(bucket.mark(json_reply({})).headers)
    assert marked["X-RateLimit-Limit"] == "5"
    assert marked["X-RateLimit-Remaining"] == "4"


def test_a_limited_circle_refuses_before_anything_else_and_recovers_when_healed(circle: Circle) -> None:
    bucket = circle.limit(0.001, 1)
    fault = circle.fail("server_error")
    circle.heal()
    bucket = circle.limit(0.001, 1)
    good = ask(circle, "/me")
    assert (good.status, good.headers["x-ratelimit-remaining"]) == (200, "0")
    fault = circle.fail("server_error")
    assert ask(circle, "/me").status == 429
    assert (bucket.violations, fault.hits) == (1, 0)
    circle.heal()
    assert ask(circle, "/me").status == 200
