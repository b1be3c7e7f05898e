"""Which shard polls what: the highest of one hash a shard wins, so a new shard takes its part and moves nothing else.

Rendezvous hashing, Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from exporter.config.settings import Project


def owner(slug: str, total: int) -> int:
    """Return the shard, 0 to `total` - 1, that the slug belongs to: the same in every process and on every machine."""
    base = blake2b(slug.encode(), digest_size=8)
    best, winner = b"", 0
    for shard in range(total):
        candidate = base.copy()
        candidate.update(b"\0%d" % shard)
        weight = candidate.digest()
        if weight > best:
            best, winner = weight, shard
    return winner


def mine(projects: Iterable[Project], shard: int, total: int) -> tuple[Project, ...]:
    """Return the projects that belong to the shard, in their order."""
    return tuple(project for project in projects if total == 1 or owner(project.slug, total) == shard)
