"""Waiting for a state that another thread or process brings about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for what takes a moment: the machine may be busy, and a limit costs nothing when the state comes."""
AT_ONCE = 20.0
"""Seconds in which what happens at once is over on the busiest machine. What it must not wait for takes longer."""


def wait_until(predicate: Callable[[], T], timeout: float = PATIENCE, interval: float = 0.02, *, why: str = "") -> T:
    """Ask `predicate` every `interval` seconds until it gives something true, and return that.

    After `timeout` seconds the test fails with `why` (or the predicate's name) and the last thing it gave.
    An AssertionError or OSError of the predicate counts as "not yet", so it may assert and may connect.
    """
    end = time.monotonic() + timeout
    while True:
        last: object
        try:
            found = predicate()
        except (AssertionError, OSError) as error:
            last = error
        else:
            if found:
                return found
            last = found
        if time.monotonic() >= end:
            what = why or getattr(predicate, "__name__", "the condition")
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last: {last!r}")
        time.sleep(interval)
