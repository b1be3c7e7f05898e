"""JSON schemas of the endpoints, one file each: every key that is known, and no other.

A `$ref` in one may name another file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@cache
def _registry() -> Registry[Any]:
    found = {path.name: Resource.from_contents(json.loads(path.read_text("utf-8"))) for path in FOLDER.glob("*.json")}
    return Registry().with_resources(found.items())


@cache
def validator(name: str) -> Draft202012Validator:
    """Read the schema of an endpoint."""
    schema = _registry().contents(f"{name}.json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=_registry())


def problems(name: str, document: Any) -> list[str]:
    """Say what of a document does not fit the endpoint; nothing when all is well."""
    return [f"{error.json_path}: {error.message[:300]}" for error in validator(name).iter_errors(document)]
