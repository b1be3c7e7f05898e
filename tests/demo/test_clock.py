from __future__ import annotations

import time

from exporter.demo.clock import Clock


def test_a_clock_runs_as_many_times_as_fast_as_asked() -> None:
    readings = iter((10.0, 12.0))
    clock = Clock(1000.0, speed=60, monotonic=lambda: next(readings))
    assert clock.now() == 1120.0


def test_a_clock_of_speed_zero_moves_only_when_told() -> None:
    clock = Clock(1000.0, speed=0)
    assert clock.now() == 1000.0
    assert clock.advance(5) == 1005.0
    assert clock.advance(-10) == 995.0


def test_a_clock_begins_now_unless_told_otherwise() -> None:
    assert abs(Clock().now() - time.time()) < 5
