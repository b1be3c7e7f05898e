"""Python's search for garbage: the more objects there are, the longer it takes, and everything else waits meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def making_what_stays() -> Iterator[None]:
    """Search for no garbage meanwhile, and later never in what was made until then.

    It is for the start of a process: hardly anything that a start makes is garbage before the process ends. What is
    not part of a cycle is freed as ever.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
