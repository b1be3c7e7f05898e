"""Overview: an organization at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, ORANGE, PURPLE, WELL
from deploy.grafana.frame import (
    OF_BAR,
    OVERVIEW,
    alerts,
    begin,
    of_slug,
    optional,
    row,
    to_circleci,
    to_insights,
    to_workflow,
    variable,
    window,
)
from deploy.grafana.panels import (
    CLOCK,
    COUNT,
    CREDITS,
    HOURS,
    MINUTES,
    RATIO,
    WHOLE,
    Column,
    bars,
    change,
    chart,
    hours,
    listing,
    minutes,
    needs,
    number,
    percent,
    points,
    ranked,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

CHOSEN = '{project=~"$project", workflow=~"$workflow", window="$window"}'
OF_PROJECTS = '{project=~"$project"}'
RECORDED = "Read from the recording rules. Default branches only."
SUCCESS_STEPS: Steps = [(None, BAD), (0.8, DOUBTFUL), (0.95, WELL)]
GROWTH_STEPS: Steps = [(None, WELL), (0.1, DOUBTFUL), (0.3, BAD)]
LINK = {"Project": [to_circleci()], "Workflow": [to_workflow("Project", "Workflow"), to_insights("Workflow")]}
BAR = [to_workflow("project", "workflow", OF_BAR)]
LAST_WEEK, YOUNG = " offset 1w", "Not known a week ago"
NAMES = {"project": "Project", "workflow": "Workflow"}
SLUGGED = {**NAMES, "slug": "Slug"}


def recorded(name: str) -> str:
    """A recorded series of the default branches, for what is chosen."""
    return f"circleci:default_branch:{name}{CHOSEN}"


def selected(name: str) -> str:
    """The same for `ranked`: with a place for the moment, and its braces kept."""
    return recorded(name).replace("{", "{{").replace("}", "}}") + "{at}"


def succeeded(offset: str = "", also: str = "") -> str:
    """Success ratio of all chosen workflows together; with `also`, of those that are known then too."""
    known = f" and {recorded('runs')}{also}" if also != offset else ""
    return f"sum({recorded('successful_runs')}{offset}{known}) / sum({recorded('runs')}{offset}{known})"


def slowest(count: int) -> str:
    """The workflows with the longest 95th percentile of the duration."""
    return f"topk({count}, {recorded('duration_p95_seconds')})"


def least_reliable(count: int) -> str:
    """The workflows with the lowest success ratio."""
    return f"bottomk({count}, {recorded('success_ratio')})"


def of(rows: str, expression: str) -> str:
    """An expression for certain workflows only, with the labels of a table's row."""
    return f"max by (project, workflow) ({expression} and on (project, workflow) {rows})"


def finished(offset: str = "") -> str:
    """Success ratio of the runs that succeeded or failed: canceled runs have no part in it."""
    succeeded, failed = recorded("successful_runs") + offset, recorded("failed_runs") + offset
    return f"sum({succeeded}) / (sum({succeeded}) + sum({failed}))"


def slugged(rows: str) -> Column:
    """The column that links to CircleCI are made from; it is not shown."""
    return Column("Slug rows", of_slug(f"max by (project, workflow) ({rows})", "project, workflow"))


def _numbers(board: Dashboard) -> None:
    p95 = recorded("duration_p95_seconds")
    row(
        board,
        "Default branches",
        number(
            "Success ratio",
            f"Successful runs by all runs, of all chosen workflows together. {RECORDED}",
            succeeded(),
            unit=RATIO,
            decimals=1,
            steps=SUCCESS_STEPS,
            width=3,
            curve=True,
        ),
        number(
            "Without canceled",
            "Successful runs by those that succeeded or failed: canceled runs count neither way. Far above the success "
            f"ratio, many runs are canceled. {RECORDED}",
            finished(),
            unit=RATIO,
            decimals=1,
            steps=SUCCESS_STEPS,
            width=3,
            curve=True,
        ),
        change(
            "Success ratio vs last week",
            "Difference of the success ratio to that of a week ago, in percentage points, of the workflows that "
            f"are known at both times. {RECORDED}",
            points(f"({succeeded(also=LAST_WEEK)}) - ({succeeded(LAST_WEEK)})"),
            unit="points",
            empty=YOUNG,
            steps=[(None, BAD), (-5, DOUBTFUL), (0, WELL)],
            width=5,
        ),
        number("Runs", f"Runs in the window. {RECORDED}", f"sum({recorded('runs')})", width=2, curve=True),
        change(
            "Durations vs last week",
            "Mean change of the workflows' 95th percentile of the duration within a week; each workflow counts alike. "
            + RECORDED,
            percent(f"avg({p95} / ({p95}{LAST_WEEK})) - 1"),
            unit="%",
            empty=YOUNG,
            steps=[(None, WELL), (10, DOUBTFUL), (30, BAD)],
        ),
        number(
            "Insights credits a day",
            "As Insights gives them, of the chosen projects in the window: of all branches where the configuration "
            "asks for them "
            "(collector `project` or `all_branches`), else of the default branch. Not fit for "
            "billing: the dashboard Cost has what is billed.",
            'sum(circleci:project:credits_per_day{project=~"$project", window="$window"})',
            unit=CREDITS,
            width=4,
            curve=True,
        ),
        number(
            "Flaky tests",
            f"Tests that passed and failed on the same commit within two weeks. {needs('flaky_tests')}",
            f"sum(circleci:project:flaky_tests{OF_PROJECTS})",
            steps=[(None, WELL), (1, DOUBTFUL)],
            width=3,
        ),
    )


def _reliability(board: Dashboard) -> None:
    rows = least_reliable(20)
    succeeded, failed = recorded("successful_runs"), recorded("failed_runs")
    without_canceled = f"({succeeded} / ({succeeded} + {failed}))"
    row(
        board,
        "Reliability",
        chart(
            "Success ratio by project",
            "Successful runs by all runs, of the six projects that are lowest now, in the window that ended then. "
            + RECORDED,
            ranked(
                f"sum by (project) ({selected('successful_runs')}) / sum by (project) ({selected('runs')})",
                "project",
                "{{project}}",
                order="bottomk",
            ),
            unit=RATIO,
            low=None,
            high=1,
            calculations=("lastNotNull", "min"),
            height=10,
            right=True,
        ),
        listing(
            "Least reliable workflows",
            "The twenty workflows with the lowest success ratio; Not canceled is without canceled runs. A "
            "project leads to "
            f"CircleCI, a workflow to its dashboard. {RECORDED}",
            SLUGGED,
            [
                Column(
                    "Success",
                    of(rows, recorded("success_ratio")),
                    RATIO,
                    SUCCESS_STEPS,
                    gauge=True,
                    decimals=0,
                    width=120,
                ),
                Column("Not canceled", of(rows, without_canceled), RATIO, SUCCESS_STEPS, decimals=0, width=110),
                Column("Failed", of(rows, recorded("failed_runs")), width=75),
                Column("Runs", of(rows, recorded("runs")), width=75),
                slugged(rows),
            ],
            hidden=("Value #E",),
            unseen=("Slug",),
            sort="Success",
            descending=False,
            links=LINK,
            height=10,
        ),
    )


def _speed(board: Dashboard) -> None:
    p95, rows = recorded("duration_p95_seconds"), slowest(20)
    growth = f"({p95} / ({p95}{LAST_WEEK}) - 1)"
    row(
        board,
        "Speed and recovery",
        listing(
            "Slowest workflows",
            "The twenty workflows with the longest 95th percentile of the duration, and its change in a week. "
            + RECORDED,
            SLUGGED,
            [
                Column("95th percentile", of(rows, p95), CLOCK, [(None, BLUE)], gauge=True, width=140),
                Column("Median", of(rows, recorded("duration_median_seconds")), CLOCK, width=100),
                Column("Change in 7 days", of(rows, growth), RATIO, GROWTH_STEPS, decimals=0, width=135),
                slugged(rows),
            ],
            hidden=("Value #D",),
            unseen=("Slug",),
            sort="95th percentile",
            links=LINK,
            height=10,
        ),
        chart(
            "Slowest workflows over time",
            f"95th percentile of the duration of the six workflows that are slowest now. {RECORDED}",
            ranked(
                minutes(f"max by (project, workflow) ({selected('duration_p95_seconds')})"),
                "project, workflow",
                "{{project}} {{workflow}}",
            ),
            unit=MINUTES,
            height=10,
            right=True,
        ),
        bars(
            "Recovery time",
            f"Mean time from a failed run to the next successful one: the ten longest. {RECORDED}",
            f"sort_desc(topk(10, max by (project, workflow) ({recorded('mttr_seconds')})))",
            "{{project}} {{workflow}}",
            unit=CLOCK,
            color=ORANGE,
            links=BAR,
            width=12,
            height=10,
        ),
        chart(
            "Recovery time by project",
            f"Mean over the workflows of a project, for the six projects where it is longest now. {RECORDED}",
            ranked(hours(f"avg by (project) ({selected('mttr_seconds')})"), "project", "{{project}}"),
            unit=HOURS,
            height=10,
            right=True,
        ),
    )


def _cost(board: Dashboard) -> None:
    flakes = f"max by (project, workflow, job_name) (circleci_insights_flaky_test_flakes{OF_PROJECTS})"
    row(
        board,
        "Credits",
        bars(
            "Credits by workflow",
            f"Credits in the window: the ten most expensive workflows. {RECORDED}",
            f"sort_desc(topk(10, max by (project, workflow) ({recorded('credits_used')})))",
            "{{project}} {{workflow}}",
            unit=WHOLE,
            color=PURPLE,
            links=BAR,
            width=12,
            height=10,
        ),
        chart(
            "Insights credits a day by project",
            "As Insights gives them, of the six most expensive projects: of all branches where the configuration asks "
            "for them, "
            "else of the default branch. Not fit for billing.",
            ranked(
                'circleci:project:credits_per_day{{project=~"$project", window="$window"}}{at}',
                "project",
                "{{project}}",
            ),
            unit=WHOLE,
            height=10,
            right=True,
        ),
    )
    optional(
        board,
        "Flaky tests (collector flaky_tests)",
        chart(
            "Flaky tests by project",
            "Tests that passed and failed on the same commit within two weeks, in the six projects that have most now. "
            + needs("flaky_tests"),
            ranked('circleci:project:flaky_tests{{project=~"$project"}}{at}', "project", "{{project}}"),
            step=True,
            width=10,
            height=9,
            right=True,
        ),
        listing(
            "Jobs with flaky tests",
            f"How often tests of a job flaked within two weeks, and the time that it cost. {needs('flaky_tests')}",
            {**NAMES, "job_name": "Job", "slug": "Slug"},
            [
                Column("Flakes", flakes, COUNT, [(None, ORANGE)], gauge=True),
                Column(
                    "Time wasted",
                    f"max by (project, workflow, job_name) (circleci_insights_flaky_test_wasted_seconds{OF_PROJECTS})",
                    CLOCK,
                    width=110,
                ),
                Column("Slug rows", of_slug(flakes, "project, workflow, job_name")),
            ],
            hidden=("Value #C",),
            unseen=("Slug",),
            sort="Flakes",
            width=14,
            links={**LINK, "Job": [to_insights("Workflow")]},
        ),
    )


def build() -> Dashboard:
    """The dashboard."""
    board = begin(
        OVERVIEW,
        "Overview",
        "An organization at a glance: reliability, speed, recovery, cost and flaky tests of the default branches. "
        "Reads the recording rules that come with the exporter.",
        "now-14d",
        "5m",
    )
    board.with_variable(
        variable("project", "Project", "label_values(circleci_insights_project_info, project)", many=True)
    )
    board.with_variable(
        variable(
            "workflow",
            "Workflow",
            'label_values(circleci:default_branch:runs{project=~"$project"}, workflow)',
            many=True,
        )
    )
    board.with_variable(window("circleci:default_branch:runs"))
    alerts(board, "workflow")
    for part in (_numbers, _reliability, _speed, _cost):
        part(board)
    return board
