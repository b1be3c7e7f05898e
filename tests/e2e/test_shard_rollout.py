"""Another number of shards, rolled out as docs/operating.md says: a project that moves is always shown."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from exporter.config.sharding import owner
from tests.circleci import RemoteCircle
from tests.running.program import Exporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running.scrapes import Scrape

SLUGS = tuple(f"gh/fleet/project-{number:05}" for number in range(12))
MOVING = {slug for slug in SLUGS if owner(slug, 2) == 1}
STAYING = set(SLUGS) - MOVING
SUCCESS = "circleci_insights_workflow_success_ratio"
RUNS = "circleci_workflow_runs_total"


@pytest.fixture(name="circle", scope="module")
def one_circle() -> Iterator[RemoteCircle]:
    arguments = ("--projects", str(len(SLUGS)), "--workflows", "1", "--jobs", "1", "--speed", "0")
    with RemoteCircle.spawn(*arguments) as circle:
        yield circle


def shard(circle: RemoteCircle, folder: Path, number: int, total: int) -> Exporter:
    settings = (
        f"circleci: {{url: '{circle.url}', requests_per_second: 200, burst: 100, timeout: 20s}}\n"
        "state: {path: state.sqlite}\n"
        "defaults: {interval: 1h, collectors: [workflows, runs]}\n"
        f"projects: [{', '.join(SLUGS)}]\n"
    )
    flags = ("--shard", str(number), "--total-shards", str(total))
    return Exporter(folder / str(number), settings, *flags, token=circle.token)


def shown(scrape: Scrape) -> set[str]:
    """The projects whose workflows it shows."""
    return {slug for slug in SLUGS if scrape.of_project(slug, SUCCESS)}


def polled(scrape: Scrape) -> bool:
    """Whether the first poll of all its projects is complete."""
    counted = {slug for slug in SLUGS if scrape.of_project(slug, RUNS)}
    return scrape.get("projects") == len(shown(scrape)) == len(counted)


def test_some_projects_move_and_some_stay() -> None:
    assert MOVING
    assert STAYING


def test_a_shard_that_is_added_first_and_removed_last_leaves_no_project_out(
    circle: RemoteCircle, tmp_path: Path
) -> None:
    with ExitStack() as running:
        old = running.enter_context(shard(circle, tmp_path, 0, 1))
        assert shown(old.until(polled, "the first poll of the only shard")) == set(SLUGS)

        # Add: the new shard first. Until the old one is restarted, what moves is on both of them.
        new = running.enter_context(shard(circle, tmp_path, 1, 2))
        first = new.until(polled, "the first poll of the new shard")
        assert shown(first) == MOVING
        assert {value for slug in MOVING for value in first.of_project(slug, RUNS).values()} == {0.0}
        assert shown(old.scrape()) == set(SLUGS)
        assert old.stop()[0] == 0
        assert shown(new.scrape()) == MOVING
        restarted = running.enter_context(shard(circle, tmp_path, 0, 2))
        assert shown(restarted.scrape()) == STAYING

        # Remove: the shard that stays first.
        assert restarted.stop()[0] == 0
        assert shown(new.scrape()) == MOVING
        only = running.enter_context(shard(circle, tmp_path, 0, 1))
        assert shown(new.scrape()) == MOVING
        assert shown(only.until(polled, "the first poll of the shard that stays")) == set(SLUGS)
        assert new.stop()[0] == 0
