"""What all dashboards have in common: variables, links to each other, time range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.colors import VERMILLION
from deploy.grafana.panels import SOURCE, of_clusters

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder

TAG = "circleci-insights"
OVERVIEW, WORKFLOW, EXPORTER = "circleci-overview", "circleci-workflow", "circleci-exporter"
NOW, DELIVERY, COST = "circleci-now", "circleci-delivery", "circleci-cost"
CIRCLECI = "https://app.circleci.com"
SLUG = 'label_values(circleci_insights_project_info{project="$project"}, slug)'
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
        .query({"query": query if name == "cluster" else of_clusters(query), "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(order)
        .regex(regex)
        .multi(many)
        .include_all(many)
    )
    if many:
        made.all_value(".*").current(ALL)
    elif default:
        made.current(chosen(default))
    return made


def text(name: str, label: str, default: str) -> dashboard.TextBoxVariable:
    """A variable that a person types."""
    return dashboard.TextBoxVariable(name).label(label).default_value(default).current(chosen(default))


def chosen(value: str) -> model.VariableOption:
    """A value of a variable that is chosen at first."""
    return model.VariableOption(selected=True, text=value, value=value)


def slug() -> dashboard.QueryVariable:
    """The slug of the chosen project, for links to CircleCI; not shown."""
    return variable("slug", "Slug", SLUG).hide(model.VariableHide.HIDE_VARIABLE)


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
        .with_variable(variable("cluster", "Cluster", "label_values(circleci_exporter_build_info, cluster)", many=True))
    )


def annotate(board: dashboard.Dashboard, name: str, expression: str, text: str, color: str, *, at_value: bool) -> None:
    """Mark moments: those that the value names, in milliseconds, or each at which the expression has a value."""
    board.annotation(
        dashboard.AnnotationQuery()
        .name(name)
        .enable(True)
        .datasource(SOURCE)
        .icon_color(color)
        .expr(of_clusters(expression))
        .title_format(name)
        .text_format(text)
        .use_value_for_time("true" if at_value else "false")
        .step("60s")
    )


def alerts(board: dashboard.Dashboard, component: str) -> None:
    """Mark when alerts of a component fire."""
    selected = f'ALERTS{{alertname=~"CircleCI.+", alertstate="firing", component="{component}"}}'
    named = "{{alertname}} {{project}} {{workflow}} {{collector}}"
    annotate(board, "Firing alerts", selected, named, VERMILLION, at_value=False)


def row(board: dashboard.Dashboard, title: str, *panels: Builder[model.Panel]) -> None:
    """Add a row and the panels below it."""
    board.with_row(dashboard.Row(title))
    for panel in panels:
        board.with_panel(panel)


def optional(board: dashboard.Dashboard, title: str, *panels: Builder[model.Panel]) -> None:
    """Add a row of panels that need a collector which is off by default: collapsed until somebody opens it."""
    folded = dashboard.Row(title).collapsed(True)
    for panel in panels:
        folded.with_panel(panel)
    board.with_row(folded)


def of_slug(rows: str, by: str) -> str:
    """The rows of a table with the slug of their project, for links; the slug comes as a label."""
    info = "topk by (project) (1, max by (project, slug) (circleci_insights_project_info))"
    return f"max by ({by}, slug) (({rows}) * on (project) group_left (slug) {info})"


REAL = 'branch!~".* .*"'
"""Selects what git knows: `all branches` and the like have a space."""


def of_ref(rows: str) -> str:
    """The rows of a table, of real branches only, with the branch as a second label: links of other rows name none."""
    return f'label_join({rows}, "ref", "", "branch")'


def to_circleci(branch: str = "") -> tuple[str, str]:
    """A link from a table's row to the project's pipelines at CircleCI; `branch` is the title of a column."""
    on_branch = f"?branch=${{__data.fields.{branch}:percentencode}}" if branch else ""
    return "Pipelines at CircleCI", f"{CIRCLECI}/pipelines/${{__data.fields.Slug}}{on_branch}"


def to_insights(workflow: str) -> tuple[str, str]:
    """A link from a table's row to a workflow's Insights at CircleCI, which lead on to its jobs and tests."""
    path = f"${{__data.fields.Slug}}/workflows/${{__data.fields.{workflow}:percentencode}}/overview"
    return "Insights at CircleCI", f"{CIRCLECI}/insights/{path}"


def to_workflow(project: str, workflow: str, of: str = "data.fields") -> tuple[str, str]:
    """A link to the dashboard of a workflow: from a table's row by titles of columns, from a bar by labels."""
    url = (
        f"/d/{WORKFLOW}?${{datasource:queryparam}}&${{cluster:queryparam}}&${{window:queryparam}}&${{__url_time_range}}"
        f"&var-project=${{__{of}.{project}:percentencode}}&var-workflow=${{__{of}.{workflow}:percentencode}}"
    )
    return "This workflow in depth", url


OF_BAR = "field.labels"
