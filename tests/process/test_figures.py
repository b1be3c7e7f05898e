"""What the page is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.insights.collectors import NAMES
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.process import figures
from exporter.publishing.store import SnapshotStore
from exporter.runs.live import Live, WatchedPipeline, WatchedRun
from exporter.telemetry import Telemetry
from exporter.web.page.overview import Health, NowView
from tests.knowledge.samples import NOW, part, project, snapshot, workflow_row


def figures_of(store: SnapshotStore, now: float = NOW) -> figures.PageFigures:
    return figures.PageFigures(store, lambda: {"gh/acme/web": NOW + 60}, "https://circleci.com", lambda: now)


def test_the_page_gets_each_project_with_its_collectors() -> None:
    outcomes = {
        "workflows": Outcome(success=True, duration=1, finished_at=NOW, last_success=NOW),
        "jobs": Outcome(success=False, duration=1, finished_at=NOW, last_success=NOW - 60, error="HTTP 500"),
    }
    asked = project("collectors: [workflows, jobs, runs]")
    store = SnapshotStore()
    store.publish([replace(snapshot(), project=asked, outcomes=outcomes)], NOW)
    ((web,), _, _) = figures_of(store).read()
    assert (web.name, web.slug, web.default_branch, web.next_poll) == ("gh/acme/web", "gh/acme/web", "main", NOW + 60)
    assert web.series == sum(store.series.values()) > 0
    assert [(view.name, view.state, view.last_success, view.error) for view in web.collectors] == [
        ("workflows", Health.OK, NOW, None),
        ("jobs", Health.FAILING, NOW - 60, "HTTP 500"),
        ("runs", Health.PENDING, None, None),
    ]
    ((later,), _, _) = figures_of(store, NOW + 3 * 3600).read()
    assert later.collectors[0].state is Health.STALE


def test_the_page_gets_each_workflow_with_its_value_before() -> None:
    known = snapshot()
    question = next(iter(known.parts))
    changed = replace(
        part("workflows", [workflow_row()]), previous=part("workflows", [workflow_row(success_rate=1)]).rows
    )
    store = SnapshotStore()
    store.publish([replace(known, parts={question: changed})], NOW)
    (_, (build,), _) = figures_of(store).read()
    assert (build.project, build.name, build.branch, build.window) == ("gh/acme/web", "build", "main", "last-7-days")
    assert (build.success_ratio, build.previous_success_ratio) == (0.5975609756097561, 1)
    assert (build.median_seconds, build.p95_seconds, build.runs) == (46, 72, 82)


def test_the_page_gets_the_same_objects_while_nothing_changed() -> None:
    store = SnapshotStore()
    store.publish([snapshot()], NOW)
    figures = figures_of(store)
    projects, workflows, _ = figures.read()
    assert figures.read()[0] is projects
    assert figures.read()[1] is workflows
    store.publish([Snapshot(project(slug="gh/acme/api"))], NOW)
    assert figures.read()[0] is not projects
    assert [view.default_branch for view in figures.read()[0]] == ["main", None]


def test_what_did_not_change_is_the_same_object_a_second_later_and_after_a_publication() -> None:
    store, now = SnapshotStore(), [NOW]
    store.publish([snapshot()], NOW)
    shown = figures.PageFigures(store, dict, "https://circleci.com", lambda: now[0])
    projects, workflows, _ = shown.read()
    assert workflows
    now[0] += 1
    assert shown.read()[0] is projects
    store.publish([replace(snapshot(), outcomes={"workflows": Outcome(False, 1, NOW, None, error="HTTP 500")})], NOW)
    assert shown.read()[0] is not projects
    assert shown.read()[1] is workflows
    changed = {question: part("workflows", [workflow_row(success_rate=0.25)]) for question in snapshot().parts}
    store.publish([replace(snapshot(), parts=changed)], NOW)
    assert [view.success_ratio for view in shown.read()[1]] == [0.25]


def test_the_runs_in_progress_are_the_same_object_for_a_second_while_nothing_is_published() -> None:
    store, now = SnapshotStore(), [NOW]
    run = WatchedRun("9a4e2d71-6b8c-4f10-a2c3-d4e5f6071829", "build", "running", NOW - 600)
    pipeline = WatchedPipeline("p", NOW - 600, "created", "webhook", "main", number=1, looked_at=NOW, runs=(run,))
    live = Live(NOW, listed_at=NOW, pipelines={"p": pipeline})
    known = replace(snapshot(), project=project("collectors: [pipelines]"), live=live)
    store.publish([known], NOW)
    shown = figures.PageFigures(store, dict, "https://circleci.com", lambda: now[0])
    first = shown.read()[2]
    assert first is not None
    assert [run.workflow for run in first.runs] == ["build"]
    assert shown.read()[2] is first
    now[0] += 1
    assert shown.read()[2] is not first
    store.publish([replace(known, live=replace(live, pipelines={}))], NOW)
    assert shown.read()[2] == NowView(())


@pytest.mark.parametrize(
    ("up", "code", "reachable", "accepted"),
    [
        (None, None, None, None),
        (True, "200", True, True),
        (False, "401", True, False),
        (False, "503", True, None),
        (False, "error", False, None),
    ],
)
def test_the_state_of_the_api_is_told_apart_from_that_of_the_token(
    up: bool | None, code: str | None, reachable: bool | None, accepted: bool | None
) -> None:
    telemetry = Telemetry("1", NAMES)
    if code is not None:
        telemetry.request("/me", code, 0.1)
    if up is not None:
        telemetry.api_up(up)
    telemetry.throttled(2.5)
    view = figures.api_view(telemetry, 3.5, None)
    assert (view.reachable, view.token_accepted) == (reachable, accepted)
    assert (view.requests_per_second, view.throttled_seconds) == (3.5, 2.5)
    assert view.requests_last_hour == ({code: 1} if code else {})
