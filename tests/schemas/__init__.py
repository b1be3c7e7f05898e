"""JSON schemas of the endpoints, one file each: every key that is known, and no other."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@cache
def validator(name: str) -> Draft202012Validator:
    """Read the schema of an endpoint."""
    schema = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def problems(name: str, document: Any) -> list[str]:
    """Say what of a document does not fit the endpoint; nothing when all is well."""
    return [f"{error.json_path}: {error.message[:300]}" for error in validator(name).iter_errors(document)]
