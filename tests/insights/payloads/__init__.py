"""Bodies of the API to read in tests: `<endpoint>.json`, and `<endpoint>.<case>.json` for what is seldom but real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def text(name: str) -> str:
    """Read the body of that name."""
    return (FOLDER / f"{name}.json").read_text("utf-8")


def document(name: str) -> Any:
    """Read the body of that name, decoded."""
    return json.loads(text(name))
