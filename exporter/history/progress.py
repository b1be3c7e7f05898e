"""How far reading or writing is."""

from __future__ import annotations

from typing import NamedTuple


class Progress(NamedTuple):
    """How much is done: workflows, parts of them counting by their share, of how many; and runs in this call."""

    workflows: float
    total: int
    runs: int
