"""An endpoint added by its row in the table alone: nothing else of the program is touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.circleci import Circle
from tests.running import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEFORE = "        Collector(\n            ORGANIZATIONS,"
ROW = """        Collector(
            "tested_runs",
            "/insights/{slug}/workflows/{workflow}/test-metrics",
            (
                Table(
                    "workflow",
                    (families.Family("total_test_runs", "circleci_insights_tested_runs", "Runs with results."),),
                    ("branch", "project", "workflow"),
                    rows="",
                ),
            ),
            over=("workflow", "branch"),
        ),
"""
WORKFLOWS = 3


class Extended:
    """A copy of the program with one more row, and what its commands write."""

    def __init__(self, folder: Path, circle: Circle) -> None:
        table = copied.copy(folder) / "insights" / "collectors.py"
        before, found, after = table.read_text("utf-8").partition(BEFORE)
        assert found
        table.write_text(before + ROW + found + after, "utf-8")
        (folder / "config.yaml").write_text(
            f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000}}\n"
            "defaults: {collectors: [tested_runs]}\nprojects: [gh/acme/web]\n"
        )
        self.folder, self.token = folder, circle.token

    def run(self, *command: str) -> str:
        return copied.run(self.folder, "-m", "exporter", *command, CIRCLECI_TOKEN=self.token)


@pytest.fixture(name="extended", scope="module")
def one_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extended]:
    with Circle(start=1_790_000_000, speed=0) as circle:
        yield Extended(tmp_path_factory.mktemp("extended"), circle)


def test_it_is_polled_rendered_and_counted(extended: Extended) -> None:
    lines = extended.run("once", "--config.file", "config.yaml").splitlines()
    assert sum(line.startswith("circleci_insights_tested_runs{") for line in lines) == WORKFLOWS
    assert "# HELP circleci_insights_tested_runs Runs with results." in lines
    assert 'circleci_exporter_collector_success{collector="tested_runs",project="gh/acme/web"} 1.0' in lines
    assert f'circleci_exporter_series{{collector="tested_runs"}} {WORKFLOWS}.0' in lines
    assert 'circleci_exporter_collector_failures_total{collector="tested_runs",reason="timeout"} 0.0' in lines
    assert 'circleci_exporter_unreadable_fields_total{collector="tested_runs",field="total_test_runs"} 0.0' in lines


def test_its_calls_are_counted_beforehand(extended: Extended) -> None:
    document = json.loads(extended.run("check", "--json", "--config.file", "config.yaml"))
    (project,) = document["projects"]
    names, a_day = 1, 1 / 24
    assert project["calls_per_hour"]["most"] == pytest.approx(WORKFLOWS + names + a_day)


def test_it_is_in_the_reference_and_in_the_schema_of_the_file(extended: Extended) -> None:
    (entry,) = (row for row in json.loads(extended.run("metrics", "--format", "json")) if "tested_runs" in row["name"])
    assert (entry["collector"], entry["labels"]) == ("collector tested_runs", ["branch", "project", "workflow"])
    assert '"tested_runs"' in extended.run("schema")
