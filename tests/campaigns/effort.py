"""How much a test tries where chance or repetition decides: little in `make test`, much in `make test-long`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T", int, float)

LONG = os.environ.get("TEST_LONG") == "1"


def effort(short: T, long: T) -> T:
    """So many seeds, examples, kills or seconds. What fails in the long run is repeated with TEST_LONG=1."""
    return long if LONG else short
