"""What an exact exporter shows of pipelines, worked out plainly from what the synthetic CircleCI knows.

Nothing here is taken from the exporter: what counts, and how, is written down once more. Samples are keyed by
family, then by the sorted pairs of their labels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.campaigns.samples import bound_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.campaigns.samples import Labels, Samples

Facts = dict[str, Any]

FINAL = ("success", "failed", "error", "canceled", "unauthorized")
NOT_FINAL = ("running", "failing", "on_hold", "queued", "paused")
JOB_FINAL = (
    "success",
    "failed",
    "canceled",
    "unauthorized",
    "infrastructure_fail",
    "timedout",
    "terminated-unknown",
    "retried",
)
JOB_UNDER_WAY = ("running", "queued", "not_running", "on_hold", "blocked")
IN_PROGRESS = ("circleci_workflow_runs_in_progress", "circleci_jobs_in_progress")
OLDEST = (
    "circleci_workflow_oldest_run_in_progress_timestamp_seconds",
    "circleci_oldest_waiting_job_timestamp_seconds",
)


@dataclass(frozen=True)
class Rules:
    """What the configuration says, and when the first look was, by CircleCI's clock."""

    began: Mapping[str, float]
    named: Sequence[str]
    buckets: Sequence[float]
    wait_buckets: Sequence[float]


class Truth:
    """The samples of one moment."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.samples: defaultdict[tuple[str, Labels], float] = defaultdict(float)
        self._jobs_seen: set[str] = set()

    def of(self, pipelines: Iterable[Facts]) -> Samples:
        """Count all pipelines, as they look now."""
        for pipeline in pipelines:
            if pipeline["slug"] in self.rules.began:
                self._pipeline(pipeline, self.rules.began[pipeline["slug"]])
        return {key: round(value, 6) for key, value in self.samples.items() if value}

    def _pipeline(self, pipeline: Facts, began: float) -> None:
        project, branch = pipeline["slug"], branch_of(pipeline, self.rules.named)
        known = ("webhook", "api", "explicit", "scheduled_pipeline")
        trigger = {"schedule": "scheduled_pipeline"}.get(pipeline["trigger"], pipeline["trigger"])
        trigger = trigger if trigger in known else "other"
        earlier = [state for state, until in pipeline["before"] if began < until]
        if pipeline["created"] > began or (earlier or [pipeline["state"]])[0] not in {"created", "errored"}:
            outcome = "errored" if pipeline["state"] == "errored" else "created"
            self._add("circleci_pipelines_total", 1, project=project, branch=branch, trigger=trigger, outcome=outcome)
        for workflow in sorted(pipeline["workflows"], key=lambda each: each["created"]):
            self._workflow(workflow, began, project=project, workflow=workflow["name"], branch=branch)

    def _workflow(self, run: Facts, began: float, **labels: str) -> None:
        ended, stop = has_ended(run), stop_of(run)
        if ended and (run["status"] == "not_run" or stop <= began):
            return
        for job in run["jobs"]:
            self._job(run, job, began, **labels)
        if not ended:
            return
        self._add("circleci_workflow_runs_total", 1, status=run["status"], **labels)
        if run["dated"]:
            self._observe("circleci_workflow_run_duration_seconds", self.rules.buckets, stop - run["created"], **labels)
        if run["shown"] is not None and run["status"] in FINAL:  # the synthetic Insights knows no other end
            self._add("circleci_workflow_run_credits_total", run["credits"], **labels)
        for (name, phase), seconds in path_of(run).items() if run["dated"] else ():
            self._add("circleci_job_critical_path_seconds_total", seconds, job_name=name, phase=phase, **labels)

    def _job(self, run: Facts, job: Facts, began: float, **labels: str) -> None:
        stopped, status = job["stopped"], job["status"]
        final = status in JOB_FINAL or (status not in (*JOB_UNDER_WAY, "not_run", "thawing") and stopped is not None)
        if not final or job["type"] == "approval" or carried_over(job, run) or job["id"] in self._jobs_seen:
            return
        self._jobs_seen.add(job["id"])
        over = job["ended"] if stopped is None else stopped
        if over is not None and over <= began:
            return
        labels["job_name"] = job["name"]
        self._add("circleci_job_runs_total", 1, status=status if status in JOB_FINAL else "other", **labels)
        if job["started"] is None:
            return
        if stopped is not None:
            self._observe("circleci_job_run_duration_seconds", self.rules.buckets, stopped - job["started"], **labels)
        if run["dated"] and not any(needed["type"] == "approval" for needed in needed_by(job, run)):
            wait = max(job["started"] - ready_at(job, run), 0.0)
            self._observe("circleci_job_run_wait_seconds", self.rules.wait_buckets, wait, **labels)

    def _add(self, family: str, amount: float, **labels: str) -> None:
        self.samples[family, tuple(sorted(labels.items()))] += amount

    def _observe(self, family: str, bounds: Sequence[float], value: float, **labels: str) -> None:
        for bound in (*bounds, float("inf")):
            if value <= bound:
                self._add(f"{family}_bucket", 1, le=bound_text(bound), **labels)
        self._add(f"{family}_sum", value, **labels)
        self._add(f"{family}_count", 1, **labels)


def gauges(pipelines: Iterable[Facts], named: Sequence[str], slugs: Sequence[str]) -> Samples:
    """What is in progress now; what is at 0 is left out. A canceled run is none, though its jobs are."""
    counts: Counter[tuple[str, Labels]] = Counter()
    oldest: dict[tuple[str, Labels], list[float]] = defaultdict(list)

    def key(family: str, **labels: str) -> tuple[str, Labels]:
        return family, tuple(sorted(labels.items()))

    for pipeline in pipelines:
        project = pipeline["slug"]
        if project not in slugs:
            continue
        for run in pipeline["workflows"]:
            labels = {"project": project, "workflow": run["name"], "branch": branch_of(pipeline, named)}
            if not has_ended(run):
                status = run["status"] if run["status"] in NOT_FINAL[:-1] else "other"
                counts[key(IN_PROGRESS[0], status=status, **labels)] += 1
                oldest[key(OLDEST[0], **labels)].append(
                    run["created"] if run["dated"] else float(int(pipeline["created"]))
                )
            elif run["status"] != "canceled":
                continue
            for job in run["jobs"]:
                if job["status"] in (*JOB_UNDER_WAY, "thawing"):
                    status = job["status"] if job["status"] in JOB_UNDER_WAY else "other"
                    counts[key(IN_PROGRESS[1], status=status, project=project)] += 1
                if (
                    run["dated"]
                    and job["status"] in {"queued", "not_running"}
                    and not any(needed["type"] == "approval" for needed in needed_by(job, run))
                ):
                    oldest[key(OLDEST[1], project=project)].append(ready_at(job, run))
    return {**counts, **{each: min(times) for each, times in oldest.items()}}


# ---- what the words mean


def branch_of(pipeline: Facts, named: Sequence[str]) -> str:
    """The label `branch` of what a pipeline ran."""
    if pipeline["source"] in {"none", "unfetched"}:
        return "other branches"
    if pipeline["tag"] is not None:
        return "all tags"
    return pipeline["branch"] if pipeline["branch"] in named else "other branches"


def has_ended(run: Facts) -> bool:
    """Whether a workflow run is over."""
    return run["status"] in (*FINAL, "not_run") or (run["status"] not in NOT_FINAL and run["stopped"] is not None)


def stop_of(run: Facts) -> float:
    """When it stopped; a canceled one with the last of its jobs."""
    own = [job["stopped"] for job in run["jobs"] if job["stopped"] is not None and not carried_over(job, run)]
    return float(max([run["stopped"] or run["created"], *(own if run["status"] == "canceled" else [])]))


def carried_over(job: Facts, run: Facts) -> bool:
    """Whether a job ran in an earlier run."""
    return job["stopped"] is not None and job["stopped"] < run["created"]


def needed_by(job: Facts, run: Facts) -> list[Facts]:
    """What a job had to wait for: its dependencies, and its own attempts that were given up before it began."""
    return [
        other
        for other in run["jobs"]
        if other["id"] != job["id"]
        and (
            other["id"] in job["dependencies"]
            or (
                other["name"] == job["name"]
                and other["status"] == "retried"
                and job["type"] != "approval"
                and (job["started"] is None or (other["started"], other["id"]) < (job["started"], job["id"]))
            )
        )
    ]


def ready_at(job: Facts, run: Facts) -> float:
    """When a job could have started."""
    stops = [each["stopped"] for each in needed_by(job, run) if each["stopped"] is not None]
    return float(max([run["created"], *stops]))


def path_of(run: Facts) -> dict[tuple[str, str], float]:
    """The seconds of a run's critical path by job and phase, walked back from the job that stopped last."""
    spent: dict[tuple[str, str], float] = defaultdict(float)
    job = _last(each for each in run["jobs"] if each["type"] != "approval" and not carried_over(each, run))
    now = job["stopped"] if job is not None else run["created"]
    walked: set[str] = set()
    while job is not None and now > run["created"]:
        walked.add(job["id"])
        begin = min(max(job["started"], run["created"]), now) if job["started"] is not None else now
        before, waiting_for = needed_by(job, run), job["name"]
        approvals = [each for each in before if each["type"] == "approval"]
        if approvals:
            asked = {each["id"]: _last_stop(_before_approval(each, run), run) for each in approvals}
            approval = max(approvals, key=lambda each: (asked[each["id"]], each["name"]))
            waiting_for = approval["name"]
            before = [each for each in before if each["type"] != "approval"]
            before += [each for one in approvals for each in _before_approval(one, run)]
        before = [each for each in before if not carried_over(each, run) and each["id"] not in walked]
        earlier = _last(before)
        then = run["created"] if earlier is None else min(max(earlier["stopped"], run["created"]), begin)
        spent[job["name"], "run"] += now - begin
        spent[waiting_for, "wait"] += begin - then
        job, now = earlier, then
    return spent


def _before_approval(approval: Facts, run: Facts) -> list[Facts]:
    found: dict[str, Facts] = {}
    for needed in needed_by(approval, run):
        for each in _before_approval(needed, run) if needed["type"] == "approval" else [needed]:
            found[each["id"]] = each
    return list(found.values())


def _last_stop(jobs: Iterable[Facts], run: Facts) -> float:
    last = _last(each for each in jobs if not carried_over(each, run))
    return float(run["created"] if last is None else max(last["stopped"], run["created"]))


def _last(jobs: Iterator[Facts] | Iterable[Facts]) -> Facts | None:
    stopped = [job for job in jobs if job["stopped"] is not None]
    return max(stopped, key=lambda job: (job["stopped"], job["name"], job["id"]), default=None)
