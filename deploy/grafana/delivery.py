"""Delivery: how often the workflows that deploy run, how often they fail, and how they recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, VERMILLION, WELL
from deploy.grafana.frame import DELIVERY, alerts, begin, of_slug, row, to_circleci, to_insights, to_workflow, variable
from deploy.grafana.panels import (
    CLOCK,
    HOURS,
    MINUTES,
    RATIO,
    SECONDS,
    TIME,
    Column,
    Line,
    chart,
    hours,
    listing,
    minutes,
    needs,
    number,
    ranked,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

CHOSEN = 'project=~"$project", workflow=~"$workflow", branch=~"$branch"'
NEEDED = needs("runs")
BY = "project, workflow"
BY_DAYS = "divided by the days that are known, once there is one"
FAILED_STEPS: Steps = [(None, WELL), (0.05, DOUBTFUL), (0.2, BAD)]


def deployments(status: str, window: str, by: str = "") -> str:
    """Runs of the deploying workflows that ended within a window, by status."""
    grouped = f" by ({by})" if by else ""
    return f'sum{grouped} (increase(circleci_workflow_runs_total{{{CHOSEN}, status=~"{status}"}}[{window}]))'


def a_day(by: str = "", at: str = "") -> str:
    """Successful ones a day, of the last seven days or of those since the first poll; a day at least.

    A counter has what ended between its first and its newest poll.
    """
    polled = (
        'circleci_exporter_collector_last_success_timestamp_seconds{project=~"$project", collector=~"runs|pipelines"}'
    )
    first, newest = (f"{end} by (project) ({end}_over_time({polled}[7d]{at}))" for end in ("min", "max"))
    each = deployments("success", "7d", BY).replace("[7d]", f"[7d]{at}")
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} ({each} / on (project) group_left () (({newest} - {first}) / 86400 >= 1))"


def failed_share(window: str, by: str = "") -> str:
    """Failed deployments over those that succeeded or failed."""
    return f"{deployments('failed|error', window, by)} / {deployments('success|failed|error', window, by)}"


def recovery(by: str = "") -> str:
    """Mean seconds from a failed run of a deploying workflow to its next successful one, as CircleCI gives it."""
    grouped = f" by ({by})" if by else ""
    return (
        f'avg{grouped} (circleci_insights_workflow_mttr_seconds{{{CHOSEN}, branch!="all branches", window="$window"}})'
    )


def _numbers(board: Dashboard) -> None:
    row(
        board,
        "Last 7 days",
        number(
            "Deployments a day",
            f"Successful runs of the chosen workflows in the last 7 days, {BY_DAYS}. {NEEDED}",
            a_day(),
            decimals=1,
            empty="Is runs on? Known after a day",
            width=4,
            curve=True,
        ),
        number(
            "Failed deployments",
            "Failed runs by those that succeeded or failed, in the last 7 days. This is not the change failure "
            "rate: CI does "
            f"not know whether a deployment that succeeded did harm. {NEEDED}",
            failed_share("7d"),
            unit=RATIO,
            decimals=1,
            steps=FAILED_STEPS,
            width=4,
            curve=True,
        ),
        number(
            "Recovery of the deploying workflow",
            "Mean time from a failed run to the next successful one in the window, over the chosen workflows. "
            "This is not the "
            "time to restore a service: CI does not know when a service is broken.",
            recovery(),
            unit=SECONDS,
            steps=[(None, WELL), (4 * 3600, DOUBTFUL), (24 * 3600, BAD)],
            width=7,
            empty="Nothing failed",
        ),
        number(
            "Last deployment",
            f"When the last run of the chosen workflows ended. {NEEDED}",
            f"max(circleci_workflow_last_run_timestamp_seconds{{{CHOSEN}}}) * 1000",
            unit=TIME,
            width=5,
        ),
        number(
            "Workflows that deployed",
            f"Chosen workflows with a successful run in the last 7 days. {NEEDED}",
            f"count({deployments('success', '7d', BY)} > 0)",
        ),
    )


def _over_time(board: Dashboard) -> None:
    mean = (
        f"sum(increase(circleci_workflow_run_duration_seconds_sum{{{CHOSEN}}}[1d])) / "
        f"sum(increase(circleci_workflow_run_duration_seconds_count{{{CHOSEN}}}[1d]))"
    )
    row(
        board,
        "Over time",
        chart(
            "Deployments",
            f"Runs that ended in each interval, by result. {NEEDED}",
            [
                Line(deployments("success", "$__rate_interval"), "successful", WELL),
                Line(deployments("failed|error", "$__rate_interval"), "failed", VERMILLION),
            ],
            stacked=True,
            bars=True,
            calculations=("sum",),
        ),
        chart(
            "Failed deployments over 7 days",
            f"Failed runs by those that succeeded or failed, in the 7 days that ended then. {NEEDED}",
            [Line(failed_share("7d"), "failed", VERMILLION)],
            unit=RATIO,
            calculations=("lastNotNull", "max"),
        ),
        chart(
            "Deployments a day by project",
            f"Successful runs in the 7 days that ended then, {BY_DAYS}: the six projects with the most now. {NEEDED}",
            ranked(
                a_day("project", "\0").replace("{", "{{").replace("}", "}}").replace("\0", "{at}"),
                "project",
                "{{project}}",
            ),
            right=True,
            height=9,
        ),
        chart(
            "Duration of a deployment",
            f"Mean duration of the runs of a day. {NEEDED}",
            [Line(minutes(mean), "mean", BLUE)],
            unit=MINUTES,
            height=9,
        ),
        chart(
            "Recovery over time",
            "Mean time from a failed run to the next successful one in the window that ended then, over the "
            "chosen workflows.",
            [Line(hours(recovery()), "mean", BLUE)],
            unit=HOURS,
            width=24,
        ),
    )


def _workflows(board: Dashboard) -> None:
    deployed = f"({deployments('success|failed|error', '7d', BY)} > 0)"
    row(
        board,
        "By workflow",
        listing(
            "Deploying workflows",
            "The chosen workflows with a run in the last 7 days. Runs are of the last 7 days, recovery is of the "
            "window. A "
            f"project leads to CircleCI. {NEEDED}",
            {"project": "Project", "workflow": "Workflow", "slug": "Slug"},
            [
                Column("Deployments a day", a_day(BY), decimals=1),
                Column("Failed", failed_share("7d", BY), RATIO, FAILED_STEPS, gauge=True, decimals=1),
                Column("Recovery", recovery(BY), CLOCK),
                Column(
                    "Last deployment",
                    f"max by ({BY}) (circleci_workflow_last_run_timestamp_seconds{{{CHOSEN}}}) * 1000 and on "
                    f"({BY}) {deployed}",
                    TIME,
                ),
                Column("Slug rows", of_slug(deployed, BY)),
            ],
            sort="Deployments a day",
            width=24,
            height=10,
            hidden=("Value #E",),
            unseen=("Slug",),
            links={
                "Project": [to_circleci()],
                "Workflow": [to_workflow("Project", "Workflow"), to_insights("Workflow")],
            },
        ),
    )


def build() -> Dashboard:
    """The dashboard."""
    board = begin(
        DELIVERY,
        "Delivery",
        "Deployments, as far as CI knows them: choose the workflows that deploy, and the branches that they "
        "deploy from. Needs "
        "the collector `runs` or `pipelines`.",
        "now-14d",
        "5m",
    )
    runs = "circleci_workflow_runs_total"
    board.with_variable(variable("project", "Project", f"label_values({runs}, project)", many=True))
    board.with_variable(
        variable(
            "workflow", "Workflows that deploy", f'label_values({runs}{{project=~"$project"}}, workflow)', many=True
        )
    )
    chosen = 'project=~"$project", workflow=~"$workflow"'
    board.with_variable(variable("branch", "Branch", f"label_values({runs}{{{chosen}}}, branch)", many=True))
    board.with_variable(
        variable(
            "window",
            "Window of recovery",
            "label_values(circleci_insights_workflow_mttr_seconds, window)",
            default="last-7-days",
        )
    )
    alerts(board, "workflow")
    for part in (_numbers, _over_time, _workflows):
        part(board)
    return board
