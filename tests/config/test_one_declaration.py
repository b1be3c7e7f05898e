"""A key is added by one declaration: a copy of the package gets it, and everything else follows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.running import copied

BEFORE = "    max_series: SeriesLimit"
DECLARATION = (
    '    snooze: Annotated[Items[Duration], Rising] = Field(("5m",), description="How long.", validate_default=True)\n'
)
PROGRAM = """
import json, sys
from exporter.config import json_schema, markdown, parse
from exporter.errors import ConfigError

def wrong(text):
    try:
        parse(text)
    except ConfigError as error:
        return str(error)

given = parse("defaults: {snooze: [1m, 2m]}\\nprojects: [gh/a/b, {slug: gh/a/c, snooze: [3m]}]\\norganizations: [gh/a]")
print(json.dumps({
    "plain": parse("projects: [gh/a/b]").projects[0].snooze,
    "given": [project.snooze for project in given.projects],
    "found": given.organizations[0].project("gh/a/d").snooze,
    "hashes": len({hash(project) for project in given.projects}),
    "schema": json_schema()["$defs"]["ProjectSettings"]["properties"]["snooze"],
    "reference": [line for line in markdown().splitlines() if "snooze" in line],
    "value": wrong("defaults: {snooze: [soon]}\\nprojects: [gh/a/b]"),
    "order": wrong("projects: [{slug: gh/a/b, snooze: [2m, 1m]}]"),
    "spelling": wrong("projects: [{slug: gh/a/b, snoze: [2m]}]"),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("copy")
    settings = copied.copy(folder) / "config" / "settings.py"
    text = settings.read_text()
    assert text.count(BEFORE) == 1
    settings.write_text(text.replace(BEFORE, DECLARATION + BEFORE))
    found: dict[str, Any] = json.loads(copied.run(folder, "-c", PROGRAM))
    return found


def test_it_is_read_with_its_default(told: dict[str, Any]) -> None:
    assert told["plain"] == [300.0]


def test_defaults_hold_for_projects_and_found_ones_until_they_say_otherwise(told: dict[str, Any]) -> None:
    assert told["given"] == [[60.0, 120.0], [180.0]]
    assert told["found"] == [60.0, 120.0]
    assert told["hashes"] == 2


def test_the_schema_and_the_reference_have_it(told: dict[str, Any]) -> None:
    assert (told["schema"]["type"], told["schema"]["default"]) == ("array", ["5m"])
    assert told["reference"] == ['| `defaults.snooze` | list of durations | `["5m"]` | How long. |']


def test_its_mistakes_are_told_at_their_place(told: dict[str, Any]) -> None:
    assert told["value"].startswith("config.yaml:1:21: defaults.snooze[0]: ")
    assert "a duration such as 90s" in told["value"]
    assert told["order"].startswith("config.yaml:1:27: projects[0].snooze: ")
    assert "did you mean snooze?" in told["spelling"]
