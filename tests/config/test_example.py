"""The commented example: valid, complete, and true about the defaults."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.config import load, markdown, parse

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def test_the_example_is_valid_and_shows_the_defaults() -> None:
    example, plain = load(EXAMPLE), parse("projects: [gh/acme/web]")

    assert example.circleci == plain.circleci
    assert example.state == plain.state
    assert example.projects[0] == plain.projects[0]


def test_what_is_commented_out_is_valid_too() -> None:
    text = EXAMPLE.read_text()
    commented = text[text.index("# organizations:") :]

    config = parse(text + re.sub(r"(?m)^# ", "", commented))

    (organization,) = config.organizations
    assert organization.project("gh/acme/web") == config.projects[0]
    assert organization.discovery_interval == 3600.0


def test_every_key_stands_in_the_example() -> None:
    keys = {key.rpartition(".")[2] for key in re.findall(r"^\| `([^`]+)`", markdown(), re.MULTILINE)}

    missing = {key for key in keys if not re.search(rf"\b{key}: ?", EXAMPLE.read_text())}

    assert missing == set()
