from __future__ import annotations

import pytest

from exporter.replicas.clock import DatabaseClock


def test_the_time_is_the_database_s_and_passes_steadily() -> None:
    passed, local = 50.0, 1_000.0
    clock = DatabaseClock(lambda: passed, lambda: local)
    assert clock.wall() == 1_000.0
    clock.measured(1_300.0, 50.0, 50.0)
    assert clock.wall() == 1_300.0
    passed, local = 60.0, 5.0
    assert clock.wall() == 1_310.0


@pytest.mark.parametrize(
    ("said", "expected"), [(1_000.5, 1_001.0), (1_000.0, 1_001.0), (1_003.0, 1_003.0), (990.0, 991.0)]
)
def test_a_slow_answer_moves_the_clock_only_as_far_as_it_proves(said: float, expected: float) -> None:
    passed = 50.0
    clock = DatabaseClock(lambda: passed, lambda: 1_000.0)
    passed = 51.0
    clock.measured(said, 50.0, 51.0)
    assert clock.wall() == expected
