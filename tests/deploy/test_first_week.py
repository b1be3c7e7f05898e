"""What dashboards say a day and against a week ago: an hour, a day, three days and a month after the first scrape."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.exporter_metrics import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOURS = 30 * 24
JOB = 'project="gh/a/web", workflow="ci", job_name="build", resource_class="medium"'
PROJECT = '{project="gh/a/web"}'
NAMED = f"{{{JOB}}}"


def days(hour: int, first: int = 1) -> int:
    """Days of usage that were read: three at first, then one more at each noon."""
    return 3 + max(0, (hour - 12) // 24) if hour >= first else 0


def credits_(hour: int) -> int:
    """700 a day, and twice as many in the last week."""
    return 700 * (days(hour) + max(0, days(hour) - days(23 * 24)))


def series(name: str, value: Callable[[int], float | str]) -> dict[str, str]:
    """One value an hour."""
    return {"series": name, "values": " ".join(str(value(hour)) for hour in range(HOURS + 1))}


def usage(cluster: str, times: int = 1) -> list[dict[str, str]]:
    """An organization from its first export on."""
    here = f'cluster="{cluster}"'
    return [
        series(f"circleci_usage_job_credits_total{{{here}, {JOB}}}", lambda hour: times * credits_(hour)),
        series(f"circleci_usage_job_runs_total{{{here}, {JOB}}}", lambda hour: 10 * times * days(hour)),
        series(f'circleci_usage_credits_total{{{here}, organization="gh/a", kind="compute"}}', credits_),
        series(
            f'circleci_usage_day_timestamp_seconds{{{here}, organization="gh/a"}}', lambda hour: 86_400 * days(hour)
        ),
    ]


def runs(project: str, since: int) -> list[dict[str, str]]:
    """A run every two hours in a project that is polled since an hour."""
    labels = f'project="{project}"'
    polled = f'circleci_exporter_collector_last_success_timestamp_seconds{{{labels}, collector="runs"}}'
    run = f'circleci_workflow_runs_total{{{labels}, workflow="deploy", branch="main", status="success"}}'
    return [
        series(polled, lambda hour: "_" if hour < since else 3600 * hour),
        series(run, lambda hour: "_" if hour < since else (hour - since) // 2),
    ]


def week(workflow: str, before: int | None, now: int) -> list[dict[str, str]]:
    """Successes of a hundred runs, in the week before the last day and since then."""
    labels = f'{{project="gh/a/web", workflow="{workflow}", branch="main", window="last-7-days"}}'

    def known(value: float | None) -> float | str:
        return "_" if value is None else value

    return [
        series(
            f"circleci:default_branch:successful_runs{labels}", lambda hour: known(before if hour < HOURS - 24 else now)
        ),
        series(
            f"circleci:default_branch:runs{labels}",
            lambda hour: known(100 if before is not None or hour >= HOURS - 24 else None),
        ),
    ]


def query(name: str, title: str, ref: str = "A") -> str:
    """A panel's query, with everything chosen but one cluster."""
    board = json.loads((DEPLOY / f"grafana/dashboards/{name}.json").read_text(encoding="utf-8"))
    (panel,) = [each for each in board["panels"] if (each["title"], each["type"] == "row") == (title, False)]
    (expression,) = [each["expr"] for each in panel["targets"] if each["refId"] == ref]
    for variable, value in (("cluster", "(a|)"), ("window", "last-7-days"), ("price", "0.01")):
        expression = expression.replace(f"${variable}", value)
    return re.sub(r"\$\w+", ".*", expression)


def at(hour: int, expression: str, **values: float) -> dict[str, Any]:
    """What a query gives at an hour."""
    return {
        "expr": expression,
        "eval_time": f"{hour}h",
        "exp_samples": [{"labels": k, "value": v} for k, v in values.items()],
    }


def check(promtool: Path, folder: Path, data: list[dict[str, str]], cases: list[dict[str, Any]]) -> None:
    document = {"tests": [{"interval": "1h", "input_series": data, "promql_expr_test": cases}]}
    file = folder / "cases.yml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")

    done = subprocess.run([promtool, "test", "rules", file], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("panel", "labels", "a_day"),
    [
        (("Billed credits a day", "A"), "{}", 700),
        (("Cost a day", "A"), "{}", 7),
        (("Cost in 30 days by project", "A"), PROJECT, 210),
        (("Jobs by credits", "A"), NAMED, 700),
        (("Jobs by credits", "B"), NAMED, 7),
    ],
)
def test_what_usage_costs_a_day_is_by_the_days_that_were_read(
    panel: tuple[str, str], labels: str, a_day: int, promtool: Path, tmp_path: Path
) -> None:
    expression = f"round({query('cost', *panel)}, {a_day / 7})"

    cases = [at(hour, expression, **{labels: a_day}) for hour in (1, 24, 72, 10 * 24)]
    cases += [at(0, expression), at(HOURS, expression, **{labels: 2 * a_day})]
    check(promtool, tmp_path, [*usage("a"), *usage("b", 5)], cases)


def test_job_runs_a_day_are_by_the_days_that_were_read(promtool: Path, tmp_path: Path) -> None:
    expression = f"round({query('cost', 'Jobs by credits', 'C')})"

    check(promtool, tmp_path, usage("a"), [at(hour, expression, **{NAMED: 10}) for hour in (1, 24, 72, HOURS)])


def test_a_bar_of_several_days_is_their_mean_and_one_without_a_day_is_missing(promtool: Path, tmp_path: Path) -> None:
    by_project = f"round({query('cost', 'Billed credits a day by project')}, 50)"
    by_kind = f"round({query('cost', 'Billed credits a day by kind')}, 50)"

    cases = [at(23, by_project, **{PROJECT: 700}), at(30, by_project), at(40, by_project, **{PROJECT: 700})]
    cases += [at(23, by_kind, **{'{kind="compute"}': 700}), at(HOURS, by_kind, **{'{kind="compute"}': 1400})]
    check(promtool, tmp_path, usage("a"), cases)


def test_credits_are_compared_only_between_two_weeks_that_were_read_to_the_last_day(
    promtool: Path, tmp_path: Path
) -> None:
    rises, falls = (query("cost", "Credits vs the 7 days before", ref) for ref in "AB")

    cases = [at(hour, each) for hour in (1, 24, 72, 8 * 24, 10 * 24, 11 * 24) for each in (rises, falls)]
    for hour in (12 * 24, 13 * 24, 15 * 24):
        cases += [at(hour, rises), at(hour, falls, **{'{change="0"}': 0})]
    cases += [at(HOURS, rises, **{'{change="100"}': 100}), at(HOURS, falls)]
    check(promtool, tmp_path, usage("a"), cases)


def test_credits_are_compared_by_the_day_at_every_hour_though_a_day_is_read_later_or_sooner_than_a_week_ago(
    promtool: Path, tmp_path: Path
) -> None:
    def read(hour: int) -> int:
        """Days that were read: at noon, and in the fourth week four hours later, in the last one four hours sooner."""
        late = 4 if 21 <= hour // 24 < 25 else -4 if hour // 24 >= 27 else 0
        return max(0, (hour - 12 - late) // 24)

    labels = '{organization="gh/a"}'
    data = [
        series(f"circleci_usage_job_credits_total{{{JOB}}}", lambda hour: 700 * read(hour)),
        series(f"circleci_usage_day_timestamp_seconds{labels}", lambda hour: 86_400 * read(hour)),
    ]

    same = query("cost", "Credits vs the 7 days before", "B")
    check(promtool, tmp_path, data, [at(hour, same, **{'{change="0"}': 0}) for hour in range(17 * 24, HOURS)])


def test_credits_are_not_compared_while_another_organization_has_no_two_weeks(promtool: Path, tmp_path: Path) -> None:
    late = series(
        'circleci_usage_day_timestamp_seconds{organization="gh/late"}',
        lambda hour: "_" if hour < 600 else 86_400 * days(hour),
    )

    cases = [at(HOURS, query("cost", "Credits vs the 7 days before", ref)) for ref in "AB"]
    check(promtool, tmp_path, [*usage("a"), late], cases)


def test_deployments_a_day_are_by_the_days_since_the_first_poll_of_each_project(promtool: Path, tmp_path: Path) -> None:
    everything = f"round({query('delivery', 'Deployments a day')})"
    by_project = f"round({query('delivery', 'Deployments a day by project')})"
    data = [*runs("gh/a/web", 0), *runs("gh/a/late", HOURS - 36)]

    cases = [at(1, everything), at(25, everything, **{"{}": 12}), at(72, everything, **{"{}": 12})]
    cases += [at(HOURS - 24, everything, **{"{}": 12}), at(HOURS, everything, **{"{}": 24})]
    cases += [at(72, by_project, **{PROJECT: 12})]
    check(promtool, tmp_path, data, cases)


def test_success_is_compared_of_the_workflows_that_are_known_in_both_weeks(promtool: Path, tmp_path: Path) -> None:
    rises = query("overview", "Success ratio vs last week")
    data = [*week("ci", 80, 90), *week("new", None, 0)]

    check(promtool, tmp_path, data, [at(24, rises), at(HOURS, rises, **{'{change="10"}': 10})])
