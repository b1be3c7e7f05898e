"""Python's garbage collection: the more objects there are, the longer it takes, and all threads wait meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Collect no garbage meanwhile, and exempt all that exists at the end from later collections.

    For the start of a process: what it makes mostly lives as long as the process. Objects in no cycle are still freed.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
