"""Exporter: how the exporter itself is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, GRAY, ORANGE, PURPLE, SKY, VERMILLION, WELL
from deploy.grafana.frame import EXPORTER, alerts, annotate, begin, optional, row, variable
from deploy.grafana.panels import (
    CLOCK,
    COUNT,
    MILLISECONDS,
    MINUTES,
    PER_HOUR,
    PER_SECOND,
    RATIO,
    SECONDS,
    SHORT_SECONDS,
    Column,
    Line,
    chart,
    listing,
    minutes,
    number,
    per_hour,
    ranked,
)
from deploy.grafana.self_hosted import self_hosted

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

HERE = 'job="$job", instance=~"$instance"'
OF_PROJECTS = f'{HERE}, project=~"$project"'
YES_NO = {"0": ("no", VERMILLION), "1": ("yes", WELL)}
ROLES = {"0": ("standby", BLUE), "1": ("active", WELL)}
AGE_STEPS: Steps = [(None, WELL), (3 * 3600, DOUBTFUL), (6 * 3600, BAD)]


def own(name: str, labels: str = HERE) -> str:
    """One of the exporter's own metrics, of the chosen instances."""
    return f"circleci_exporter_{name}{{{labels}}}"


def rate(name: str, labels: str = HERE) -> str:
    """How fast one of its counters rises, a second."""
    return f"rate({own(name, labels)}[$__rate_interval])"


def answered(matching: str) -> str:
    """Requests a second that got certain answers."""
    return f"sum({rate('api_requests_total', f'{HERE}, {matching}')})"


def because(reasons: str) -> str:
    """The further label of a selector."""
    return f', reason=~"{reasons}"'


def again(reasons: str) -> str:
    """Retries an hour for certain reasons."""
    return per_hour(f"sum({rate('api_retries_total', HERE + because(reasons))})")


def extremes(expression: str) -> list[Line]:
    """The instance with the highest value, and the mean of all."""
    return [Line(f"max({expression})", "highest instance", ORANGE), Line(f"avg({expression})", "mean", BLUE)]


def failures(reasons: str) -> str:
    """Failed questions an hour for certain reasons."""
    return per_hour(f"sum({rate('collector_failures_total', HERE + because(reasons))})")


def compared(results: str) -> str:
    """How many job runs of the newest day that was compared with the Usage export came out so."""
    labels = f'{OF_PROJECTS}, result=~"{results}"'
    return f"sum({own('reconciled_job_runs', labels)})"


def age(by: str, at: str = "") -> str:
    """Seconds since the newest good poll: the oldest, by some labels."""
    return f"time() - min by ({by}) ({own('collector_last_success_timestamp_seconds', OF_PROJECTS)}{at})"


def by_collector(expression: str) -> list[Line]:
    """Lines of the collectors, those with the highest value now first; `{at}` stands after each selector."""
    kept = expression.replace("{at}", "\0").replace("{", "{{").replace("}", "}}").replace("\0", "{at}")
    return ranked(kept, "collector", "{{collector}}", count=8)


def _numbers(board: Dashboard) -> None:
    row(
        board,
        "Health",
        number(
            "API answers",
            "Whether every instance had a request answered, and its token taken, within the last five minutes.",
            f"min(max_over_time({own('up')}[5m]))",
            mappings=YES_NO,
        ),
        number(
            "Oldest data",
            "Time since the newest good poll of the collector that is furthest behind.",
            f"time() - min({own('collector_last_success_timestamp_seconds', OF_PROJECTS)})",
            unit=SECONDS,
            steps=AGE_STEPS,
        ),
        number(
            "Successful polls",
            "Part of the collectors, over all projects, whose last poll succeeded.",
            f"avg({own('collector_success', OF_PROJECTS)})",
            unit=RATIO,
            decimals=1,
            steps=[(None, BAD), (0.95, DOUBTFUL), (1, WELL)],
            curve=True,
        ),
        number("Projects", "Projects that are polled, over all instances.", f"sum({own('projects')})", curve=True),
        number("Series", "Series that are published, over all instances.", f"sum({own('series')})", curve=True),
        number(
            "Last reload",
            "Whether the last reload of the configuration succeeded on every instance.",
            f"min({own('config_last_reload_successful')})",
            mappings={"0": ("rejected", VERMILLION), "1": ("successful", WELL)},
        ),
    )


def _projects(board: Dashboard) -> None:
    def by_project(aggregate: str, name: str) -> str:
        return f"{aggregate} by (project, collector) ({own(name, OF_PROJECTS)})"

    row(
        board,
        "Projects",
        listing(
            "Collectors by project, the failing and old ones first",
            "The newest poll of each collector of each project. The exporter's page says why one failed.",
            {"project": "Project", "collector": "Collector"},
            [
                Column(
                    "Good",
                    by_project("min", "collector_success"),
                    mappings={"0": ("failed", VERMILLION), "1": ("good", WELL)},
                    width=90,
                ),
                Column("Age", age("project, collector"), CLOCK, AGE_STEPS, width=110),
                Column("Took", by_project("max", "collector_duration_seconds"), SHORT_SECONDS, width=110),
            ],
            sort="Age",
            first="Good",
            height=10,
        ),
        chart(
            "Age of the data",
            "Time since the newest good poll, of the project that is furthest behind, by collector.",
            by_collector(minutes(age("collector", "{at}"))),
            unit=MINUTES,
            calculations=("lastNotNull", "max"),
            height=10,
            right=True,
        ),
        chart(
            "Failures by reason",
            "Failed questions an hour, over all projects, by what the reason tells of: CircleCI's limit, its servers "
            "and the network, the token and what it may see, answers that cannot be read, the exporter itself.",
            [
                Line(failures("throttled"), "limit", ORANGE),
                Line(failures("server|timeout|connection|truncated|deadline"), "servers and network", VERMILLION),
                Line(failures("unauthorized|forbidden|not_found"), "token and access", PURPLE),
                Line(failures("payload|too_large|pagination|redirect|client"), "answers", SKY),
                Line(failures("state|internal"), "exporter", GRAY),
            ],
            unit=PER_HOUR,
            soft_high=1,
            calculations=("lastNotNull", "max"),
        ),
        chart(
            "Fields that could not be read",
            "Fields of CircleCI's answers an hour that were not what they should be, by collector. Their samples are "
            "missing.",
            ranked(
                "3600 * sum by (collector) "
                f"(rate(circleci_exporter_unreadable_fields_total{{{{{HERE}}}}}[$__rate_interval]{{at}}))",
                "collector",
                "{{collector}}",
                count=8,
            ),
            unit=PER_HOUR,
            soft_high=1,
        ),
        chart(
            "Duration of polls",
            "The longest newest poll of each collector.",
            by_collector(f"max by (collector) ({own('collector_duration_seconds', OF_PROJECTS)}{{at}})"),
            unit=SHORT_SECONDS,
            calculations=("lastNotNull", "max"),
            width=24,
        ),
    )


def _requests(board: Dashboard) -> None:
    buckets = f"sum by (le) ({rate('api_request_duration_seconds_bucket')})"
    row(
        board,
        "CircleCI's API",
        chart(
            "Requests by answer",
            "Requests a second: good ones, those that CircleCI throttled, other client and server errors, and those "
            "without an answer.",
            [
                Line(answered('code=~"2.."'), "2xx", WELL),
                Line(answered('code="429"'), "429 throttled", ORANGE),
                Line(answered('code=~"4..", code!="429"'), "other 4xx", PURPLE),
                Line(answered('code=~"5.."'), "5xx", VERMILLION),
                Line(answered('code="error"'), "no answer", GRAY),
            ],
            unit=PER_SECOND,
            stacked=True,
        ),
        chart(
            "Duration of requests",
            "Estimated from the histogram over all endpoints.",
            [
                Line(f"1000 * histogram_quantile(0.95, {buckets})", "95th percentile", VERMILLION),
                Line(f"1000 * histogram_quantile(0.5, {buckets})", "median", BLUE),
            ],
            unit=MILLISECONDS,
        ),
        chart(
            "Requests by endpoint",
            "Requests a second to the six paths that are asked most now.",
            ranked(
                f"sum by (endpoint) (rate(circleci_exporter_api_requests_total{{{{{HERE}}}}}[$__rate_interval]{{at}}))",
                "endpoint",
                "{{endpoint}}",
            ),
            unit=PER_SECOND,
            height=9,
            right=True,
        ),
        chart(
            "Time throttled",
            "Part of the time in which an instance waits because CircleCI answered 429. The dashed line is where the "
            "alert begins as it comes.",
            extremes(rate("api_throttled_seconds_total")),
            unit=RATIO,
            steps=[(None, WELL), (0.1, BAD)],
            soft_high=0.15,
            height=9,
        ),
        chart(
            "Rate limit remaining",
            "Requests left and allowed, as CircleCI last said. Empty when it does not say.",
            [
                Line(f"min({own('api_rate_limit_remaining')})", "left", BLUE),
                Line(f"max({own('api_rate_limit_limit')})", "allowed", GRAY),
            ],
        ),
        chart(
            "Retries",
            "Requests an hour that were sent again, by reason.",
            [
                Line(again("throttled"), "throttled", ORANGE),
                Line(again("server"), "server error", VERMILLION),
                Line(again("connection|timeout|truncated"), "no whole answer", GRAY),
                Line(again("unauthorized"), "token refused", PURPLE),
            ],
            unit=PER_HOUR,
            soft_high=1,
        ),
    )


def _load(board: Dashboard) -> None:
    # Without a shared database, no exporter stands by.
    role = f"max by (instance) ({own('leader')}) or on (instance) group by (instance) ({own('projects')})"
    row(
        board,
        "Load",
        chart(
            "Series by collector",
            "Series that are published, over all instances.",
            by_collector(f"sum by (collector) ({own('series')}{{at}})"),
            right=True,
        ),
        chart(
            "Dropped series",
            "Series an hour that were dropped, in the six projects where they are most now: a project has more than "
            "its `max_series`, or more branches than are looked at.",
            ranked(
                "3600 * sum by (project) "
                f"(rate(circleci_exporter_dropped_series_total{{{{{OF_PROJECTS}}}}}[$__rate_interval]{{at}}))",
                "project",
                "{{project}}",
            ),
            unit=PER_HOUR,
            soft_high=1,
        ),
        chart(
            "Delay of polls",
            "How late the newest poll of an instance began.",
            extremes(own("poll_delay_seconds")),
            unit=SHORT_SECONDS,
        ),
        listing(
            "Instances",
            "Every exporter of this job. Two with the same shard poll the same projects, unless one of them stands by.",
            {"instance": "Instance", "version": "Version"},
            [
                Column("Shard", f"max by (instance) ({own('shard_ordinal')})", width=70),
                Column("Shards", f"max by (instance) ({own('total_shards')})", width=75),
                Column("Projects", f"max by (instance) ({own('projects')})", width=85),
                Column("State written", f"min by (instance) ({own('state_writable')})", mappings=YES_NO, width=115),
                Column("Role", role, mappings=ROLES, width=90),
                Column("Known", f"max by (instance, version) ({own('build_info')})"),
            ],
            hidden=("Value #F",),
            sort="Shard",
            descending=False,
            height=8,
        ),
        chart(
            "Memory",
            "Resident memory of an instance.",
            extremes(f"process_resident_memory_bytes{{{HERE}}}"),
            unit="bytes",
        ),
        chart(
            "CPU",
            "Processor time of an instance: 1 is one core.",
            extremes(f"rate(process_cpu_seconds_total{{{HERE}}}[$__rate_interval])"),
            unit=COUNT,
        ),
    )


def _pipelines(board: Dashboard) -> None:
    buckets = f"sum by (le) ({rate('run_delay_seconds_bucket')})"
    optional(
        board,
        "Runs and pipelines (collectors runs and pipelines)",
        chart(
            "Delay of run counts",
            "Time from the end of a run until it is counted, estimated from the histogram.",
            [
                Line(minutes(f"histogram_quantile(0.95, {buckets})"), "95th percentile", VERMILLION),
                Line(minutes(f"histogram_quantile(0.5, {buckets})"), "median", BLUE),
            ],
            unit=MINUTES,
        ),
        chart(
            "Watched pipelines",
            "Pipelines that are looked at again: those in progress, and those in which a rerun may still start.",
            [Line(f"sum({own('watched_pipelines')})", "pipelines", BLUE)],
        ),
        number(
            "Exported job runs counted here",
            "Of the newest day that was compared, the part of the job runs in CircleCI's Usage export that the "
            "counters here have. Needs `usage` in the configuration.",
            f"{compared('both')} / {compared('both|export_only')}",
            unit=RATIO,
            decimals=2,
            steps=[(None, BAD), (0.99, DOUBTFUL), (0.999, WELL)],
            width=12,
        ),
        number(
            "Job runs missed",
            "Job runs of that day that CircleCI's Usage export has and the counters here lack. The log names them. "
            "Needs `usage` in the configuration.",
            compared("export_only"),
            steps=[(None, WELL), (1, DOUBTFUL), (11, BAD)],
            width=12,
        ),
    )


def build() -> Dashboard:
    """The dashboard."""
    board = begin(
        EXPORTER,
        "Exporter",
        "How the exporter itself is: age of the data, requests to CircleCI, throttling, failures and series.",
        "now-6h",
        "1m",
    )
    board.with_variable(
        variable("job", "Job", "label_values(circleci_exporter_build_info, job)", default="circleci-insights-exporter")
    )
    board.with_variable(
        variable("instance", "Instance", 'label_values(circleci_exporter_build_info{job="$job"}, instance)', many=True)
    )
    board.with_variable(
        variable(
            "project", "Project", 'label_values(circleci_exporter_collector_success{job="$job"}, project)', many=True
        )
    )
    alerts(board, "exporter")
    reloads = f"{own('config_last_reload_success_timestamp_seconds')} * 1000"
    annotate(board, "Reloads", reloads, "{{instance}} reloaded its configuration", BLUE, at_value=True)
    started = f"process_start_time_seconds{{{HERE}}} * 1000"
    annotate(board, "Restarts", started, "{{instance}} started", GRAY, at_value=True)
    for part in (_numbers, _projects, _requests, _load, _pipelines, self_hosted):
        part(board)
    return board
