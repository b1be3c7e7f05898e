"""Workflow: one workflow in depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, VariableSort

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, GRAY, ORANGE, PURPLE, SKY, VERMILLION, WELL
from deploy.grafana.frame import CIRCLECI, REAL, WORKFLOW, alerts, begin, of_ref, optional, row, slug, variable, window
from deploy.grafana.panels import (
    CLOCK,
    COUNT,
    CREDITS,
    MINUTES,
    RATIO,
    SECONDS,
    SHORT_SECONDS,
    TIME,
    WHOLE,
    Column,
    Line,
    bars,
    change,
    chart,
    heat_map,
    listing,
    minutes,
    needs,
    number,
    percent,
    ranked,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

THIS = 'project="$project", workflow="$workflow"'
ON_BRANCH = f'{THIS}, branch="$branch"'
IN_WINDOW = f'{ON_BRANCH}, window="$window"'
SUCCESS_STEPS: Steps = [(None, BAD), (0.8, DOUBTFUL), (0.95, WELL)]
TREND_STEPS: Steps = [(None, WELL), (10, DOUBTFUL), (30, BAD)]
TO_BRANCH = ("Pipelines at CircleCI", f"{CIRCLECI}/pipelines/${{slug}}?branch=${{__data.fields.Ref:percentencode}}")
INSIGHTS = f"{CIRCLECI}/insights/${{slug}}/workflows/${{workflow:percentencode}}/overview"
TO_JOB = ("Insights at CircleCI", f"{INSIGHTS}?branch=${{branch:percentencode}}&reporting-window=${{window}}")


def gauge(name: str) -> str:
    """A figure of the workflow on the chosen branch."""
    return f"max(circleci_insights_workflow_{name}{{{IN_WINDOW}}})"


def by_branch(name: str) -> str:
    """The same for every branch."""
    return f'max by (branch) (circleci_insights_workflow_{name}{{{THIS}, window="$window"}})'


def by_job(name: str) -> str:
    """A figure of each of its jobs on the chosen branch."""
    return f"max by (job_name) (circleci_insights_job_{name}{{{IN_WINDOW}}})"


def _numbers(board: Dashboard) -> None:
    row(
        board,
        "$workflow on $branch",
        number(
            "Success ratio",
            "Successful runs by all runs in the window, as CircleCI gives it: canceled runs count as not successful.",
            gauge("success_ratio"),
            unit=RATIO,
            decimals=1,
            steps=SUCCESS_STEPS,
            width=3,
            curve=True,
        ),
        number(
            "Without canceled",
            "Successful runs by those that succeeded or failed: canceled runs count neither way.",
            f"{gauge('successful_runs')} / ({gauge('successful_runs')} + {gauge('failed_runs')})",
            unit=RATIO,
            decimals=1,
            steps=SUCCESS_STEPS,
            width=4,
            curve=True,
        ),
        number("Runs", "Runs in the window, those on hold or running included.", gauge("runs"), width=3, curve=True),
        number(
            "Median duration",
            "Half of the runs took no longer.",
            gauge("duration_median_seconds"),
            unit=SECONDS,
            curve=True,
        ),
        number(
            "95th percentile",
            "Nineteen of twenty runs took no longer.",
            gauge("duration_p95_seconds"),
            unit=SECONDS,
            width=3,
            curve=True,
        ),
        number(
            "Recovery time",
            "Mean time from a failed run to the next successful one. Empty when nothing failed.",
            gauge("mttr_seconds"),
            unit=SECONDS,
            steps=[(None, WELL), (4 * 3600, DOUBTFUL), (24 * 3600, BAD)],
            empty="Nothing failed",
        ),
        number(
            "Last run",
            "When the last run began that Insights knows of. CircleCI's figures are up to a day behind.",
            f"{gauge('last_run_timestamp_seconds')} * 1000",
            unit=TIME,
            width=3,
        ),
    )


def _course(board: Dashboard) -> None:
    row(
        board,
        "Trends",
        chart(
            "Durations",
            "Shortest, median, mean, 95th percentile and longest duration of the runs in the window that ended then.",
            [
                Line(minutes(gauge("duration_max_seconds")), "longest", GRAY),
                Line(minutes(gauge("duration_p95_seconds")), "95th percentile", VERMILLION),
                Line(minutes(gauge("duration_mean_seconds")), "mean", ORANGE),
                Line(minutes(gauge("duration_median_seconds")), "median", BLUE),
                Line(minutes(gauge("duration_min_seconds")), "shortest", SKY),
            ],
            unit=MINUTES,
            height=10,
            right=True,
        ),
        chart(
            "Success ratio over time",
            "Successful runs by all runs, and by those that succeeded or failed, in the window that ended then. "
            "The dashed "
            "lines are at 80 % and 95 %.",
            [
                Line(gauge("success_ratio"), "of all runs", BLUE),
                Line(
                    f"{gauge('successful_runs')} / ({gauge('successful_runs')} + {gauge('failed_runs')})",
                    "without canceled runs",
                    WELL,
                ),
            ],
            unit=RATIO,
            low=None,
            high=1,
            steps=SUCCESS_STEPS,
            height=10,
            calculations=("lastNotNull", "min", "mean"),
        ),
        chart(
            "Runs over time",
            "Successful, failed and other runs (canceled, on hold, running) in the window that ended then.",
            [
                Line(gauge("successful_runs"), "successful", WELL),
                Line(gauge("failed_runs"), "failed", VERMILLION),
                Line(
                    f"{gauge('runs')} - {gauge('successful_runs')} - {gauge('failed_runs')}",
                    "other",
                    GRAY,
                ),
            ],
            stacked=True,
        ),
        chart(
            "Credits over time",
            "Credits used in the window that ended then. Not fit for billing.",
            [Line(gauge("credits_used"), "credits", PURPLE)],
            unit=CREDITS,
        ),
    )


def _jobs(board: Dashboard) -> None:
    p95 = by_job("duration_p95_seconds")
    row(
        board,
        "Jobs",
        listing(
            "Jobs by share of p95",
            "By the part of the workflow's duration that a job takes (95th percentiles). Jobs that run beside each "
            "other add up to more than 100 %.",
            {"job_name": "Job"},
            [
                Column(
                    "Share of workflow p95",
                    f"{p95} / on () group_left () {gauge('duration_p95_seconds')}",
                    RATIO,
                    [(None, BLUE), (0.5, ORANGE), (0.8, VERMILLION)],
                    gauge=True,
                    decimals=0,
                ),
                Column("95th percentile", p95, CLOCK),
                Column("Median", by_job("duration_median_seconds"), CLOCK),
                Column("Success", by_job("success_ratio"), RATIO, SUCCESS_STEPS, decimals=1),
                Column("Failed", by_job("failed_runs")),
                Column("Runs", by_job("runs")),
                Column("Credits", by_job("credits_used"), WHOLE),
            ],
            sort="Share of workflow p95",
            links={"Job": [TO_JOB]},
            width=24,
        ),
        chart(
            "Duration of each job",
            "95th percentile of the duration of the five jobs that are slowest now, in the window that ended then.",
            ranked(
                minutes(f"max by (job_name) (circleci_insights_job_duration_p95_seconds{{{{{IN_WINDOW}}}}}{{at}})"),
                "job_name",
                "{{job_name}}",
                count=5,
            ),
            unit=MINUTES,
            height=9,
            right=True,
        ),
        bars(
            "Failed runs of each job",
            "Failed runs in the window.",
            f"sort_desc({by_job('failed_runs')})",
            "{{job_name}}",
            links=[TO_JOB],
            color=VERMILLION,
            width=12,
            height=9,
        ),
    )


def _critical_path(board: Dashboard) -> None:
    def seconds(more: str = "") -> str:
        return f"increase(circleci_job_critical_path_seconds_total{{{ON_BRANCH}{more}}}[7d])"

    def by_phase(phase: str) -> str:
        chosen = f', phase="{phase}"'
        return f"sum by (job_name) ({seconds(chosen)})"

    optional(
        board,
        "Critical path (collector pipelines)",
        listing(
            "Jobs that would make this workflow faster",
            "How much of the time of all runs of the last 7 days passed while a run waited for this job: while "
            "the job ran, "
            "and while it waited for an executor. Start at the top; a job with 0 % can become faster without any "
            "effect. " + needs("pipelines"),
            {"job_name": "Job"},
            [
                Column(
                    "Share of run time",
                    f"sum by (job_name) ({seconds()}) / on () group_left () sum({seconds()})",
                    RATIO,
                    [(None, ORANGE)],
                    gauge=True,
                    decimals=0,
                ),
                Column("Running", by_phase("run"), CLOCK, width=140),
                Column("Waiting", by_phase("wait"), CLOCK, width=140),
            ],
            sort="Share of run time",
            links={"Job": [TO_JOB]},
            width=24,
        ),
    )


def _branches(board: Dashboard) -> None:
    row(
        board,
        "Branches",
        listing(
            "Branch comparison",
            "Every branch of the workflow that the configuration asks for. `all branches` is all of them together.",
            {"branch": "Branch", "ref": "Ref"},
            [
                Column("Success", by_branch("success_ratio"), RATIO, SUCCESS_STEPS, gauge=True, decimals=1),
                Column("Runs", by_branch("runs")),
                Column("Failed", by_branch("failed_runs")),
                Column("Median", by_branch("duration_median_seconds"), CLOCK),
                Column("95th percentile", by_branch("duration_p95_seconds"), CLOCK),
                Column("Recovery", by_branch("mttr_seconds"), CLOCK),
                Column("Credits", by_branch("credits_used"), WHOLE),
                Column("Ref rows", of_ref(by_branch("runs").replace(THIS, f"{THIS}, {REAL}"))),
            ],
            hidden=("Value #H",),
            unseen=("Ref",),
            sort="Runs",
            width=24,
            height=7,
            links={"Branch": [TO_BRANCH]},
        ),
    )


def _single_runs(board: Dashboard) -> None:
    of_runs = f"circleci_workflow_run_duration_seconds_bucket{{{ON_BRANCH}}}"
    recent = f"sum by (le) (increase({of_runs}[$__rate_interval]))"
    optional(
        board,
        "Run by run (collector runs)",
        heat_map(
            "Durations of single runs",
            f"How many runs ended, by their duration: brighter is more. {needs('runs')}",
            recent,
        ),
        chart(
            "Percentiles of single runs",
            f"Estimated from the histogram of the runs that ended in each interval. {needs('runs')}",
            [
                Line(minutes(f"histogram_quantile(0.95, {recent})"), "95th percentile", VERMILLION),
                Line(minutes(f"histogram_quantile(0.5, {recent})"), "median", BLUE),
            ],
            unit=MINUTES,
            height=9,
        ),
        chart(
            "Runs that ended",
            f"Runs in each interval, by how they ended. {needs('runs')}",
            [
                Line(
                    f'sum(increase(circleci_workflow_runs_total{{{ON_BRANCH}, status="success"}}[$__rate_interval]))',
                    "success",
                    WELL,
                ),
                Line(
                    f'sum(increase(circleci_workflow_runs_total{{{ON_BRANCH}, status="failed"}}[$__rate_interval]))',
                    "failed",
                    VERMILLION,
                ),
                Line(
                    "sum(increase(circleci_workflow_runs_total"
                    f'{{{ON_BRANCH}, status!~"success|failed"}}[$__rate_interval]))',
                    "other",
                    GRAY,
                ),
            ],
            stacked=True,
            bars=True,
            calculations=("sum",),
            width=12,
        ),
        number(
            "Last run result",
            f"How the last finished run ended. {needs('runs')}",
            f"max(circleci_workflow_last_run_success{{{ON_BRANCH}}})",
            height=8,
            mappings={"0": ("not successful", VERMILLION), "1": ("successful", WELL)},
        ),
        number(
            "Last run duration",
            f"Of the last finished run. {needs('runs')}",
            f"max(circleci_workflow_last_run_duration_seconds{{{ON_BRANCH}}})",
            height=8,
            unit=SECONDS,
        ),
        number(
            "Last run finished",
            f"When the last finished run ended. {needs('runs')}",
            f"max(circleci_workflow_last_run_timestamp_seconds{{{ON_BRANCH}}}) * 1000",
            height=8,
            unit=TIME,
        ),
    )


def _trends(board: Dashboard) -> None:
    trends: tuple[tuple[str, str, Steps], ...] = (
        ("Runs", "runs", [(None, BLUE)]),
        ("Failed runs", "failed_runs", TREND_STEPS),
        ("95th percentile", "duration_p95", TREND_STEPS),
        ("Median duration", "duration_median", TREND_STEPS),
        ("Recovery time", "mttr", TREND_STEPS),
        ("Credits", "credits", TREND_STEPS),
    )
    optional(
        board,
        "CircleCI's own trends (collector workflow_summary)",
        *(
            change(
                f"{title}: trend",
                f"Against the period before, as CircleCI compares them. {needs('workflow_summary')}",
                percent(f"max(circleci_insights_workflow_totals_{name}_trend_ratio{{{ON_BRANCH}}}) - 1"),
                unit="%",
                steps=steps,
            )
            for title, name, steps in trends
        ),
    )


def _tests(board: Dashboard) -> None:
    def by_test(name: str) -> str:
        return f"max by (test_name, class_name, job_name) (circleci_insights_test_{name}{{{ON_BRANCH}}})"

    optional(
        board,
        "Tests (collectors tests and flaky_tests)",
        number(
            "Tests",
            f"Average number of tests in a run. {needs('tests')}",
            f"max(circleci_insights_workflow_tests{{{ON_BRANCH}}})",
            height=9,
        ),
        listing(
            "Slowest and most failed tests",
            f"Of the newest runs with test results; as many as `tests.top` says. {needs('tests')}",
            {"test_name": "Test", "job_name": "Job"},
            [
                Column("95th percentile", by_test("duration_p95_seconds"), SHORT_SECONDS, [(None, BLUE)], gauge=True),
                Column("Failed", by_test("failed_runs"), COUNT, [(None, WELL), (1, DOUBTFUL)], width=80),
                Column("Runs", by_test("runs"), width=80),
            ],
            sort="95th percentile",
            links={"Job": [TO_JOB]},
            width=12,
            hidden=("class_name",),
        ),
        bars(
            "Flakes by job",
            f"How often tests of a job flaked within two weeks, on any branch. {needs('flaky_tests')}",
            f"sort_desc(max by (job_name) (circleci_insights_flaky_test_flakes{{{THIS}}}))",
            "{{job_name}}",
            links=[TO_JOB],
            color=ORANGE,
            width=8,
            height=9,
        ),
    )


def build() -> Dashboard:
    """The dashboard."""
    board = begin(
        WORKFLOW,
        "Workflow",
        "One workflow in depth: durations, reliability, its jobs, its branches, single runs and tests.",
        "now-14d",
        "5m",
    )
    board.with_variable(variable("project", "Project", "label_values(circleci_insights_project_info, project)"))
    board.with_variable(
        variable("workflow", "Workflow", 'label_values(circleci_insights_workflow_runs{project="$project"}, workflow)')
    )
    # The default branch comes first, so that it is what an unset variable shows.
    known = 'max by (branch) (circleci_insights_workflow_runs{project="$project", workflow="$workflow"})'
    default = 'max by (branch) (circleci_insights_default_branch{project="$project"})'
    board.with_variable(
        variable(
            "branch",
            "Branch",
            f"query_result(sort_desc(({known} and {default}) > bool -1 or {known} < bool 0))",
            regex='/branch="(.*)"}/',
            order=VariableSort.DISABLED,
        )
    )
    board.with_variable(window('circleci_insights_workflow_runs{project="$project", workflow="$workflow"}'))
    board.with_variable(slug())
    board.link(
        DashboardLink("Pipelines at CircleCI")
        .type(DashboardLinkType.LINK)
        .url(f"{CIRCLECI}/pipelines/${{slug}}?branch=${{branch:percentencode}}")
        .target_blank(True)
    )
    board.link(
        DashboardLink("Insights at CircleCI")
        .type(DashboardLinkType.LINK)
        .url(f"{INSIGHTS}?branch=${{branch:percentencode}}&reporting-window=${{window}}")
        .target_blank(True)
    )
    alerts(board, "workflow")
    for part in (_numbers, _course, _jobs, _critical_path, _branches, _single_runs, _trends, _tests):
        part(board)
    return board
