"""What all dashboards have in common: variables, links to each other, time range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.panels import SOURCE

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder

TAG = "circleci-insights"
OVERVIEW, WORKFLOW, EXPORTER = "circleci-overview", "circleci-workflow", "circleci-exporter"
ALL = model.VariableOption(selected=True, text="All", value="$__all")


def data_source() -> dashboard.DatasourceVariable:
    """Which Prometheus."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def variable(
    name: str,
    label: str,
    query: str,
    *,
    many: bool = False,
    regex: str = "",
    order: model.VariableSort = model.VariableSort.NATURAL_ASC,
    default: str = "",
) -> dashboard.QueryVariable:
    """A variable that Prometheus fills. With `many` several values or all of them can be chosen."""
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(order)
        .regex(regex)
        .multi(many)
        .include_all(many)
    )
    if many:
        made.all_value(".*").current(ALL)
    elif default:
        made.current(model.VariableOption(selected=True, text=default, value=default))
    return made


def window(metric: str) -> dashboard.QueryVariable:
    """Over which of CircleCI's reporting windows."""
    return variable("window", "Window", f"label_values({metric}, window)", default="last-7-days")


def begin(uid: str, title: str, description: str, since: str, refresh: str) -> dashboard.Dashboard:
    """An empty dashboard with links to the others."""
    return (
        dashboard.Dashboard(f"CircleCI / {title}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .editable()
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("CircleCI dashboards")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .tooltip("The other dashboards about CircleCI, with the same variables and time range")
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(data_source())
    )


def row(board: dashboard.Dashboard, title: str, *panels: Builder[model.Panel]) -> None:
    """Add a row and the panels below it."""
    board.with_row(dashboard.Row(title))
    for panel in panels:
        board.with_panel(panel)


def to_workflow(project: str, workflow: str) -> tuple[str, str]:
    """A link from a table's row to the dashboard of its workflow; the arguments are titles of columns."""
    url = (
        f"/d/{WORKFLOW}?${{datasource:queryparam}}&${{window:queryparam}}&${{__url_time_range}}"
        f"&var-project=${{__data.fields.{project}:percentencode}}&var-workflow=${{__data.fields.{workflow}:percentencode}}"
    )
    return "This workflow in depth", url
