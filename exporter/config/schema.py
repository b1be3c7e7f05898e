"""The JSON Schema of the configuration file, for editors and linters."""

from __future__ import annotations

from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from exporter.config.file import Config
from exporter.config.settings import Organization, Project, ProjectSettings

IDENTIFIER: Final = "urn:circleci-insights-exporter:config"


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
