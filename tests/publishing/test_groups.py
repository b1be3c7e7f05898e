from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.groups import add_groups
from exporter.publishing.scrape import scrape
from exporter.publishing.sections import FamilyLines, Room
from exporter.publishing.store import SnapshotStore
from exporter.telemetry import Telemetry
from tests.runs.job_lists import job
from tests.runs.watched import Watched, pipeline, run
from tests.samples import FACTS, project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.publishing.sections import Section

FAMILIES = ("circleci_a", "circleci_b")


def text(store: SnapshotStore, *, openmetrics: bool) -> bytes:
    telemetry = Telemetry("1.0.0", ())
    pieces, _ = scrape(store, telemetry, openmetrics=openmetrics, gzip=False)
    return b"".join(line + b"\n" for line in b"".join(pieces).splitlines() if line.startswith(b"circleci_"))


def of_circleci(found: bytes) -> bytes:
    return b"".join(line for line in found.splitlines(keepends=True) if b"circleci_exporter_" not in line)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit", [150, 100_000])
def test_what_is_published_look_by_look_is_what_is_published_at_once(seed: int, limit: int) -> None:
    chance = Random(seed)  # noqa: S311  nothing secret hangs on it
    watched = Watched(project(f"collectors: [pipelines]\nbranches: [develop]\nmax_series: {limit}"))
    store = SnapshotStore()
    for number in range(1, 60):
        branch, status = chance.choice(["main", "develop", "other"]), chance.choice(["success", "failed", "running"])
        stopped = None if status == "running" else chance.randrange(1, 900)
        jobs = [
            job(name, 1, stopped, status=status, identifier=f"{number} {place}")
            for place, name in enumerate(chance.sample(["a", "b\u00fc", "c", "d"], chance.randrange(4)))
        ]
        watched.now += chance.choice([1, 30, 90])
        watched.look(
            replace(pipeline(number), branch=branch, id=f"{number:08x}-0000-4000-8000-000000000000"),
            [run(status, 0, stopped, number=number)],
            {number: jobs},
        )
        assert watched.live is not None
        live = replace(watched.live, listed_at=watched.now)
        snapshot = Snapshot(watched.project, FACTS, ledger=watched.ledger, live=live)
        store.publish([snapshot], watched.now)
        fresh = SnapshotStore()
        fresh.publish([snapshot], watched.now)
        for openmetrics in (False, True):
            shown = of_circleci(text(store, openmetrics=openmetrics))
            assert shown == of_circleci(text(fresh, openmetrics=openmetrics))
            assert shown


def shown(values: Mapping[str, int], before: Section | None, room: int = 100) -> tuple[Section, list[str]]:
    rendered: list[str] = []

    def render(key: tuple[str, ...], value: int) -> list[FamilyLines]:
        rendered.append(key[0])
        return [FamilyLines(family, 1, f"{family} {value}\n", f"{family} {value}\n") for family in FAMILIES]

    limited = Room(room, {} if before is None else {"it": before})
    return add_groups(
        limited, "it", ("settings", {(key,): value for key, value in values.items()}), FAMILIES, render
    ), rendered


def test_only_the_groups_that_changed_are_rendered() -> None:
    values = {f"group {number}": number for number in range(50)}
    before, rendered = shown(values, None, 1000)
    assert len(rendered) == 50
    after, rendered = shown({**values, "group 7": 70, "group 9": 9}, before, 1000)
    assert rendered == ["group 7"]
    assert after.series == 100


def test_where_a_group_is_new_or_gone_all_are_rendered_in_the_order_of_their_keys() -> None:
    before, _ = shown({"b": 1, "c": 2}, None)
    assert shown({"b": 1, "c": 2, "a": 0}, before)[1] == ["a", "b", "c"]
    assert shown({"c": 2}, before)[1] == ["c"]


def test_groups_that_have_no_room_are_left_out_whole_and_come_back_when_they_have() -> None:
    values = {"a": 1, "b": 2}
    before, _ = shown(values, None, 3)
    assert (before.series, before.cut) == (2, 2)
    after, rendered = shown(values, before, 4)
    assert (after.series, after.cut, rendered) == (4, 0, ["a", "b"])
