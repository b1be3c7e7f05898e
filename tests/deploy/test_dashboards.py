"""The committed dashboards, as far as their text tells: names, descriptions, links, colors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.deploy.exporter_metrics import ANYWHERE, DEPLOY, collectors_of, documents, exposed, recorded
from tests.deploy.promql import selectors

DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
}


def everything(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows and panels, those of collapsed rows too."""
    return [each for panel in board["panels"] for each in (panel, *panel.get("panels", ()))]


SHOWN = [(name, panel) for name, board in DASHBOARDS.items() for panel in everything(board) if panel["type"] != "row"]
PANELS = [pytest.param(name, panel, id=f"{name}: {panel['title']}") for name, panel in SHOWN]
LINKED = [panel for _, panel in SHOWN if panel["type"] in {"table", "bargauge"}]
OPTIONAL = {"runs", "pipelines", "flaky_tests", "tests", "project", "job_trend", "workflow_summary", "organizations"}
NEEDED = re.compile(r"Needs the collector `(\w+)`")
CONFIGURED = re.compile(r"Needs `(\w+)` in the configuration")
KEYS = {"self-hosted runners": "runners", "Usage export": "usage"}
PAGES = (  # of CircleCI's, as its own pages link to each other
    r"pipelines/<slug>(\?branch=<branch>)?",
    r"insights/<slug>/workflows/<workflow>/overview(\?branch=<branch>&reporting-window=<window>)?",
)
VALUE = re.compile(r"\$\{(?:__data\.fields\.)?(\w+)(?::percentencode)?\}")
HEX = re.compile(r"#[0-9A-Fa-f]{6}")


def test_there_are_six_dashboards_which_link_to_each_other() -> None:
    assert DASHBOARDS.keys() == {"overview", "now", "workflow", "delivery", "cost", "exporter"}
    for board in DASHBOARDS.values():
        (link,) = [each for each in board["links"] if each["type"] == "dashboards"]
        assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
        assert set(link["tags"]) <= set(board["tags"])
    assert len({board["uid"] for board in DASHBOARDS.values()}) == 6


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("overview", ["datasource", "cluster", "project", "workflow", "window"]),
        ("now", ["datasource", "cluster", "project"]),
        ("workflow", ["datasource", "cluster", "project", "workflow", "branch", "window", "slug"]),
        ("delivery", ["datasource", "cluster", "project", "workflow", "branch", "window"]),
        ("cost", ["datasource", "cluster", "project", "price"]),
        ("exporter", ["datasource", "cluster", "job", "instance", "project"]),
    ],
)
def test_a_dashboard_has_its_variables_and_uses_each_of_them(name: str, variables: list[str]) -> None:
    board = DASHBOARDS[name]
    used = json.dumps([board["panels"], board["templating"], board["links"]])

    assert [variable["name"] for variable in board["templating"]["list"]] == variables
    assert all(re.search(rf"\${variable}\b|\${{{variable}[:}}]", used) for variable in variables)


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


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_is_of_the_chosen_clusters_and_so_of_all_where_no_series_has_the_label(name: str) -> None:
    board = DASHBOARDS[name]
    (cluster, *others) = [each for each in board["templating"]["list"] if each["type"] == "query"]
    queries = [target["expr"] for panel in everything(board) for target in panel.get("targets", [])]
    queries += [each["expr"] for each in board["annotations"]["list"]]
    queries += [each["query"]["query"].replace("label_values", "").replace("query_result", "") for each in others]

    assert (cluster["name"], cluster["allValue"]) == ("cluster", ".*")
    for query in queries:
        named = [(metric, labels) for metric, labels in selectors(query) if metric.startswith(("circleci", "process_"))]
        assert named or "ALERTS" in query
        assert all("cluster" in labels for _, labels in named), query
        assert query.count('cluster=~"$cluster"') >= len(named)


def test_durations_money_and_credits_in_a_table_have_one_unit_for_all_rows() -> None:
    scaled = {"s", "ms", "m", "h", "short", "currencyUSD"}
    for name, panel in SHOWN:
        if panel["type"] == "table":
            for override in panel["fieldConfig"]["overrides"]:
                found = {each["id"]: each["value"] for each in override["properties"]}
                column = f"{name}: {panel['title']}: {override['matcher']['options']}"
                if found.get("unit") == "short":  # of counts, which are shown whole below a thousand
                    assert "Credits" not in column.rpartition(":")[2], column
                assert found.get("unit") not in scaled - {"short"} or "decimals" in found, column
        if panel["type"] == "timeseries":
            defaults = panel["fieldConfig"]["defaults"]
            assert (
                not defaults["unit"].startswith("suffix: ")
                or defaults["unit"] == "suffix: /h"
                or "decimals" in defaults
            )


def test_all_figures_have_one_size() -> None:
    sizes = [panel["options"]["text"]["valueSize"] for _, panel in SHOWN if panel["type"] == "stat"]

    assert len(sizes) > 30
    assert len(set(sizes)) == 1


def test_credits_a_day_say_whether_insights_or_the_bill_has_them() -> None:
    titles = {panel["title"] for _, panel in SHOWN if "redits a day" in panel["title"]}

    assert titles
    assert all(title.startswith(("Insights credits a day", "Billed credits a day")) for title in titles)


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

    if "pipelines" in needed:
        needed.discard("runs")  # which comes with it
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
    for panel in everything(DASHBOARDS[name]):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    panels = everything(DASHBOARDS[name])
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_an_empty_panel_says_which_collector_is_off(name: str, panel: dict[str, Any]) -> None:
    empty = panel["fieldConfig"]["defaults"]["noValue"]
    needed = NEEDED.search(panel["description"])

    assert empty
    if needed and empty != "No job waits":
        assert f"Is {needed[1]} on?" in empty


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_that_needs_a_key_of_the_configuration_says_so_also_when_it_is_empty(
    name: str, panel: dict[str, Any]
) -> None:
    metrics = {metric for target in panel["targets"] for metric, _ in selectors(target["expr"])}
    needed = {KEYS[source] for metric in metrics for source in collectors_of(metric) if source in KEYS}

    assert set(CONFIGURED.findall(panel["description"])) == needed
    for key in needed:
        assert f"Is {key} configured?" in panel["fieldConfig"]["defaults"]["noValue"]


@pytest.mark.parametrize("name", ["overview", "now", "workflow", "exporter"])
def test_rows_of_what_is_off_by_default_are_collapsed(name: str) -> None:
    rows = [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] == "row"]

    assert {row["title"]: row["collapsed"] for row in rows} == {
        row["title"]: "(collector" in row["title"] or row["title"].endswith("(runners)") for row in rows
    }


def test_a_legend_that_would_be_cut_stands_at_the_right() -> None:
    for _, panel in SHOWN:
        if panel["type"] == "timeseries" and len(panel["targets"]) > 2:
            assert panel["options"]["legend"]["placement"] == "right", panel["title"]


def test_a_change_is_shown_with_its_sign() -> None:
    changes = [panel for _, panel in SHOWN if "count_values" in panel["targets"][0]["expr"]]

    assert {panel["title"] for panel in changes} >= {
        "Success ratio vs last week",
        "Durations vs last week",
        "Credits vs the 7 days before",
    }
    for panel in changes:
        up, down, none = panel["targets"]
        unit = "points" if "Success ratio" in panel["title"] else "%"
        assert (up["legendFormat"], down["legendFormat"]) == (f"+{{{{change}}}} {unit}", f"{{{{change}}}} {unit}")
        assert (up["expr"].rsplit(") ", 1)[1], down["expr"].rsplit(") ", 1)[1]) == ("> 0", "<= 0")
        assert panel["options"]["textMode"] == "name"
        # By itself, a panel of names is blank without a series.
        assert none["expr"].startswith("absent(")
        assert none["legendFormat"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_firing_alerts_are_marked_and_for_the_exporter_reloads_and_restarts(name: str) -> None:
    marked = {each["name"]: each["expr"] for each in DASHBOARDS[name]["annotations"]["list"]}

    assert marked.keys() == {"Firing alerts"} | ({"Reloads", "Restarts"} if name == "exporter" else set())
    assert f'component="{"exporter" if name == "exporter" else "workflow"}"' in marked["Firing alerts"]


def test_durations_on_axes_are_in_round_minutes_or_hours() -> None:
    charts = [
        (panel["title"], panel["fieldConfig"]["defaults"]["unit"])
        for name, panel in SHOWN
        if name != "exporter" and panel["type"] == "timeseries"
    ]

    assert {title for title, unit in charts if unit == "dthms"} == {"Durations, with single runs"}
    assert not any(unit == "s" for _, unit in charts)


def test_runs_have_exemplars_that_the_provisioned_data_source_links_to_circleci() -> None:
    source = documents(DEPLOY / "docker/grafana/datasources/prometheus.yaml")["datasources"][0]
    compose = (DEPLOY / "docker/compose.yaml").read_text(encoding="utf-8")
    shown = {panel["title"] for name, panel in SHOWN for target in panel["targets"] if target.get("exemplar")}

    (link,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert shown == {"Durations, with single runs"}
    assert (link["name"], link["url"]) == ("workflow_id", "https://app.circleci.com/workflow/$${__value.raw}")
    assert "--enable-feature=exemplar-storage" in compose


def test_links_lead_to_dashboards_and_fields_that_exist() -> None:
    uids = {board["uid"] for board in DASHBOARDS.values()}
    links = []
    for panel in LINKED:
        for override in panel["fieldConfig"]["overrides"]:
            for prop in override["properties"]:
                if prop["id"] == "links":
                    links += [(panel, link["url"]) for link in prop["value"]]

    assert links
    links += [({}, link["url"]) for board in DASHBOARDS.values() for link in board["links"] if link["type"] == "link"]
    for panel, url in links:
        if url.startswith("/d/"):
            assert url.split("?")[0].removeprefix("/d/") in uids
        else:
            page = VALUE.sub(lambda part: f"<{part[1].lower()}>", url).replace("<ref>", "<branch>")
            assert any(re.fullmatch(f"https://app.circleci.com/{each}", page) for each in PAGES), url
        if panel.get("type") != "table":
            continue
        titles = next(t["options"]["renameByName"] for t in panel["transformations"] if t["id"] == "organize").values()
        assert set(re.findall(r"__data\.fields\.(\w+)", url)) <= set(titles)
