"""The dashboards against the schema that Grafana publishes: what it does not know is refused."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tests_deploy.dashboards import NAMES, panels, read
from tests_deploy.manifests import NODE

if TYPE_CHECKING:
    from pathlib import Path

RAW = NODE / "node_modules/@grafana/schema/dist/types/raw"
TYPES = sorted({panel["type"] for name in NAMES for panel in panels(name)})


def schema(source: str, name: str, folder: Path) -> dict[str, Any]:
    """The JSON Schema of one of Grafana's types."""
    out = folder / f"{name}.json"
    command: list[str | Path] = [
        NODE / "node_modules/.bin/ts-json-schema-generator",
        "--path",
        RAW / source,
        "--type",
        name,
    ]
    command += ["--tsconfig", NODE / "tsconfig.json", "--no-type-check", "--expose", "none", "-o", out]
    subprocess.run(command, check=True, cwd=NODE)
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return document


def faults(document: object, against: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(against).iter_errors(document)]


@pytest.fixture(scope="session")
def dashboard_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return schema("dashboard/x/types.gen.d.ts", "Dashboard", tmp_path_factory.mktemp("schema"))


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_fits_grafanas_schema(name: str, dashboard_schema: dict[str, Any]) -> None:
    document = read(name)
    for annotation in document["annotations"]["list"]:
        # The schema leaves an annotation's query to the data source.
        for field in ("expr", "step", "textFormat", "titleFormat", "useValueForTime"):
            del annotation[field]

    assert faults(document, dashboard_schema) == []


def test_the_schema_refuses_what_it_does_not_know(dashboard_schema: dict[str, Any]) -> None:
    assert faults(read("overview") | {"colour": "blue"}, dashboard_schema)


@pytest.mark.parametrize("kind", TYPES)
def test_the_options_of_panels_fit_the_schema_of_their_kind(kind: str, tmp_path: Path) -> None:
    options = schema(f"composable/{kind}/panelcfg/x/types.gen.d.ts", "Options", tmp_path)
    # What a kind requires, Grafana fills in; what it does not know is an error.
    for definition in [options, *options.get("definitions", {}).values()]:
        definition.pop("required", None)

    for name in NAMES:
        for panel in panels(name):
            if panel["type"] == kind:
                assert faults(panel["options"], options) == []
