"""Shards: each project has one, and a new shard moves no more than it takes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Project
from exporter.config.sharding import mine, owner


def slugged(slug: str) -> Project:
    return Project.model_construct(slug=slug)


SLUGS = [f"gh/acme/service-{number}" for number in range(5000)]


@pytest.fixture(scope="module")
def items() -> tuple[Project, ...]:
    return tuple(map(slugged, SLUGS))


@given(st.sets(st.text(max_size=20), max_size=20), st.integers(1, 12))
def test_each_project_belongs_to_exactly_one_shard(slugs: set[str], total: int) -> None:
    items = [slugged(slug) for slug in sorted(slugs) if slug.isprintable()]

    shares = [mine(items, shard, total) for shard in range(total)]

    assert sorted(item.slug for share in shares for item in share) == [item.slug for item in items]


def test_a_new_shard_takes_its_part_and_moves_nothing_else() -> None:
    for total in (1, 2, 5, 16):
        before = [owner(slug, total) for slug in SLUGS]
        after = [owner(slug, total + 1) for slug in SLUGS]

        moved = [new for old, new in zip(before, after, strict=True) if old != new]

        assert set(moved) == {total}
        assert abs(len(moved) / len(SLUGS) - 1 / (total + 1)) < 0.02


def test_shards_are_of_about_one_size(items: tuple[Project, ...]) -> None:
    sizes = [len(mine(items, shard, 8)) for shard in range(8)]

    assert sum(sizes) == len(items)
    assert min(sizes) > 0.85 * len(items) / 8
    assert max(sizes) < 1.15 * len(items) / 8


def test_owners_are_the_same_in_every_version_and_process() -> None:
    slugs = [f"gh/acme/{name}" for name in ("web", "api", "cli", "docs", "infra")]
    asked = f"from exporter.config.sharding import owner; print([owner(slug, 7) for slug in {slugs}])"

    answers = {
        subprocess.run(
            [sys.executable, "-c", asked], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }

    assert answers == {f"{[owner(slug, 7) for slug in slugs]}\n"}
    assert [owner(slug, 7) for slug in slugs] == [4, 6, 3, 1, 4]


def test_one_shard_has_everything(items: tuple[Project, ...]) -> None:
    assert mine(items, 0, 1) == items


def test_many_shards_have_about_the_same_share_of_a_large_fleet() -> None:
    shares = Counter(owner(slug, 64) for slug in SLUGS)

    assert set(shares) == set(range(64))
    assert min(shares.values()) > 50
    assert max(shares.values()) < 110  # 78 in the middle
