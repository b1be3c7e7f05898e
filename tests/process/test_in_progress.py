"""What the page shows as happening now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.knowledge.snapshots import Snapshot
from exporter.process.in_progress import address, in_progress
from exporter.runs.live import Live, WatchedPipeline, WatchedRun
from exporter.web.page.overview import NowView, Phase, RunView
from tests.counting.watched import Watched, uuid
from tests.counting.watched import pipeline as told_pipeline
from tests.counting.watched import run as told_run
from tests.knowledge.samples import NOW, project, snapshot

RUN = "9a4e2d71-6b8c-4f10-a2c3-d4e5f6071829"
PIPELINES = "collectors: [pipelines]"


def watched(number: int = 1, *runs: WatchedRun, **changes: object) -> WatchedPipeline:
    pipeline = WatchedPipeline(
        f"pipeline-{number}", NOW - 600, "created", "webhook", "main", number=number, looked_at=NOW, runs=runs
    )
    return replace(pipeline, **changes)  # type: ignore[arg-type]


def run(status: str = "running", age: float = 600, **changes: object) -> WatchedRun:
    return replace(WatchedRun(RUN, "build", status, NOW - age), **changes)  # type: ignore[arg-type]


def read(*pipelines: WatchedPipeline, settings: str = PIPELINES, now: float = NOW) -> NowView | None:
    live = Live(NOW - 7200, listed_at=NOW, pipelines={each.id: each for each in pipelines})
    return in_progress([replace(snapshot(), project=project(settings), live=live)], "https://circleci.com", now)


def runs(*pipelines: WatchedPipeline) -> tuple[RunView, ...]:
    view = read(*pipelines)
    assert view is not None
    return view.runs


def test_without_the_collector_there_is_nothing_and_before_the_first_look_it_is_pending() -> None:
    assert read(settings="collectors: [workflows]") is None
    assert in_progress([Snapshot(project(PIPELINES))], "https://circleci.com", NOW) == NowView((), pending=1)


def test_a_run_in_progress_has_its_project_branch_jobs_and_address() -> None:
    (found,) = runs(watched(4711, run(jobs=(("running", 2),), waiting_since=NOW - 5)))
    assert found == RunView(
        "gh/acme/web",
        "build",
        "main",
        Phase.RUNNING,
        "running",
        NOW - 600,
        (("running", 2),),
        NOW - 5,
        f"https://app.circleci.com/pipelines/github/acme/web/4711/workflows/{RUN}",
    )


def test_runs_of_all_pipelines_come_oldest_first() -> None:
    found = runs(watched(1, run(age=30), run(age=900)), watched(2, run(age=300)))
    assert [NOW - each.created_at for each in found] == [900, 300, 30]


def test_a_run_of_a_tag_has_the_tag_and_one_of_neither_has_nothing() -> None:
    (tagged,) = runs(watched(1, run(), branch="", tag="v1.2"))
    (bare,) = runs(watched(1, run(), branch=""))
    assert (tagged.branch, bare.branch) == ("v1.2", "")


@pytest.mark.parametrize(
    ("status", "jobs", "waits", "phase"),
    [
        ("running", (), False, Phase.RUNNING),
        ("failing", (("running", 1),), False, Phase.RUNNING),
        ("invented", (), False, Phase.RUNNING),
        ("queued", (), False, Phase.WAITING),
        ("running", (("queued", 1),), True, Phase.WAITING),
        ("running", (("queued", 1), ("running", 1)), True, Phase.RUNNING),
        ("on_hold", (("on_hold", 1),), False, Phase.ON_HOLD),
    ],
)
def test_a_run_waits_when_it_is_queued_or_all_of_its_jobs_wait(
    status: str, jobs: tuple[tuple[str, int], ...], waits: bool, phase: Phase
) -> None:
    (found,) = runs(watched(1, run(status, jobs=jobs, waiting_since=NOW - 9 if waits else None)))
    assert found.phase is phase


def test_a_canceled_run_is_not_in_progress_though_its_jobs_may_be() -> None:
    assert runs(watched(1, run("canceled", ended_seen_at=NOW, jobs=(("running", 1),)))) == ()


def test_what_was_not_looked_at_for_too_long_is_counted_and_not_shown() -> None:
    old = watched(1, run(), run("canceled", ended_seen_at=NOW), looked_at=NOW - 86_400)
    assert read(old, watched(2)) == NowView((), unknown=1)


@pytest.mark.parametrize(
    ("circleci", "slug", "where"),
    [
        ("https://circleci.com", "gh/acme/web", "https://app.circleci.com/pipelines/github/acme/web/7"),
        ("https://circleci.com", "bb/acme/a b", "https://app.circleci.com/pipelines/bitbucket/acme/a%20b/7"),
        ("https://circleci.com", "circleci/8vLq/43G3", "https://app.circleci.com/pipelines/circleci/8vLq/43G3/7"),
        ("https://ci.example.com", "gh/acme/we?b", "https://ci.example.com/pipelines/github/acme/we%3Fb/7"),
    ],
)
def test_the_address_of_a_run_is_on_circlecis_own_pages(circleci: str, slug: str, where: str) -> None:
    assert address(circleci, slug, 7, RUN) == f"{where}/workflows/{RUN}"
    assert address(circleci, slug, None, RUN) is None


def test_what_is_red_has_the_address_of_the_first_run_that_failed_longest_first() -> None:
    told = Watched()
    failed = replace(first := told_pipeline(), number=4711)
    told.look(failed, [told_run("failed", 0, 100)], {1: []})
    told.look(
        replace(first, id=uuid(7), created_at=first.created_at + 60), [told_run("failed", 60, 90, number=2)], {2: []}
    )
    told.look(replace(first, id=uuid(8)), [told_run("failed", 10, 400, "lint", 3)], {3: []})
    assert told.live is not None
    known = replace(snapshot(), project=told.project, ledger=told.ledger, live=replace(told.live, listed_at=told.now))
    view = in_progress([known], "https://circleci.com", told.now)
    assert view is not None
    link = f"https://app.circleci.com/pipelines/github/acme/web/4711/workflows/{uuid(1)}"
    assert [(each.workflow, each.branch, each.failures, each.link) for each in view.red] == [
        ("build", "main", 2, link),
        ("lint", "main", 1, None),
    ]
