from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.circleci import Circle
from tests.demo.asking import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def reference() -> Iterator[Circle]:
    """One whose clock stands still, for tests that change nothing."""
    with Circle(seed=1, start=NOON, speed=0) as circle:
        yield circle


@pytest.fixture
def circle() -> Iterator[Circle]:
    """One whose clock stands still, to break and to change."""
    with Circle(seed=1, start=NOON, speed=0) as circle:
        yield circle


@pytest.fixture
def quiet() -> Iterator[Circle]:
    """One in which nothing runs but what a test adds, aggregated every second."""
    with Circle(seed=1, start=NOON, speed=0, quiet=True, refresh=1) as circle:
        yield circle
