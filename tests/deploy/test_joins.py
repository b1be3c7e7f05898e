"""No alert falls silent because something that it joins is missing or there twice; tried by promtool on every case."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.promql import metrics
from tests.deploy.rules_of_cases import read, run

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))
# The cases are about moments, which need many evaluations; here few will do.
COARSE = {"exporter": "5m", "replicas": "5m", "runners": "5m", "runs": "5m", "usage": "1h", "webhooks": "5m"}
COARSE |= {"workflow": "2h"}
# What an alert is about: without this it may be silent. An unknown default branch has an alert of its own.
BRANCH = {"circleci_insights_default_branch"}
RUNS = {"circleci_workflow_runs_total"} | BRANCH
EVIDENCE = {
    "CircleCIExporterDown": {"up"},
    "CircleCINoLeader": {"circleci_exporter_leader", "circleci_exporter_total_shards"},
    "CircleCIReplicaDown": {"up", "circleci_exporter_leader"},
    "CircleCINoProjects": {"circleci_exporter_projects"},
    "CircleCINoData": {"circleci_exporter_projects"},
    "CircleCINoRunCounters": {"circleci_exporter_projects"},
    "CircleCIProjectsLost": {"circleci_exporter_discovered_projects"},
    "CircleCITokenRefused": {"circleci_exporter_up", "circleci_exporter_api_requests_total"},
    "CircleCIUnreachable": {"circleci_exporter_up"},
    "CircleCIProjectFailing": {"circleci_exporter_collector_success"},
    "CircleCIDataStale": {"circleci_exporter_collector_last_success_timestamp_seconds"},
    "CircleCIRateLimited": {"circleci_exporter_api_throttled_seconds_total"},
    "CircleCIPollsLate": {"circleci_exporter_poll_delay_seconds"},
    "CircleCIPipelinesSetAside": {"circleci_exporter_set_aside_pipelines"},
    "CircleCISeriesDropped": {"circleci_exporter_dropped_series_total"},
    "CircleCIFieldsUnreadable": {"circleci_exporter_unreadable_fields_total"},
    "CircleCIDefaultBranchUnknown": {"circleci_insights_workflow_runs"},
    "CircleCIShardMissing": {"circleci_exporter_shard_ordinal", "circleci_exporter_total_shards"},
    "CircleCIShardDoubled": {"circleci_exporter_shard_ordinal"},
    "CircleCIShardCountsDiffer": {"circleci_exporter_total_shards"},
    "CircleCIReloadFailed": {"circleci_exporter_config_last_reload_successful"},
    "CircleCIStateNotWritable": {"circleci_exporter_state_writable"},
    # Without knowing that it stood by a day ago, it is told for a day after the start.
    "CircleCIStateLost": {
        "circleci_exporter_state_moved_aside_total",
        "circleci_exporter_state_damaged_records_total",
        "circleci_exporter_state_older_total",
        "circleci_exporter_leader",
    },
    "CircleCIWebhooksStopped": {"circleci_exporter_webhooks_total", "circleci_exporter_run_delay_seconds_count"},
    "CircleCIWebhookSignaturesBad": {"circleci_exporter_webhooks_total"},
    "CircleCIRunnersUnreadable": {"circleci_exporter_collector_failures_total"},
    "CircleCIUsageStale": {"circleci_usage_day_timestamp_seconds", "circleci_exporter_collector_failures_total"},
    "CircleCIJobRunsMissed": {
        "circleci_exporter_reconciled_job_runs",
        "circleci_exporter_reconciled_day_timestamp_seconds",
    },
    "CircleCIOrganizationOverBudget": {"circleci_usage_credits_total", "circleci_usage_day_timestamp_seconds"},
    "CircleCIDefaultBranchFailing": {
        "circleci_workflow_failures_in_a_row",
        "circleci_workflow_red_since_timestamp_seconds",
    }
    | BRANCH,
    "CircleCIRerunsRising": {"circleci_workflow_reruns_total", "circleci_workflow_runs_total"},
    "CircleCIFailureBudgetBurnsFast": RUNS,
    "CircleCIFailureBudgetBurnsSlowly": RUNS,
    "CircleCIRunStuck": {"circleci_workflow_oldest_run_in_progress_timestamp_seconds"},
    "CircleCIJobWaiting": {"circleci_oldest_waiting_job_timestamp_seconds"},
    "CircleCIConfigurationError": {"circleci_pipelines_total"} | BRANCH,
    "CircleCIRunnersGone": {"circleci_runner_unclaimed_tasks", "circleci_runners"},
    "CircleCITasksUnclaimed": {"circleci_runner_unclaimed_tasks"},
    "CircleCIDurationRegression": {"circleci_insights_workflow_duration_p95_seconds"} | BRANCH,
    "CircleCIWorkflowIdle": {"circleci_insights_workflow_last_run_timestamp_seconds"} | BRANCH,
    "CircleCIFlakyTestsRising": {"circleci_insights_flaky_tests"},
    "CircleCICreditsOverBudget": {"circleci_insights_workflow_credits_used", "circleci_insights_project_credits_used"}
    | BRANCH,
}


def firing(cases: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """For each alert the first test that says it fires, with its last such case."""
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for test in read(cases)["tests"]:
        last = {case["alertname"]: case for case in test.get("alert_rule_test", []) if case.get("exp_alerts")}
        found = {name: (test, case) for name, case in last.items()} | found
    yield from found.values()


def fires(case: dict[str, Any]) -> list[dict[str, Any]]:
    """That each alert of the case fires, once or more often, with or without a team."""
    checks = []
    for alert in case["exp_alerts"]:
        labels = {"alertname": case["alertname"], "alertstate": "firing", **alert["exp_labels"]}
        labels.pop("team", None)
        selector = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        checks.append(
            {
                "expr": f"count(ALERTS{{{selector}}}) > bool 0",
                "eval_time": case["eval_time"],
                "exp_samples": [{"labels": "{}", "value": 1}],
            }
        )
    return checks


def name_of(series: dict[str, Any]) -> str:
    return next(iter(metrics(series["series"])))


def changed(test: dict[str, Any], series: list[dict[str, Any]], case: dict[str, Any], name: str) -> dict[str, Any]:
    """A test with other series, in which the alerts of the case must fire all the same."""
    return {"name": name, "interval": test["interval"], "input_series": series, "promql_expr_test": fires(case)}


def without_each(cases: Path) -> Iterator[dict[str, Any]]:
    """Each test without one of its metrics, for each that is not what an alert is about."""
    for test, case in firing(cases):
        for name in sorted({name_of(series) for series in test["input_series"]} - EVIDENCE[case["alertname"]]):
            kept = [series for series in test["input_series"] if name_of(series) != name]
            yield changed(test, kept, case, f"{case['alertname']} without {name}")


def doubled(cases: Path) -> Iterator[dict[str, Any]]:
    """Each test with each of its series twice, as with two replicas of Prometheus behind one federation."""
    for test, case in firing(cases):
        second = copy.deepcopy(test["input_series"])
        for series in second:
            bare, _, labels = series["series"].partition("{")
            series["series"] = f'{bare}{{replica="second"{", " + labels if labels else "}"}'
        yield changed(test, test["input_series"] + second, case, f"{case['alertname']} twice")


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_no_alert_is_silenced_by_a_missing_series_that_it_is_not_about(
    cases: Path, promtool: Path, tmp_path: Path
) -> None:
    tests = list(without_each(cases))

    run(promtool, tmp_path, cases, tests, every=COARSE[cases.stem])


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_no_alert_is_silenced_by_series_that_are_there_twice(cases: Path, promtool: Path, tmp_path: Path) -> None:
    tests = list(doubled(cases))

    run(promtool, tmp_path, cases, tests, every=COARSE[cases.stem], twice=True)


def test_an_alert_of_its_own_tells_that_a_default_branch_is_unknown(promtool: Path, tmp_path: Path) -> None:
    cases = next(path for path in CASES if path.stem == "runs")
    alert = {"exp_labels": {"severity": "warning", "project": "gh/acme/web"}}
    tests = []
    for test, case in firing(cases):
        if "circleci_workflow_runs_total" in EVIDENCE[case["alertname"]]:
            kept = [series for series in test["input_series"] if name_of(series) not in BRANCH]
            told = {"alertname": "CircleCIDefaultBranchUnknown", "eval_time": case["eval_time"], "exp_alerts": [alert]}
            tests.append(changed(test, kept, told, case["alertname"]))

    run(promtool, tmp_path, cases, tests, every=COARSE[cases.stem])
