from __future__ import annotations

import pytest

from exporter.polling.attempt import Clocks
from exporter.process.clock_steps import ClockSteps


@pytest.mark.parametrize(
    ("wall", "monotonic", "step"), [(10, 10, 0), (10.9, 10, 0), (-3590, 10, -3600), (3610, 10, 3600)]
)
def test_a_step_is_what_the_wall_clock_moved_more_or_less_than_time_passed(
    wall: float, monotonic: float, step: float
) -> None:
    now = [1e9, 500.0]
    steps = ClockSteps(Clocks(lambda: now[0], lambda: now[1]))
    assert steps.look() == 0
    now[0] += wall
    now[1] += monotonic
    assert steps.look() == step
    assert steps.look() == 0, "a step is seen once"


def test_slewing_is_no_step_however_long_it_goes_on() -> None:
    now = [1e9, 500.0]
    steps = ClockSteps(Clocks(lambda: now[0], lambda: now[1]))
    for _ in range(10_000):
        now[0] += 1.0005
        now[1] += 1
        assert steps.look() == 0
