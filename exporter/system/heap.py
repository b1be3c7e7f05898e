"""The heap of the C library: one for all threads.

glibc gives threads heaps of their own, up to eight a core, and each keeps the most that one of its threads ever needed.
Python's threads take turns anyway, so that more heaps save no time. They only take memory, more and more where names
and sizes change all the time.
"""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8
"""From glibc's malloc.h."""


def share_one_heap() -> bool:
    """Let all threads that start from now on allocate from one heap; returns whether the C library can do that."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(M_ARENA_MAX, 1))
