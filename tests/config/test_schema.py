"""The editor's schema accepts what the exporter accepts, and refuses what is of the wrong shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from exporter.config import (
    CircleCI,
    Organization,
    Project,
    ProjectSettings,
    RunnerSettings,
    StateSettings,
    json_schema,
    markdown,
)
from exporter.config.file import UsageSettings, Webhooks
from exporter.config.yaml_file import parse_document
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

DATA = Path(__file__).with_name("testdata")
EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"

# What takes more than the shape of one value to see.
BEYOND_SHAPE = {
    "bad-buckets": "the order of a list",
    "bad-ca-file-is-no-certificate": "the content of another file",
    "bad-ca-file-missing": "another file",
    "bad-duration-out-of-range": "the size of a number within a text",
    "bad-insecure-url": "two keys together",
    "bad-lease-too-short": "the size of a number within a text",
    "bad-password-without-url": "two keys together",
    "bad-two-states": "two keys together",
    "bad-key-twice": "the text, which the data no longer shows",
    "bad-key-twice-in-a-list": "the text, which the data no longer shows",
    "bad-key-is-a-number": "the text, since JSON has no other keys",
    "bad-merge-of-text": "the text, which the data no longer shows",
    "bad-name-of-an-organization": "two entries together",
    "bad-name-twice": "two entries together",
    "bad-scope-in-defaults": "two keys together",
    "bad-scope-on-a-project": "two keys together",
    "bad-slug-twice": "two entries together",
    "bad-url-port": "the size of a number within a text",
}


def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def data_of(file: Path) -> object:
    return parse_document(file.read_bytes(), file.name).data


def test_the_schema_is_one_of_its_draft_and_names_no_host() -> None:
    schema = json_schema()

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:")


@pytest.mark.parametrize("file", [EXAMPLE, *sorted(DATA.glob("good-*.yml"))], ids=lambda file: file.stem)
def test_good_files_are_accepted(file: Path) -> None:
    assert [error.message for error in validator().iter_errors(data_of(file))] == []


@pytest.mark.parametrize("file", sorted(DATA.glob("bad-*.yml")), ids=lambda file: file.stem)
def test_files_of_the_wrong_shape_are_refused(file: Path) -> None:
    try:
        data = data_of(file)
    except ConfigError:
        assert file.stem not in BEYOND_SHAPE  # no YAML at all: an editor says so without a schema
        return

    valid = validator().is_valid(data)

    assert valid == (file.stem in BEYOND_SHAPE)


def test_every_key_is_described() -> None:
    schema = json_schema()

    for name, section in {**schema["$defs"], "": schema}.items():
        assert section["additionalProperties"] is False
        for key, value in section["properties"].items():
            described = "$ref" in value or value["description"].endswith(".")
            assert described, (name, key)


def test_defaults_stand_as_they_would_be_written() -> None:
    definitions = json_schema()["$defs"]

    assert definitions["ProjectSettings"]["properties"]["interval"]["default"] == "1h"
    assert definitions["Runs"]["properties"]["buckets"]["default"][0] == "30s"
    assert "default" not in definitions["Project"]["properties"]["interval"]
    assert definitions["Project"]["required"] == ["slug"]


def rows() -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown().splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_reference_is_a_table_of_four_columns() -> None:
    assert markdown().startswith("| key | type | default | meaning |\n|---|---|---|---|\n")
    assert all(len(row) == 3 for row in rows().values())


def test_every_key_stands_in_it_once() -> None:
    sections: dict[str, type[BaseModel]] = {
        "circleci": CircleCI,
        "state": StateSettings,
        "webhooks": Webhooks,
        "runners": RunnerSettings,
        "usage": UsageSettings,
        "defaults": ProjectSettings,
    }
    own: dict[str, type[BaseModel]] = {"projects[]": Project, "organizations[]": Organization}
    keys = {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields}
    keys |= {
        f"{name}.{key}"
        for name, section in own.items()
        for key in section.model_fields.keys() - ProjectSettings.model_fields
    }

    told = {key if key in keys else key.rpartition(".")[0] for key in rows()} - {""}

    assert told == keys


def test_types_and_defaults_are_those_of_the_file() -> None:
    assert rows()["circleci.timeout"][:2] == ["duration", "`30s`"]
    assert rows()["circleci.auth"][:2] == ["`circle-token` or `bearer` or `basic`", "`circle-token`"]
    assert rows()["circleci.burst"][:2] == ["whole number, 1 to 10000", "`10`"]
    assert rows()["defaults.stale_after"][:2] == ["duration", "`null`"]
    assert rows()["defaults.default_branch"][:2] == ["true or false", "`true`"]
    assert rows()["defaults.jobs.max_age"][:2] == ["duration", "`1d`"]
    assert rows()["defaults.workflows.include"][:2] == ["list of globs", '`["*"]`']
    assert rows()["defaults.labels"][:2] == ["mapping of text", "`{}`"]
    assert rows()["projects[].slug"][:2] == ["project slug", "required"]
    assert rows()["projects"][0] == "list of slugs or mappings"
