"""The dashboards on the data of a real exporter: a real Prometheus answers each query, a browser draws each panel.

One file, so that one worker has the rehearsed exporter and its Prometheus.
"""

from __future__ import annotations

import os
import re
import time
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.running.waiting import wait_until
from tests_deploy.dashboards import BUSY, FLAKY, NAMES, View, panels, read, view
from tests_deploy.drawing import browser, bundle, draw
from tests_deploy.processes import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

    from tests_deploy.rehearsal import Rehearsal


def alternatives(panel: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The queries of which at least one has data: each alone, but of a number that goes up or down one of the two."""
    targets = panel["targets"]
    return [targets] if panel["type"] == "stat" else [[target] for target in targets]


QUERIES = [
    pytest.param(name, targets, id=f"{name}: {panel['title']} {targets[0]['refId']}")
    for name in NAMES
    for panel in panels(name)
    for targets in alternatives(panel)
]
VARIABLES = [
    pytest.param(name, variable, id=f"{name}: {variable['name']}")
    for name in NAMES
    for variable in read(name)["templating"]["list"]
    if variable["type"] == "query"
]
LABEL_VALUES = re.compile(r"label_values\((.*), (\w+)\)")
QUERY_RESULT = re.compile(r"query_result\((.*)\)")
# Where the pictures are left, to be looked at.
PICTURES = Path(os.environ.get("PICTURES", "build/pictures"))
# Of a workflow without flaky tests, nothing is to be drawn there.
EMPTY = {"Flakes by job"}


@cache
def now() -> int:
    """One moment for all, however long they take."""
    return int(time.time())


def views(name: str, instance: str) -> list[View]:
    """A workflow with flaky tests has few jobs, and the other way round: each query is tried on both."""
    return [view(name, now(), instance, workflow=workflow) for workflow in (BUSY, FLAKY)]


def values_of(variable: dict[str, Any], seen: View, url: str) -> list[str]:
    """What Grafana would offer."""
    text = seen.filled(variable["query"]["query"])
    if found := LABEL_VALUES.fullmatch(text):
        series = query(url, "query", query=f"group by ({found[2]}) ({found[1]})", time=seen.end)["result"]
        return sorted(each["metric"][found[2]] for each in series if found[2] in each["metric"])
    found = QUERY_RESULT.fullmatch(text)
    assert found
    lines = []
    for each in query(url, "query", query=found[1], time=seen.end)["result"]:
        labels = ", ".join(f'{key}="{value}"' for key, value in each["metric"].items())
        lines.append(f"{{{labels}}} {each['value'][1]} {each['value'][0]}")
    pattern = re.compile(variable["regex"].strip("/"))
    return [match[1] for line in lines if (match := pattern.search(line))]


@pytest.mark.parametrize(("name", "targets"), QUERIES)
def test_a_query_returns_data(name: str, targets: list[dict[str, Any]], prometheus_url: str, lived: Rehearsal) -> None:
    answers = []
    for seen, target in product(views(name, lived.address), targets):
        expression = seen.filled(target["expr"])
        assert "$" not in expression
        if target.get("instant"):
            answers += query(prometheus_url, "query", query=expression, time=seen.end)["result"]
        else:
            parameters = {"start": seen.start, "end": seen.end, "step": seen.step}
            answers += query(prometheus_url, "query_range", query=expression, **parameters)["result"]

    values = [value for each in answers for _, value in each.get("values", [each.get("value")])]
    assert any(value not in {"NaN", "+Inf", "-Inf"} for value in values)


@pytest.mark.parametrize(("name", "variable"), VARIABLES)
def test_a_variable_offers_what_was_scraped(
    name: str, variable: dict[str, Any], prometheus_url: str, lived: Rehearsal
) -> None:
    for seen in views(name, lived.address):
        offered = values_of(variable, seen, prometheus_url)

        assert offered or variable["name"] == "cluster"  # Prometheus has no such label of its own
        assert seen.variables[variable["name"]] in {*offered, ".*"}


def test_the_default_branch_is_the_first_branch_that_is_offered(prometheus_url: str, lived: Rehearsal) -> None:
    variable = next(each for each in read("workflow")["templating"]["list"] if each["name"] == "branch")
    seen = view("workflow", now(), lived.address, workflow=("gh/acme/mobile", "ci"))

    offered = values_of(variable, seen, prometheus_url)

    assert offered[0] == "develop"
    assert "main" in offered[1:]


def test_the_runs_that_a_panel_marks_are_exemplars_with_an_id(prometheus_url: str, lived: Rehearsal) -> None:
    seen = view("now", now(), lived.address)
    (target,) = [each for panel in panels("now") for each in panel["targets"] if each.get("exemplar")]
    asked: dict[str, str | float] = {
        "query": seen.filled(target["expr"]),
        "start": seen.end - 86_400,
        "end": seen.end + 60,
    }

    def marked() -> list[dict[str, Any]]:
        found = query(prometheus_url, "query_exemplars", **asked)
        return [exemplar for series in found for exemplar in series["exemplars"]]

    runs = wait_until(marked, interval=0.5, why="exemplars")

    assert all(UUID(each["labels"]["workflow_id"]) for each in runs)


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chrome, Path]]:
    folder = tmp_path_factory.mktemp("page")
    bundle(folder)
    with browser(folder) as driver:
        yield driver, folder


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", NAMES)
def test_grafanas_components_draw_every_panel(
    name: str, theme: str, easel: tuple[Chrome, Path], prometheus_url: str, lived: Rehearsal
) -> None:
    drawing = draw(*easel, name, prometheus_url, view(name, now(), lived.address), theme=theme)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}-{theme}.png").write_bytes(drawing.picture)

    assert drawing.panels.keys() == {panel["title"] for panel in panels(name)}
    for title, panel in drawing.panels.items():
        assert "error" not in panel, title
        assert bool(panel["rows"]) is (title not in EMPTY), title
        if re.search("vs (last week|the 7 days before)$", title):
            assert re.search(r"^([+-][\d.]+|0) (%|points)$", panel["text"], re.MULTILINE), panel["text"]
