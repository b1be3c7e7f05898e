"""A process that is otherwise than an operator's: its clock is wrong, or it ends in the middle of a transaction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

STARTUP = Path(__file__).with_name("startup")
Place = int | Literal["commit", "committed"]
"""A statement of a transaction, by its number; its commit, as it begins; or that, as it is over."""


def altered(*, skew: float = 0.0, dies: Path | None = None) -> dict[str, str]:
    """The environment of such a process: `skew` seconds are added to its clock, and `die` uses the file `dies`."""
    mortal = {} if dies is None else {"DIES": str(dies)}
    return {"PYTHONPATH": str(STARTUP), "SKEW": f"{skew:g}", **mortal}


def die(dies: Path, transaction: int, place: Place) -> None:
    """Let the process end at this place of its n-th transaction from now on; the file is gone when it does."""
    new = dies.with_suffix(".new")
    new.write_text(json.dumps((transaction, place)))
    new.replace(dies)
