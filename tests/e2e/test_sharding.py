"""A fleet of three real processes: every project on exactly one of them, and together they show the truth."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from exporter.config.sharding import owner
from tests.circleci import RemoteCircle, truth
from tests.running.program import Exporter
from tests.running.scrapes import Scrape, series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARDS = 3
SLUGS = tuple(f"gh/fleet/project-{number:05}" for number in range(24))
WORKFLOWS = {"workflow-000": ["job-000", "job-001"]}
RATE, BURST = 60, 30


def settings(url: str) -> str:
    return (
        f"circleci: {{url: '{url}', requests_per_second: {RATE}, burst: {BURST}, timeout: 20s}}\n"
        f"defaults: {{interval: 1h}}\nprojects: [{', '.join(SLUGS)}]\n"
    )


def projects(scrape: Scrape) -> set[str]:
    """The projects of which a scrape says anything at all."""
    marks = (name.partition('project="')[2] for name in scrape.values if 'project="' in name)
    return {mark.partition('"')[0] for mark in marks}


@pytest.fixture(name="fleet", scope="module")
def one_round(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RemoteCircle, list[Scrape], int]]:
    """The synthetic CircleCI, a scrape of each shard after its first round, and how often their rate was exceeded."""
    folder: Path = tmp_path_factory.mktemp("shards")
    arguments = ("--projects", str(len(SLUGS)), "--workflows", "1", "--jobs", "2", "--speed", "0")
    with ExitStack() as started:
        circle = started.enter_context(RemoteCircle.spawn(*arguments))
        circle.limit(RATE * 1.02, BURST + 2)
        flags = [("--shard", str(shard), "--total-shards", str(SHARDS)) for shard in range(SHARDS)]
        shards = [
            started.enter_context(Exporter(folder / flag[1], settings(circle.url), *flag, token=circle.token))
            for flag in flags
        ]

        def complete(scrape: Scrape) -> bool:
            done = 'circleci_exporter_collector_success{collector="jobs",'
            return sum(value for name, value in scrape.values.items() if name.startswith(done)) == scrape.get(
                "projects"
            )

        scrapes = [shard.until(complete, "its first round") for shard in shards]
        yield circle, scrapes, circle.heal()


def test_every_project_is_on_exactly_one_shard(fleet: tuple[RemoteCircle, list[Scrape], int]) -> None:
    _, scrapes, _ = fleet
    found = [projects(scrape) for scrape in scrapes]
    assert sorted(slug for each in found for slug in each) == sorted(SLUGS)
    assert [{owner(slug, SHARDS) for slug in each} for each in found] == [{shard} for shard in range(SHARDS)]


def test_what_the_shards_show_together_is_the_truth(fleet: tuple[RemoteCircle, list[Scrape], int]) -> None:
    circle, scrapes, _ = fleet
    shown = {name: value for scrape in scrapes for name, value in truth.shown(scrape.values).items()}
    expected: dict[str, float] = {}
    for slug in SLUGS:
        expected |= truth.of_project(circle, slug, WORKFLOWS)
    assert shown == expected


def test_each_shard_says_which_of_how_many_it_is(fleet: tuple[RemoteCircle, list[Scrape], int]) -> None:
    _, scrapes, _ = fleet
    assert [scrape.get("shard_ordinal") for scrape in scrapes] == list(range(SHARDS))
    assert [scrape.get("total_shards") for scrape in scrapes] == [SHARDS] * SHARDS
    assert sum(scrape.get("projects") or 0 for scrape in scrapes) == len(SLUGS)


def test_rate_and_burst_are_those_of_all_shards_together(fleet: tuple[RemoteCircle, list[Scrape], int]) -> None:
    circle, scrapes, violations = fleet
    assert violations == 0
    calls = [
        value
        for scrape in scrapes
        for name, value in scrape.values.items()
        if name.startswith("circleci_exporter_api_requests_total") and series("", {"code": "200"})[1:-1] in name
    ]
    assert sum(calls) == 3 * len(SLUGS) == len(circle.requests())
