"""`once`: every project polled once, then one scrape to standard output."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from exporter.config import Config, Project
from exporter.insights.collectors import polls
from exporter.knowledge.discovered_projects import itself
from exporter.knowledge.snapshots import Snapshot
from exporter.process.engine import Engine
from exporter.process.project_list import ProjectList
from exporter.publishing.scrape import scrape


def found(engine: Engine, config: Config, shard: int, total_shards: int) -> tuple[tuple[Project, ...], bool]:
    """The projects of a shard, those of organizations included, and whether every search went well. Raises Stopped."""
    projects = ProjectList(engine.store, engine.telemetry, shard=shard, total_shards=total_shards)
    projects.adopt(config)
    engine.store.publish((Snapshot(itself(each)) for each in config.organizations), engine.clocks.wall())
    for organization in config.organizations:
        engine.search(organization, lambda: None, totals=projects.shows_totals(organization.slug)).step()
    return projects.projects(), _all_good(snapshot for snapshot, _ in engine.store.organizations.values())


def once(engine: Engine, projects: Iterable[Project], output: BinaryIO) -> bool:
    """Poll, write what succeeded in text format 0.0.4, and return whether everything did. Raises Stopped."""
    chosen = tuple(projects)
    engine.labels.reserve(chosen)
    engine.store.publish(map(Snapshot, chosen), engine.clocks.wall())

    def poll(slug: str) -> None:
        snapshot = engine.store.get(slug)
        for kind in polls(snapshot.project.collectors) if snapshot else ():
            poll = engine.begin(slug, kind)
            while poll is not None and poll.step():
                pass

    with ThreadPoolExecutor(engine.polls_at_once) as pool:
        list(pool.map(poll, list(engine.store.published)))
    pieces, _ = scrape(engine.store, engine.telemetry, openmetrics=False, gzip=False)
    output.writelines(pieces)
    output.flush()
    return _all_good(snapshot for snapshot, _ in engine.store.published.values())


def _all_good(snapshots: Iterable[Snapshot]) -> bool:
    return all(outcome.success for snapshot in snapshots for outcome in snapshot.outcomes.values())
