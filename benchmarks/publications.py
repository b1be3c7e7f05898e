"""What a publication costs, and whether memory stays where it is: 2,000 publications over a fixed set of projects.

A program of its own, so that its memory is nothing else's: it prints JSON.
"""

from __future__ import annotations

import gc
import json
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import fleet
from benchmarks.programs import rss_of
from exporter.insights.collectors import NAMES
from exporter.publishing.scrape import scrape
from exporter.publishing.store import SnapshotStore
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from exporter.knowledge.snapshots import Snapshot

SAMPLES, PUBLICATIONS, SETTLED, SCRAPED_EVERY = 100_000, 2_000, 200, 10


def main() -> None:
    """Publish, scrape, measure."""
    now = time.time()
    count = fleet.count_for(SAMPLES)
    variants = [list(fleet.snapshots(count, now, seed)) for seed in range(4)]
    store, telemetry = SnapshotStore(), Telemetry("bench", NAMES)
    store.publish(variants[0], now)
    resident, changed = 0, []
    for number in range(1, PUBLICATIONS + 1):
        known = variants[number // count % len(variants)][number % count]
        changed.append(_publish(store, known, now + number))
        if number % SCRAPED_EVERY == 0:
            for packed in (True, False):
                for piece in scrape(store, telemetry, openmetrics=packed, gzip=packed)[0]:
                    len(piece)
        if number == SETTLED:
            gc.collect()
            resident = rss_of()
    gc.collect()
    after = rss_of()
    same = [_publish(store, store.published[slug][0], now) for slug in list(store.published) for _ in range(2)]
    print(
        json.dumps(
            {
                "projects": count,
                "samples": sum(store.series.values()),
                "settled": resident,
                "ended": after,
                "changed": median(changed),
                "unchanged": median(same[1::2]),
            }
        )
    )


def _publish(store: SnapshotStore, snapshot: Snapshot, now: float) -> float:
    """CPU seconds of one publication whose poll ended at `now`."""
    outcomes = {
        name: replace(outcome, last_success=now, duration=now % 7) for name, outcome in snapshot.outcomes.items()
    }
    snapshot = replace(snapshot, outcomes=outcomes)
    began = time.process_time()
    store.publish([snapshot], now, polled=True)
    return time.process_time() - began


if __name__ == "__main__":
    main()
