"""The commented example: valid, complete, and true about the defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from exporter.config import load, markdown, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def complete() -> str:
    """The example, and what is commented out at its end."""
    text = EXAMPLE.read_text()
    return text + re.sub(r"(?m)^# ", "", text[text.index("# organizations:") :])


def keys(value: object, path: str = "") -> Iterator[str]:
    """The path of each key, as the reference writes it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}{key}"
            yield from keys(inner, f"{path}{key}.")
    elif isinstance(value, list):
        for entry in value:
            yield from keys(entry, f"{path.removesuffix('.')}[].")


def test_the_example_is_valid_and_shows_the_defaults_but_for_a_state_and_the_run_counters_that_alerts_need() -> None:
    example = load(EXAMPLE)
    plain = parse(
        "state: {path: state.sqlite}\ndefaults: {collectors: [workflows, jobs, pipelines]}\nprojects: [gh/acme/web]",
        directory=EXAMPLE.parent,
    )

    assert {**dict(example), "projects": plain.projects} == dict(plain)
    assert example.projects[0] == plain.projects[0]


def test_what_is_commented_out_is_valid_too() -> None:
    config = parse(complete())

    (organization,) = config.organizations
    assert organization.project("gh/acme/web") == config.projects[0]
    assert organization.discovery_interval == 3600.0


def test_every_key_stands_in_the_example() -> None:
    documented = set(re.findall(r"^\| `([^`]+)`", markdown(), re.MULTILINE))

    assert "usage.organizations" in documented
    assert documented - set(keys(yaml.safe_load(complete()))) == set()
