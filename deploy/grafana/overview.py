"""Overview: an organization at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, ORANGE, PURPLE, WELL
from deploy.grafana.frame import OVERVIEW, begin, row, to_workflow, variable, window
from deploy.grafana.panels import (
    COUNT,
    CREDITS,
    POINTS,
    RATIO,
    SECONDS,
    Column,
    bars,
    chart,
    listing,
    needs,
    number,
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
LINK = {"Workflow": to_workflow("Project", "Workflow")}
NAMES = {"project": "Project", "workflow": "Workflow"}


def recorded(name: str) -> str:
    """A recorded series of the default branches, for what is chosen."""
    return f"circleci:default_branch:{name}{CHOSEN}"


def selected(name: str) -> str:
    """The same for `ranked`: with a place for the moment, and its braces kept."""
    return recorded(name).replace("{", "{{").replace("}", "}}") + "{at}"


def succeeded(offset: str = "") -> str:
    """Success ratio of all chosen workflows together."""
    return f"sum({recorded('successful_runs')}{offset}) / sum({recorded('runs')}{offset})"


def slowest(count: int) -> str:
    """The workflows with the longest 95th percentile of the duration."""
    return f"topk({count}, {recorded('duration_p95_seconds')})"


def least_reliable(count: int) -> str:
    """The workflows with the lowest success ratio."""
    return f"bottomk({count}, {recorded('success_ratio')})"


def of(rows: str, expression: str) -> str:
    """An expression for certain workflows only, with the labels of a table's row."""
    return f"max by (project, workflow) ({expression} and on (project, workflow) {rows})"


def _numbers(board: Dashboard) -> None:
    p95 = recorded("duration_p95_seconds")
    row(
        board,
        "Now",
        number(
            "Success ratio",
            f"Successful runs by all runs, of all chosen workflows together. {RECORDED}",
            succeeded(),
            unit=RATIO,
            decimals=1,
            steps=SUCCESS_STEPS,
        ),
        number(
            "Change of success",
            f"Difference of the success ratio to that of a week ago, in percentage points. {RECORDED}",
            f"({succeeded()}) - ({succeeded(' offset 1w')})",
            unit=POINTS,
            decimals=1,
            steps=[(None, BAD), (-0.05, DOUBTFUL), (0, WELL)],
        ),
        number("Runs", f"Runs in the window. {RECORDED}", f"sum({recorded('runs')})"),
        number(
            "Change of durations",
            "Mean change of the workflows' 95th percentile of the duration within a week; each workflow counts alike. "
            + RECORDED,
            f"avg({p95} / ({p95} offset 1w)) - 1",
            unit=RATIO,
            decimals=1,
            steps=GROWTH_STEPS,
        ),
        number(
            "Credits a day",
            "Credits a day of the chosen projects in the window: of all branches where the configuration asks for them "
            "(collector `project` or `all_branches`), else of the default branch. Not fit for billing.",
            'sum(circleci:project:credits_per_day{project=~"$project", window="$window"})',
            unit=CREDITS,
        ),
        number(
            "Flaky tests",
            f"Tests that passed and failed on the same commit within two weeks. {needs('flaky_tests')}",
            f"sum(circleci:project:flaky_tests{OF_PROJECTS})",
            steps=[(None, WELL), (1, DOUBTFUL)],
        ),
    )


def _reliability(board: Dashboard) -> None:
    rows = least_reliable(20)
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
        ),
        listing(
            "Least reliable workflows",
            f"The twenty workflows with the lowest success ratio. A name leads to the workflow. {RECORDED}",
            NAMES,
            [
                Column("Success", of(rows, recorded("success_ratio")), RATIO, SUCCESS_STEPS, gauge=True, decimals=0),
                Column("Failed", of(rows, recorded("failed_runs")), width=75),
                Column("Runs", of(rows, recorded("runs")), width=75),
            ],
            sort="Success",
            descending=False,
            links=LINK,
            height=10,
        ),
    )


def _speed(board: Dashboard) -> None:
    p95, rows = recorded("duration_p95_seconds"), slowest(20)
    change = f"({p95} / ({p95} offset 1w) - 1)"
    row(
        board,
        "Speed and recovery",
        listing(
            "Slowest workflows",
            "The twenty workflows with the longest 95th percentile of the duration, and its change in a week. "
            + RECORDED,
            NAMES,
            [
                Column("95th percentile", of(rows, p95), SECONDS, [(None, BLUE)], gauge=True),
                Column("Median", of(rows, recorded("duration_median_seconds")), SECONDS, width=100),
                Column("In a week", of(rows, change), RATIO, GROWTH_STEPS, decimals=0, width=90),
            ],
            sort="95th percentile",
            links=LINK,
            height=10,
        ),
        chart(
            "Slowest workflows over time",
            f"95th percentile of the duration of the six workflows that are slowest now. {RECORDED}",
            ranked(
                f"max by (project, workflow) ({selected('duration_p95_seconds')})",
                "project, workflow",
                "{{project}} {{workflow}}",
            ),
            unit=SECONDS,
            height=10,
        ),
        bars(
            "Recovery time",
            f"Mean time from a failed run to the next successful one: the ten longest. {RECORDED}",
            f"sort_desc(topk(10, max by (project, workflow) ({recorded('mttr_seconds')})))",
            "{{project}} {{workflow}}",
            unit=SECONDS,
            color=ORANGE,
            width=12,
            height=10,
        ),
        chart(
            "Recovery time by project",
            f"Mean over the workflows of a project, for the six projects where it is longest now. {RECORDED}",
            ranked(f"avg by (project) ({selected('mttr_seconds')})", "project", "{{project}}"),
            unit=SECONDS,
            height=10,
        ),
    )


def _cost(board: Dashboard) -> None:
    row(
        board,
        "Credits and flaky tests",
        bars(
            "Credits by workflow",
            f"Credits in the window: the ten most expensive workflows. {RECORDED}",
            f"sort_desc(topk(10, max by (project, workflow) ({recorded('credits_used')})))",
            "{{project}} {{workflow}}",
            unit=CREDITS,
            color=PURPLE,
            width=12,
            height=10,
        ),
        chart(
            "Credits a day by project",
            "Credits a day of the six most expensive projects: of all branches where the configuration asks for them, "
            "else of the default branch. Not fit for billing.",
            ranked(
                'circleci:project:credits_per_day{{project=~"$project", window="$window"}}{at}',
                "project",
                "{{project}}",
            ),
            unit=CREDITS,
            height=10,
        ),
        chart(
            "Flaky tests by project",
            "Tests that passed and failed on the same commit within two weeks, in the six projects that have most now. "
            + needs("flaky_tests"),
            ranked('circleci:project:flaky_tests{{project=~"$project"}}{at}', "project", "{{project}}"),
            step=True,
            height=9,
        ),
        listing(
            "Jobs with flaky tests",
            f"How often tests of a job flaked within two weeks, and the time that it cost. {needs('flaky_tests')}",
            {**NAMES, "job_name": "Job"},
            [
                Column(
                    "Flakes",
                    f"max by (project, workflow, job_name) (circleci_insights_flaky_test_flakes{OF_PROJECTS})",
                    COUNT,
                    [(None, ORANGE)],
                    gauge=True,
                ),
                Column(
                    "Time wasted",
                    f"max by (project, workflow, job_name) (circleci_insights_flaky_test_wasted_seconds{OF_PROJECTS})",
                    SECONDS,
                    width=110,
                ),
            ],
            sort="Flakes",
            links=LINK,
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
    for part in (_numbers, _reliability, _speed, _cost):
        part(board)
    return board
