"""The reference names every key, with what it is when it is not given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config import CircleCI, Organization, Project, ProjectSettings, RunnerSettings, StateSettings, markdown
from exporter.config.file import UsageSettings, Webhooks

if TYPE_CHECKING:
    from pydantic import BaseModel


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
