"""Cost: what CI costs by project, workflow, job and resource class, and what it could cost less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BAD, BLUE, DOUBTFUL, WELL
from deploy.grafana.frame import COST, alerts, begin, of_slug, row, text, to_circleci, to_insights, variable
from deploy.grafana.panels import (
    CLOCK,
    CREDITS,
    DAY,
    DOLLARS,
    MINUTES,
    RATIO,
    WHOLE,
    Column,
    Line,
    bars,
    change,
    chart,
    configured,
    listing,
    minutes,
    number,
    percent,
    ranked,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

NEEDED, MONEY_UNIT = configured("usage"), "currencyUSD"
HERE = 'project=~"$project"'
JOB = "project, workflow, job_name, resource_class"
NAMES = {"project": "Project", "workflow": "Workflow", "job_name": "Job", "resource_class": "Class", "slug": "Slug"}
LINKS = {"Project": [to_circleci()], "Workflow": [to_insights("Workflow")], "Job": [to_insights("Workflow")]}
EVERY_DAY = (
    "CircleCI has the figures of a day once it is over, so a bar usually shows the day before. "
    "If several days were read at once, it shows their mean."
)
BY_DAYS = "divided by the days that were read"
MONEY = "Credits times the price above, user credits included: an estimate, not a bill."
# Credits a minute that the next smaller class of Docker costs less: each CPU costs 5, by CircleCI's list.
SAVED_A_MINUTE = {
    5: "medium|medium[+]|large",  # 2 CPUs to 1, 3 to 2, 4 to 3
    20: "xlarge|2xlarge[+]",  # 8 to 4, 20 to 16
    40: "2xlarge",  # 16 to 8
}
MEMORY_STEPS: Steps = [(None, WELL), (0.5, DOUBTFUL), (0.8, BAD)]
WAIT_STEPS: Steps = [(None, WELL), (5 * 60, DOUBTFUL), (15 * 60, BAD)]


def counted(name: str, window: str = "7d", by: str = "", more: str = "") -> str:
    """How much a counter of jobs rose in a window."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (increase(circleci_usage_job_{name}_total{{{HERE}{more}}}[{window}]))"


def days(window: str = "7d", then: str = "") -> str:
    """How many days were added to the counters in a window, by organization: they rise by whole days."""
    newest = f"circleci_usage_day_timestamp_seconds[{window}]{then}"
    earliest = f"min by (organization) (min_over_time({newest}))"
    return f"(max by (organization) (max_over_time({newest})) - {earliest}) / 86400"


def by_days(window: str = "7d", then: str = "") -> str:
    """Divides by these days, of the organization of which most were read; by none, nothing is divided."""
    return f"/ on () group_left () (max({days(window, then)}) > 0)"


def a_day(name: str = "credits", by: str = "", more: str = "") -> str:
    """What a counter of jobs rose by in a day, of the last seven."""
    return f"{counted(name, by=by, more=more)} {by_days()}"


def whole_weeks() -> str:
    """Only if this week and the one before were read to the last day, of every organization.

    A day can be read some hours later than the same day of the week before.
    """
    both = f"{days('7d12h')} >= 7 and {days('7d12h', ' offset 7d')} >= 7"
    return f"count({both}) == count(max by (organization) (circleci_usage_day_timestamp_seconds))"


def priced(credits_: str) -> str:
    """Credits as money."""
    return f"{credits_} * $price"


def saved() -> str:
    """Credits a day that each job would save in the next smaller class, if it ran no longer there."""
    terms = (
        f"""{counted("run_seconds", by=JOB, more=f', resource_class=~"{classes}"')} / 60 * {credits_} {by_days()}"""
        for credits_, classes in SAVED_A_MINUTE.items()
    )
    return f"({' or '.join(terms)})"


def use(name: str) -> str:
    """How much of its class each job used on the newest day."""
    return f"max by ({JOB}) (circleci_usage_job_{name}_ratio{{{HERE}}})"


def _numbers(board: Dashboard) -> None:
    now = counted("credits")
    before = now.replace("[7d]", "[7d] offset 7d")
    row(
        board,
        "Last 7 days",
        number(
            "Billed credits a day",
            f"Billed credits of the last 7 days, {BY_DAYS}. {NEEDED}",
            a_day(),
            unit=CREDITS,
            curve=True,
            width=5,
        ),
        number("Cost a day", f"{MONEY} {NEEDED}", priced(a_day()), unit=MONEY_UNIT, curve=True, width=5),
        change(
            "Credits vs the 7 days before",
            f"Change of the credits a day of the last 7 days, once 14 whole days were read. {NEEDED}",
            percent(f"({now} {by_days()}) / ({before} {by_days(then=' offset 7d')} > 0) - 1")
            + f" and on () ({whole_weeks()})",
            unit="%",
            empty="After 14 whole days",
            steps=[(None, WELL), (10, DOUBTFUL), (30, BAD)],
            width=5,
        ),
        number(
            "Credits a job run",
            f"Credits of the last 7 days, by the job runs. {NEEDED}",
            f"{counted('credits')} / {counted('runs')}",
            unit=CREDITS,
            decimals=0,
            width=4,
        ),
        number(
            "Figures until",
            f"The newest day, in UTC, that was read of the organization that is furthest behind. {NEEDED}",
            # Noon, so that it is the same date in every time zone but the last.
            "(min(circleci_usage_day_timestamp_seconds) + 43200) * 1000",
            unit="time:YYYY-MM-DD",
            width=5,
        ),
    )


def _credits(board: Dashboard) -> None:
    def by(label: str, *, full: str = "", legend: str = "") -> list[Line]:
        labels = full or label
        rise = f"increase(circleci_usage_job_credits_total{{{{{HERE}}}}}[1d]{{at}})"
        day = f"sum by ({labels}) ({rise}) {by_days('1d', '{at}')}"
        return ranked(day, labels, legend or f"{{{{{label}}}}}", rank=day.replace("[1d]", "[7d]"))

    kinds = f"sum by (kind) (increase(circleci_usage_credits_total[1d]{{at}})) {by_days('1d', '{at}')}"
    charts = (
        ("project", "projects", by("project")),
        ("workflow", "workflows", by("workflow", full="project, workflow", legend="{{project}} {{workflow}}")),
        ("job", "jobs", by("job", full="project, workflow, job_name", legend="{{workflow}} {{job_name}}")),
        ("class", "resource classes", by("resource_class")),
    )
    row(
        board,
        "Billed credits a day",
        *(
            chart(
                f"Billed credits a day by {name}",
                f"The six {names} with the most credits in the last 7 days. {EVERY_DAY} {NEEDED}",
                lines,
                unit=WHOLE,
                stacked=True,
                bars=True,
                interval=DAY,
                calculations=("lastNotNull", "mean"),
                height=9,
                right=True,
            )
            for name, names, lines in charts
        ),
        chart(
            "Billed credits a day by kind",
            "What the credits of all organizations were for: compute, Docker layer caching (dlc), users, storage, "
            f"network, IP ranges and leases. {EVERY_DAY} {NEEDED}",
            ranked(kinds, "kind", "{{kind}}", count=8, rank=kinds.replace("[1d]", "[7d]")),
            unit=WHOLE,
            stacked=True,
            bars=True,
            interval=DAY,
            calculations=("lastNotNull", "mean"),
            height=10,
            right=True,
        ),
        bars(
            "Cost in 30 days by project",
            f"30 times the mean of the last 7 days: the ten most expensive projects. {MONEY} {NEEDED}",
            f"sort_desc(topk(10, {priced('30 * ' + a_day(by='project'))}))",
            "{{project}}",
            unit=DOLLARS,
            width=12,
            height=10,
        ),
        listing(
            "Jobs by credits",
            f"The twenty jobs with the most credits in the last 7 days. {MONEY} {NEEDED}",
            NAMES,
            [
                Column("Billed credits a day", most(), WHOLE, [(None, BLUE)], gauge=True, width=200),
                Column(
                    "Cost a day", f"{priced(a_day(by=JOB))} and on ({JOB}) {most()}", MONEY_UNIT, decimals=2, width=100
                ),
                Column("Runs a day", f"{a_day('runs', by=JOB)} and on ({JOB}) {most()}", decimals=1, width=95),
                Column("Slug rows", of_slug(most(), JOB)),
            ],
            sort="Billed credits a day",
            hidden=("Value #D",),
            unseen=("Slug",),
            links=LINKS,
            width=24,
            height=10,
        ),
    )


def most() -> str:
    """The twenty jobs with the most credits."""
    return f"topk(20, {a_day(by=JOB)} > 0)"


def _smaller(board: Dashboard) -> None:
    least = f"bottomk(10, {use('cpu_median')} and on ({JOB}) {saved()} > 0)"

    def of_least(expression: str) -> str:
        return f"{expression} and on ({JOB}) {least}"

    row(
        board,
        "Jobs that could be smaller",
        listing(
            "Lowest CPU use for their class, and the estimated savings of one class smaller",
            "The ten jobs with the lowest CPU use, of those in a class of Docker that has a smaller one. CPU "
            "and memory are of the newest day: the median of the medians of all runs, the highest of their "
            "maxima. The savings are an estimate: the run time of the last 7 days at CircleCI's list of credits"
            " a minute, as if the job ran no longer in the smaller class. A job that needs more memory than the"
            " smaller class has does not fit. " + NEEDED,
            NAMES,
            [
                Column("CPU median", least, RATIO, [(None, BLUE)], gauge=True, decimals=0, width=115),
                Column("CPU max", of_least(use("cpu_max")), RATIO, decimals=0, width=90),
                Column("Memory max", of_least(use("memory_max")), RATIO, MEMORY_STEPS, decimals=0, width=110),
                Column("Billed credits a day", of_least(a_day(by=JOB)), WHOLE, width=150),
                Column("Est. saving a day", of_least(saved()), WHOLE, width=140),
                Column(
                    "Est. saving in 30 days", of_least(priced(f"30 * {saved()}")), MONEY_UNIT, decimals=2, width=175
                ),
                Column("Slug rows", of_slug(least, JOB)),
            ],
            sort="CPU median",
            descending=False,
            hidden=("Value #G",),
            unseen=("Slug",),
            links=LINKS,
            width=24,
            height=12,
        ),
    )


def _queue(board: Dashboard) -> None:
    waits = f"circleci_usage_job_queue_seconds_bucket{{{HERE}}}"
    kept = f"circleci_usage_job_queue_seconds_bucket{{{{{HERE}}}}}"
    day = f"histogram_quantile(0.95, sum by (resource_class, le) (increase({kept}[1d]{{at}})))"

    def quantile(rank: float) -> str:
        return f"histogram_quantile({rank}, sum by (resource_class, le) (increase({waits}[7d])))"

    def part(name: str) -> str:
        return f"sum by (resource_class) (increase(circleci_usage_job_queue_seconds_{name}{{{HERE}}}[7d]))"

    row(
        board,
        "Queue time",
        chart(
            "Queue time by class",
            "95th percentile of the time that job runs waited for an executor, estimated from the histogram: the six "
            f"resource classes with the longest in the last 7 days. {EVERY_DAY.replace('bar', 'point')} {NEEDED}",
            ranked(
                minutes(day),
                "resource_class",
                "{{resource_class}}",
                rank=day.replace("[1d]", "[7d]"),
            ),
            unit=MINUTES,
            interval=DAY,
            calculations=("lastNotNull", "max"),
            right=True,
            height=9,
        ),
        listing(
            "Resource classes by queue time",
            f"Of the job runs of the last 7 days; percentiles are estimated from the histogram. {NEEDED}",
            {"resource_class": "Class"},
            [
                Column("95th percentile", f"{quantile(0.95)} > 0", CLOCK, WAIT_STEPS, width=130),
                Column("Median", quantile(0.5), CLOCK, width=100),
                Column("Mean", f"{part('sum')} / {part('count')}", CLOCK, width=100),
                Column("Runs a day", f"{part('count')} {by_days()}", decimals=1, width=100),
            ],
            sort="95th percentile",
        ),
    )


def build() -> Dashboard:
    """The dashboard."""
    board = begin(
        COST,
        "Cost",
        "Credits by project, workflow, job and resource class, jobs that could be smaller, and queue time, from "
        "CircleCI's Usage export. Needs `usage` in the configuration.",
        "now-14d",
        "15m",
    )
    board.with_variable(
        variable("project", "Project", "label_values(circleci_usage_job_credits_total, project)", many=True)
    )
    board.with_variable(text("price", "Price of a credit in USD", "0.0006"))
    alerts(board, "workflow")
    for part in (_numbers, _credits, _smaller, _queue):
        part(board)
    return board
