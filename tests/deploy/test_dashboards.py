"""The committed dashboards, as far as their text tells: names, descriptions, links, colors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.deploy.exporter_metrics import ANYWHERE, DEPLOY, collectors_of, exposed, recorded
from tests.deploy.promql import selectors

DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
}
PANELS = [
    pytest.param(name, panel, id=f"{name}: {panel['title']}")
    for name, board in DASHBOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
TABLES = [panel for board in DASHBOARDS.values() for panel in board["panels"] if panel["type"] == "table"]
OPTIONAL = {"runs", "flaky_tests", "tests", "project", "job_trend", "workflow_summary", "organizations"}
HEX = re.compile(r"#[0-9A-Fa-f]{6}")


def test_there_are_three_dashboards_which_link_to_each_other() -> None:
    assert DASHBOARDS.keys() == {"overview", "workflow", "exporter"}
    for board in DASHBOARDS.values():
        (link,) = board["links"]
        assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
        assert set(link["tags"]) <= set(board["tags"])
    assert len({board["uid"] for board in DASHBOARDS.values()}) == 3


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("overview", ["datasource", "project", "workflow", "window"]),
        ("workflow", ["datasource", "project", "workflow", "branch", "window"]),
        ("exporter", ["datasource", "job", "instance", "project"]),
    ],
)
def test_a_dashboard_has_its_variables_and_uses_each_of_them(name: str, variables: list[str]) -> None:
    board = DASHBOARDS[name]
    used = json.dumps([board["panels"], board["templating"]])

    assert [variable["name"] for variable in board["templating"]["list"]] == variables
    assert all(f"${variable}" in used or f"${{{variable}}}" in used for variable in variables)


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_and_from_which_data_source(name: str, panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["datasource"]["uid"] == "${datasource}"
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    properties = [each["id"] for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
    unit = panel["fieldConfig"]["defaults"].get("unit") or ("unit" in properties) or panel["options"].get("yAxis")
    assert unit


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_query_names_only_metrics_that_exist_and_labels_that_they_have(name: str, panel: dict[str, Any]) -> None:
    known = exposed()
    for target in panel["targets"]:
        found = list(selectors(target["expr"]))
        assert found
        for metric, labels in found:
            assert metric in known.keys() | recorded()
            assert metric not in known or set(labels) <= known[metric] | ANYWHERE


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_no_query_hides_an_absence(name: str, panel: dict[str, Any]) -> None:
    assert not any(re.search(r"\bor\b.*\bvector\s*\(", target["expr"]) for target in panel["targets"])


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_that_needs_an_optional_collector_says_so(name: str, panel: dict[str, Any]) -> None:
    metrics = {metric for target in panel["targets"] for metric, _ in selectors(target["expr"])}
    needed = {
        next(iter(collectors))
        for metric in metrics
        if len(collectors := collectors_of(metric)) == 1 and collectors <= OPTIONAL
    }

    assert {each for each in OPTIONAL if f"Needs the collector `{each}`" in panel["description"]} == needed


@pytest.mark.parametrize("name", DASHBOARDS)
def test_colors_can_be_told_apart_by_everybody(name: str) -> None:
    text = json.dumps(DASHBOARDS[name])
    palette = set(HEX.findall((DEPLOY / "grafana/colors.py").read_text(encoding="utf-8")))

    assert set(HEX.findall(text)) <= palette
    # Grafana's own palettes have red beside green.
    assert not re.search(r"palette-classic|continuous-(GrYlRd|RdYlGr)|\"(dark-|semi-dark-)?(red|green)\"", text)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap_and_stay_within_the_grid(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARDS[name]["panels"]}) == len(DASHBOARDS[name]["panels"])


def test_links_lead_to_dashboards_and_fields_that_exist() -> None:
    uids = {board["uid"] for board in DASHBOARDS.values()}
    links = []
    for panel in TABLES:
        for override in panel["fieldConfig"]["overrides"]:
            for prop in override["properties"]:
                if prop["id"] == "links":
                    links += [(panel, link["url"]) for link in prop["value"]]

    assert links
    for panel, url in links:
        assert url.split("?")[0].removeprefix("/d/") in uids
        titles = next(t["options"]["renameByName"] for t in panel["transformations"] if t["id"] == "organize").values()
        assert set(re.findall(r"__data\.fields\.(\w+)", url)) <= set(titles)
