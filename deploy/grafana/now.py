"""Now: what runs, waits and is on hold, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, GRAY, ORANGE, PURPLE, SKY, VERMILLION, WELL
from deploy.grafana.frame import (
    NOW,
    REAL,
    alerts,
    begin,
    of_ref,
    of_slug,
    row,
    to_circleci,
    to_insights,
    to_workflow,
    variable,
)
from deploy.grafana.panels import (
    CLOCK,
    COUNT,
    MINUTES,
    SECONDS,
    Column,
    Line,
    chart,
    heat_map,
    listing,
    needs,
    number,
    ranked,
)
from deploy.grafana.self_hosted import self_hosted

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

HERE = 'project=~"$project"'
NEEDED = needs("pipelines")
WAIT_STEPS: Steps = [(None, WELL), (5 * 60, DOUBTFUL), (15 * 60, BAD)]
AGE_STEPS: Steps = [(None, BLUE), (3600, DOUBTFUL), (2 * 3600, BAD)]
RUN = "project, workflow, branch"
WORKFLOW = [to_workflow("Project", "Workflow"), to_insights("Workflow")]


def runs(status: str) -> str:
    """Workflow runs in progress with one of these statuses."""
    return f'sum(circleci_workflow_runs_in_progress{{{HERE}, status=~"{status}"}})'


def jobs(status: str) -> str:
    """Jobs of them with one of these statuses."""
    return f'sum(circleci_jobs_in_progress{{{HERE}, status=~"{status}"}})'


def waited() -> str:
    """Seconds for which a project's job waits that has waited longest; only where a job waits."""
    since = f"min by (project) (circleci_oldest_waiting_job_timestamp_seconds{{{HERE}}})"
    waiting = f'sum by (project) (circleci_jobs_in_progress{{{HERE}, status=~"queued|not_running"}}) > 0'
    return f"(time() - {since} and on (project) {waiting})"


def _numbers(board: Dashboard) -> None:
    row(
        board,
        "In progress",
        number("Runs in progress", f"Workflow runs that run now. {NEEDED}", runs("running|failing"), curve=True),
        number("Runs on hold", f"Workflow runs that wait for an approval. {NEEDED}", runs("on_hold"), curve=True),
        number("Runs queued", f"Workflow runs that wait in a serial group. {NEEDED}", runs("queued"), curve=True),
        number("Jobs running", f"Jobs that have an executor. {NEEDED}", jobs("running"), curve=True),
        number("Jobs waiting", f"Jobs that wait for an executor. {NEEDED}", jobs("queued|not_running"), curve=True),
        number(
            "Longest wait",
            f"How long the job has waited for an executor that has waited longest. {NEEDED}",
            f"max({waited()})",
            unit=SECONDS,
            steps=WAIT_STEPS,
            empty="No job waits",
        ),
        chart(
            "Runs in progress by status",
            f"Workflow runs in progress. {NEEDED}",
            [
                Line(runs("running"), "running", WELL),
                Line(runs("failing"), "failing", VERMILLION),
                Line(runs("queued"), "queued", ORANGE),
                Line(runs("on_hold"), "on hold", SKY),
                Line(runs("other"), "other", GRAY),
            ],
            stacked=True,
            calculations=("lastNotNull", "max"),
        ),
        chart(
            "Jobs in progress by status",
            "Jobs of workflow runs in progress: those that run need an executor each, those that wait have none. "
            f"Blocked jobs wait for other jobs. {NEEDED}",
            [
                Line(jobs("running"), "running", WELL),
                Line(jobs("queued|not_running"), "waiting for an executor", VERMILLION),
                Line(jobs("blocked"), "blocked by other jobs", PURPLE),
                Line(jobs("on_hold"), "on hold", SKY),
            ],
            stacked=True,
            calculations=("lastNotNull", "max"),
        ),
    )


def _oldest(board: Dashboard) -> None:
    def count(status: str) -> str:
        chosen = f'{HERE}, status=~"{status}"'
        return f"sum by ({RUN}) (circleci_workflow_runs_in_progress{{{chosen}}}) and on ({RUN}) {any_run}"

    any_run = f"(sum by ({RUN}) (circleci_workflow_runs_in_progress{{{HERE}}}) > 0)"
    on_branches = any_run.replace(HERE, f"{HERE}, {REAL}")
    age = f"time() - min by ({RUN}) (circleci_workflow_oldest_run_in_progress_timestamp_seconds{{{HERE}}})"
    wait = f'sum by (project) (circleci_jobs_in_progress{{{HERE}, status=~"queued|not_running"}}) > 0'
    row(
        board,
        "What takes long",
        listing(
            "Oldest runs",
            "Workflows and branches with runs in progress, the oldest run first. A branch leads to its pipelines at "
            f"CircleCI. {NEEDED}",
            {"project": "Project", "workflow": "Workflow", "branch": "Branch", "slug": "Slug", "ref": "Ref"},
            [
                Column("Age", f"{age} and on ({RUN}) {any_run}", CLOCK, AGE_STEPS, width=110),
                Column("Running", count("running|failing"), width=85),
                Column("Queued", count("queued"), width=80),
                Column("On hold", count("on_hold"), width=80),
                Column("Slug rows", of_slug(any_run, RUN)),
                Column("Ref rows", of_ref(on_branches)),
            ],
            sort="Age",
            width=14,
            height=10,
            hidden=("Value #E", "Value #F"),
            unseen=("Slug", "Ref"),
            links={"Project": [to_circleci()], "Workflow": WORKFLOW, "Branch": [to_circleci("Ref")]},
        ),
        listing(
            "Projects with waiting jobs",
            f"Projects in which a job waits for an executor, the longest wait first. {NEEDED}",
            {"project": "Project", "slug": "Slug"},
            [
                Column("Longest wait", waited(), CLOCK, WAIT_STEPS, width=120),
                Column("Waiting", wait, width=90),
                Column(
                    "Running",
                    f'sum by (project) (circleci_jobs_in_progress{{{HERE}, status="running"}}) and on (project) {wait}',
                    width=90,
                ),
                Column("Slug rows", of_slug(wait, "project")),
            ],
            sort="Longest wait",
            width=10,
            height=10,
            hidden=("Value #D",),
            unseen=("Slug",),
            links={"Project": [to_circleci()]},
        ),
    )


def _queue(board: Dashboard) -> None:
    waits = f"circleci_job_run_wait_seconds_bucket{{{HERE}}}"
    recent = f"sum by (le) (increase({waits}[$__rate_interval]))"
    job = "project, workflow, job_name"

    def quantile(rank: float) -> str:
        return f"histogram_quantile({rank}, sum by ({job}, le) (increase({waits}[1d])))"

    longest = f"topk(20, {quantile(0.95)} > 0)"
    row(
        board,
        "Queue time",
        heat_map(
            "Waits for an executor",
            f"How many jobs started, by the time that they had waited for an executor: brighter is more. {NEEDED}",
            recent,
            width=9,
        ),
        listing(
            "Jobs by queue time",
            "How long jobs waited for an executor in the last day, estimated from the histogram: the twenty "
            f"longest. {NEEDED}",
            {"project": "Project", "workflow": "Workflow", "job_name": "Job", "slug": "Slug"},
            [
                Column("95th percentile", longest, CLOCK, WAIT_STEPS, width=130),
                Column("Median", f"{quantile(0.5)} and on ({job}) {longest}", CLOCK, width=110),
                Column("Slug rows", of_slug(longest, job)),
            ],
            sort="95th percentile",
            hidden=("Value #C",),
            unseen=("Slug",),
            links={"Project": [to_circleci()], "Workflow": WORKFLOW, "Job": [to_insights("Workflow")]},
            width=15,
        ),
    )


def _critical_path(board: Dashboard) -> None:
    seconds = f"circleci_job_critical_path_seconds_total{{{HERE}}}"
    job = "project, workflow, job_name"
    first = f"topk(20, sum by ({job}) (increase({seconds}[1d])) > 0)"

    def phase(name: str) -> str:
        chosen = seconds.replace("}", f', phase="{name}"}}')
        return f"sum by ({job}) (increase({chosen}[1d])) and on ({job}) {first}"

    shown = ranked(
        "3600 * sum by (job_name) "
        '(rate(circleci_job_critical_path_seconds_total{{project=~"$project"}}[$__rate_interval]{at})) / 60',
        "job_name",
        "{{job_name}}",
    )
    row(
        board,
        "Critical path",
        listing(
            "Jobs that runs wait for",
            "The seconds of all runs of the last day that passed on the critical path, by job: while it ran, and "
            "while it "
            f"waited for an executor. To make a workflow faster, start at the top. {NEEDED}",
            {"project": "Project", "workflow": "Workflow", "job_name": "Job", "slug": "Slug"},
            [
                Column("On the critical path", first, CLOCK, [(None, ORANGE)], gauge=True),
                Column("Running", phase("run"), CLOCK, width=110),
                Column("Waiting", phase("wait"), CLOCK, width=110),
                Column("Slug rows", of_slug(first, job)),
            ],
            sort="On the critical path",
            links={"Project": [to_circleci()], "Workflow": WORKFLOW, "Job": [to_insights("Workflow")]},
            hidden=("Value #D",),
            unseen=("Slug",),
            width=15,
            height=10,
        ),
        chart(
            "Critical path by job",
            f"Minutes an hour that runs wait for the six jobs that they wait for most now. {NEEDED}",
            shown,
            unit=MINUTES,
            width=9,
            height=10,
            right=True,
        ),
    )


def _finished(board: Dashboard) -> None:
    buckets = f"sum by (le) (increase(circleci_workflow_run_duration_seconds_bucket{{{HERE}}}[$__rate_interval]))"
    row(
        board,
        "What has finished",
        chart(
            "Durations, with single runs",
            "Estimated from the histogram of the runs that ended in each interval. Each point is a run (an "
            "exemplar); it leads "
            f"to the run at CircleCI, if the data source has the link for `workflow_id`. {needs('runs')}",
            [
                Line(f"histogram_quantile(0.95, {buckets})", "95th percentile", VERMILLION, exemplars=True),
                Line(f"histogram_quantile(0.5, {buckets})", "median", BLUE),
            ],
            unit=CLOCK,
            height=9,
        ),
        chart(
            "Pipelines",
            f"Pipelines in each interval: those with workflows, and those whose configuration has errors. {NEEDED}",
            [
                Line(
                    f'sum(increase(circleci_pipelines_total{{{HERE}, outcome="{outcome}"}}[$__rate_interval]))',
                    legend,
                    color,
                )
                for outcome, legend, color in (
                    ("created", "with workflows", BLUE),
                    ("errored", "configuration has errors", VERMILLION),
                )
            ],
            unit=COUNT,
            stacked=True,
            bars=True,
            calculations=("sum",),
            height=9,
        ),
    )


def build() -> Dashboard:
    """The dashboard."""
    board = begin(
        NOW,
        "Now",
        "What runs, waits and is on hold now, how long jobs wait for an executor, and which jobs runs wait for. "
        "Needs the "
        "collector `pipelines`.",
        "now-6h",
        "30s",
    )
    board.with_variable(variable("project", "Project", "label_values(circleci_jobs_in_progress, project)", many=True))
    alerts(board, "workflow")
    for part in (_numbers, _oldest, _queue, _critical_path, _finished, self_hosted):
        part(board)
    return board
