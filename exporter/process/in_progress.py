"""What the page shows as happening now: runs in progress and what is red, each with its address at CircleCI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from exporter.counting import red
from exporter.insights.collectors import PIPELINES
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.counted_lines import shown
from exporter.publishing.live_lines import is_complete, under_way
from exporter.runs.live import WatchedPipeline, WatchedRun
from exporter.web.page.overview import NowView, Phase, RedView, RunView

CLOUD, CLOUD_APP = "https://circleci.com", "https://app.circleci.com"
"""CircleCI's pages are not where its API is; those of a CircleCI server are."""
_HOSTS_OF_CODE = {"gh": "github", "bb": "bitbucket"}


def in_progress(snapshots: Iterable[Snapshot], circleci: str, now: float) -> NowView | None:
    """The runs of all projects that have the collector `pipelines`; None where there is no such project.

    `circleci` is the address of CircleCI.
    """
    watched = [snapshot for snapshot in snapshots if PIPELINES in snapshot.project.collectors]
    if not watched:
        return None
    runs: list[RunView] = []
    unknown = 0
    for snapshot in watched:
        if snapshot.live is not None:
            fresh, stale = under_way(snapshot.live, snapshot.project, now)
            runs += _runs(snapshot, fresh, circleci)
            unknown += sum(run.ended_seen_at is None for pipeline in stale for run in pipeline.runs)
    runs.sort(key=lambda run: run.created_at)
    pending = sum(each.live is None or not is_complete(each.live, each.project, now) for each in watched)
    broken = sorted((each for one in watched for each in _red(one, circleci, now)), key=lambda each: each.since)
    return NowView(tuple(runs), unknown, pending, tuple(broken))


def _red(snapshot: Snapshot, circleci: str, now: float) -> Iterator[RedView]:
    """What is red of a project; the address is that of the first run that failed, while its pipeline is watched."""
    project, live = snapshot.project, snapshot.live
    if snapshot.ledger is None or live is None:
        return
    for name, workflow in shown(snapshot.ledger, project, now, live):
        for branch, facts in workflow.branches.items():
            failures, since, run = red.of(facts.row)
            if since is not None:
                of = next(each.pipeline[1] for each in facts.row if each.id == run)
                pipeline = live.pipelines.get(of)
                link = address(circleci, project.slug, pipeline.number if pipeline else None, run)
                yield RedView(project.name, name, branch, failures, since, link)


def _runs(snapshot: Snapshot, watched: Iterable[WatchedPipeline], circleci: str) -> Iterator[RunView]:
    project = snapshot.project
    for pipeline in watched:
        for run in pipeline.runs:
            if run.ended_seen_at is None:  # one that was canceled has ended, though not all of its jobs
                yield RunView(
                    project.name,
                    run.name,
                    pipeline.tag or pipeline.branch,
                    _phase(run),
                    run.status,
                    run.created_at,
                    run.jobs,
                    run.waiting_since,
                    address(circleci, project.slug, pipeline.number, run.id),
                )


def _phase(run: WatchedRun) -> Phase:
    if run.status == "on_hold":
        return Phase.ON_HOLD
    waits = run.waiting_since is not None and not dict(run.jobs).get("running")
    return Phase.WAITING if waits or run.status == "queued" else Phase.RUNNING


def address(circleci: str, slug: str, number: int | None, run: str) -> str | None:
    """Where a person finds a workflow run at CircleCI; None while its pipeline's number is not known."""
    if number is None:
        return None
    vcs, organization, name = slug.split("/")
    where = "/".join(quote(part, safe="") for part in (_HOSTS_OF_CODE.get(vcs, vcs), organization, name))
    base = CLOUD_APP if circleci == CLOUD else circleci
    return f"{base}/pipelines/{where}/{number}/workflows/{quote(run, safe='')}"
