"""What an exact exporter shows of attempts, red and feedback, worked out plainly from what is known at the end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.campaigns.pipelines.truth import (
    FINAL,
    Truth,
    branch_of,
    carried_over,
    has_ended,
    needed_by,
    stop_of,
)
from tests.campaigns.samples import bound_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.campaigns.pipelines.truth import Facts, Rules
    from tests.campaigns.samples import Labels, Samples

RED = ("circleci_workflow_failures_in_a_row", "circleci_workflow_red_since_timestamp_seconds")
FAILED = ("failed", "error")
MANY = ("all tags", "other branches")


def red(pipelines: Iterable[Facts], named: Sequence[str], began: Mapping[str, float]) -> Samples:
    """How many pipelines failed in a row, newest first, and since when; nothing where a branch is green."""
    runs: defaultdict[Labels, list[tuple[tuple[float, str], list[Facts]]]] = defaultdict(list)
    appeared: set[Labels] = set()
    for pipeline in pipelines:
        branch = branch_of(pipeline, named)
        if pipeline["slug"] not in began or branch in MANY:
            continue
        for name in {each["name"] for each in pipeline["workflows"]}:
            key: Labels = (("branch", branch), ("project", pipeline["slug"]), ("workflow", name))
            of = {"pipeline_created": pipeline["created"]}
            attempts = [each | of for each in attempts_of(pipeline) if each["name"] == name]
            judged = [each for each in attempts if has_ended(each) and each["status"] in ("success", *FAILED)]
            if judged:
                runs[key].append(((pipeline["created"], pipeline["id"]), judged))
            if any(is_counted(each, began[pipeline["slug"]]) or not has_ended(each) for each in attempts):
                appeared.add(key)
    found: Samples = {}
    for key in appeared:
        failures, since = 0, 0.0
        for _, judged in sorted(runs[key], key=lambda each: each[0], reverse=True):
            if judged[-1]["status"] == "success":
                break
            failures += 1
            before = [number for number, each in enumerate(judged) if each["status"] == "success"]
            first = judged[before[-1] + 1 if before else 0]
            since = first["stopped"] if first["dated"] else float(int(first["pipeline_created"]))
        if failures:
            found |= {(RED[0], key): failures, (RED[1], key): since}
    return found


def attempts_of(pipeline: Facts) -> list[Facts]:
    """The runs of a pipeline in the order of their creation."""
    return sorted(pipeline["workflows"], key=lambda run: (shown_creation(pipeline, run), run["id"]))


def shown_creation(pipeline: Facts, run: Facts) -> float:
    """When a run was created; without a creation in CircleCI's answer that is its pipeline's."""
    return float(run["created"] if run["dated"] else int(pipeline["created"]))


def is_counted(run: Facts, began: float) -> bool:
    """Whether a run is counted: it ended after the first look."""
    return has_ended(run) and run["status"] != "not_run" and stop_of(run) > began


# ---- what is counted


def whole(rules: Rules, pipelines: Sequence[Facts]) -> Samples:
    """All that is counted, that of single runs and jobs too."""
    found: defaultdict[tuple[str, Labels], float] = defaultdict(float)
    for pipeline in pipelines:
        if pipeline["slug"] in rules.began:
            began, branch = rules.began[pipeline["slug"]], branch_of(pipeline, rules.named)
            for group in groups_of(pipeline):
                labels = {"project": pipeline["slug"], "workflow": group[0]["name"], "branch": branch}
                _count_attempts(group, began, found, labels)
            if pipeline["created"] > began:
                _feed_back(pipeline, found, rules, {"project": pipeline["slug"], "branch": branch})
    again = {series: round(value, 6) for series, value in found.items() if value}
    return Truth(rules).of(pipelines) | again


def groups_of(pipeline: Facts) -> list[list[Facts]]:
    """The attempts of each workflow; those of setup workflows apart."""
    runs = attempts_of(pipeline)
    kinds = sorted({(run["name"], bool(run["setup"])) for run in runs})
    return [[run for run in runs if (run["name"], bool(run["setup"])) == kind] for kind in kinds]


def _count_attempts(
    group: list[Facts], began: float, found: defaultdict[tuple[str, Labels], float], labels: dict[str, str]
) -> None:
    def add(family: str, amount: float, **more: str) -> None:
        found[family, tuple(sorted((labels | more).items()))] += amount

    for run in group[1:]:
        if is_counted(run, began):
            carried = any(carried_over(job, run) for job in run["jobs"])
            kind = "automatic" if run["auto_rerun_number"] else "partial" if carried else "full"
            add("circleci_workflow_reruns_total", 1, kind=kind, status=run["status"])
            for job in _job_runs(run, began):
                if job["started"] is not None:
                    add("circleci_workflow_rerun_job_seconds_total", job["stopped"] - job["started"])
            if run["shown"] is not None and run["status"] in FINAL:
                add("circleci_workflow_rerun_credits_total", run["credits"])
    failed = [number for number, run in enumerate(group) if has_ended(run) and run["status"] in FAILED]
    if failed and any(run["status"] == "success" and is_counted(run, began) for run in group[failed[0] :]):
        add("circleci_workflow_rescued_total", 1)
    for name in _flakes(group, began):
        add("circleci_job_flakes_total", 1, job_name=name)


def _flakes(group: list[Facts], began: float) -> Iterator[str]:
    """The names of jobs, once for each failed run that a later success redeems."""
    counted = [run for run in group if is_counted(run, began)]
    for number, run in enumerate(counted):
        later = [job for each in counted[number:] for job in _job_runs(each, began) if job["status"] == "success"]
        for job in _job_runs(run, began):
            redeemed = any(each["name"] == job["name"] and each["stopped"] >= job["stopped"] for each in later)
            if job["status"] in {"failed", "timedout", "infrastructure_fail", "retried"} and redeemed:
                yield job["name"]


def _job_runs(run: Facts, began: float) -> list[Facts]:
    """The job runs that ended after the first look, and have a stop."""
    return [
        job
        for job in run["jobs"]
        if job["type"] != "approval"
        and job["stopped"] is not None
        and job["stopped"] > began
        and not carried_over(job, run)
        and job["status"] != "not_run"
    ]


# ---- feedback


def _feed_back(
    pipeline: Facts, found: defaultdict[tuple[str, Labels], float], rules: Rules, labels: dict[str, str]
) -> None:
    results, stops = set[str](), list[float]()
    if pipeline["state"] == "errored":
        results.add("failed")
    for first, *_ in groups_of(pipeline):
        by_itself = [job for job in first["jobs"] if job["type"] != "approval" and not _is_late(job, first)]
        held = any(job["type"] == "approval" for job in first["jobs"])
        if not has_ended(first) and not (held and all(_has_ended(job) for job in by_itself)):
            return
        ends = [job["stopped"] for job in by_itself if job["stopped"] is not None and job["status"] != "not_run"]
        if first["status"] == "not_run":
            continue
        if held:
            results |= {_result(job["status"]) for job in by_itself if job["status"] not in {"not_run", "retried"}}
        else:
            results.add(_result(first["status"]))
            ends = ends or [first["stopped"]] * first["dated"]
        stops += ends
    if stops and max(stops) >= pipeline["created"]:
        result = next((each for each in ("failed", "canceled", "other") if each in results), "success")
        seconds = max(stops) - round(pipeline["created"] * 1000) / 1000  # as CircleCI writes it
        family = "circleci_pipeline_feedback_seconds"
        of = tuple(sorted((labels | {"result": result}).items()))
        for bound in (*rules.buckets, float("inf")):
            if seconds <= bound:
                found[f"{family}_bucket", tuple(sorted((*of, ("le", bound_text(bound)))))] += 1
        found[f"{family}_sum", of] += seconds
        found[f"{family}_count", of] += 1


def _is_late(job: Facts, run: Facts) -> bool:
    """Whether a job could not start before an approval was granted."""
    return any(before["type"] == "approval" or _is_late(before, run) for before in needed_by(job, run))


def _has_ended(job: Facts) -> bool:
    return job["status"] not in {"running", "queued", "not_running", "on_hold", "blocked", "thawing"}


def _result(status: str) -> str:
    if status in {"failed", "error", "timedout", "infrastructure_fail", "terminated-unknown"}:
        return "failed"
    return status if status in {"success", "canceled"} else "other"
