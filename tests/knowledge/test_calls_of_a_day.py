"""What is foretold of API calls, against what real polls of a synthetic CircleCI make in a day."""

from __future__ import annotations

import pytest

from benchmarks.api_calls import CASES, Case, measure

CHEAP = [case for case in CASES if "runs]" not in case.settings and "tests]" not in case.settings]


@pytest.mark.parametrize("case", CHEAP, ids=lambda case: case.name)
def test_what_is_asked_lies_between_the_fewest_and_the_most_calls_foretold(case: Case) -> None:
    cost = measure(case)
    assert cost.foretold.least <= cost.calls * 1.001
    assert cost.calls <= cost.foretold.most * 1.001


def test_there_are_five_configurations_and_some_are_quick_to_measure() -> None:
    assert (len(CASES), len(CHEAP)) == (5, 3)
