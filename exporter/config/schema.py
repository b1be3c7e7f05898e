"""The JSON Schema of the configuration file, for editors and linters, and the reference that is made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from exporter.config.file import Config
from exporter.config.settings import Organization, Project, ProjectSettings

IDENTIFIER: Final = "urn:circleci-insights-exporter:config"
_HEAD: Final = ("| key | type | default | meaning |", "|---|---|---|---|")
_KINDS: Final = {"boolean": "true or false", "string": "text"}


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  pydantic's titles repeat the key
        return False


def json_schema() -> dict[str, Any]:
    """Return the schema of the file as it is written, draft 2020-12: durations are text, a slug alone is a project."""
    schema = Config.model_json_schema(schema_generator=_Generator)
    for section in (Project, Organization):
        for key in ProjectSettings.model_fields:  # their defaults are in `defaults`
            schema["$defs"][section.__name__]["properties"][key].pop("default", None)
    some = [_filled(key) for key in ("projects", "organizations")]
    runners = {"anyOf": [_filled(key) for key in ("namespaces", "resource_classes")]}
    some.append({"required": ["runners"], "properties": {"runners": runners}})
    some.append({"required": ["usage"], "properties": {"usage": _filled("organizations")}})
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": IDENTIFIER,
        **schema,
        "title": "Configuration of the CircleCI Insights exporter",
        "anyOf": some,
    }


def _filled(key: str) -> dict[str, Any]:
    """Return the schema of a mapping whose list under `key` is not empty."""
    return {"required": [key], "properties": {key: {"minItems": 1}}}


def markdown() -> str:
    """Return a table of every key: path, type, default, meaning. Those of `defaults` are not repeated for projects."""
    schema = json_schema()
    return "\n".join((*_HEAD, *_rows(schema, schema["$defs"], ""))) + "\n"


def _rows(section: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in section["properties"].items():
        path, section_of_key, entry = f"{prefix}{key}", _section(value, definitions), _entry(value, definitions)
        if section_of_key:
            yield from _rows(section_of_key, definitions, f"{path}.")
        elif entry:
            yield _row(path, "list of slugs or mappings", "", value["description"])
            own = {
                name: inner for name, inner in entry["properties"].items() if name not in ProjectSettings.model_fields
            }
            yield from _rows({**entry, "properties": own}, definitions, f"{path}[].")
        elif key in section.get("required", ()):
            yield _row(path, _kind(value), "required", value["description"])
        else:
            yield _row(path, _kind(value), _written(value["default"]), value["description"])


def _section(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    name = value.get("$ref", "").removeprefix("#/$defs/")
    return definitions[name] if name else None


def _entry(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    """Return the long form of the entries of a list of mappings."""
    return next(
        (_section(form, definitions) for form in value.get("items", {}).get("anyOf", ()) if "$ref" in form), None
    )


def _kind(value: dict[str, Any]) -> str:
    if "anyOf" in value:  # the other one is null
        return _kind(value["anyOf"][0])
    if "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value["enum"])
    if value["type"] == "array":
        kind = _kind(value["items"])
        return f"list of {kind}{'' if 'enum' in value['items'] else 'es' if kind.endswith('s') else 's'}"
    if value["type"] == "object":
        return "mapping of text"
    limits = f", {value['minimum']} to {value['maximum']}" if "minimum" in value else ""
    return f"{value.get('title') or _KINDS[value['type']]}{limits}"


def _written(default: object) -> str:
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def _row(path: str, kind: str, default: str, meaning: str) -> str:
    cells = (f"`{path}`", kind, default, meaning)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
