"""What a publication costs, and whether memory stays where it is: 2,000 publications over a fixed set of projects.

A program of its own, so that its memory is nothing else's: it prints JSON. `python -m benchmarks.publications COUNT`
makes so many.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import replace
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks import fleet, looks
from benchmarks.programs import rss_of
from exporter.insights.collectors import COLLECTORS, NAMES
from exporter.knowledge.packing import pack, unpack
from exporter.publishing.repacking import Repacker
from exporter.publishing.scrape import scrape
from exporter.publishing.store import SnapshotStore
from exporter.system.logs import configure
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.knowledge.snapshots import Snapshot

SAMPLES, PUBLICATIONS, SETTLED, SCRAPED_EVERY = 100_000, 2_000, 200, 10
FEWER = 600
"""Where memory is not looked at."""
SPREADS = ("changed", "all", "one", "shown", "unchanged", "large")
"""What is printed as a first decile, a median and a last decile."""


def main(publications: int = PUBLICATIONS) -> None:
    """Publish, scrape, measure."""
    now = time.time()
    count = fleet.count_for(SAMPLES)
    variants = [list(fleet.snapshots(count, now, seed)) for seed in range(4)]
    store, telemetry = SnapshotStore(), Telemetry("bench", NAMES)
    store.publish(variants[0], now)
    resident, changed = 0, list[tuple[float, float]]()
    for number in range(1, publications + 1):
        known = variants[number // count % len(variants)][number % count]
        changed.append(_costs(store, known, now + number))
        if number % SCRAPED_EVERY == 0:
            for packed in (True, False):
                for piece in scrape(store, telemetry, openmetrics=packed, gzip=packed)[0]:
                    len(piece)
        if number == SETTLED:
            gc.collect()
            resident = rss_of()
    gc.collect()
    after = rss_of()
    slugs = list(store.published)
    both = [_costs(store, _with_one_part(store, variants, number), now) for number in range(4 * count)]
    shown, one = [until for until, _ in both], [until + after for until, after in both]
    none = [_publish(store, store.published[slug][0], now + number) for number in (1, 2) for slug in slugs]
    loose = _bytes(store, telemetry)
    began = time.process_time()
    repacker = Repacker(store, configure("error", "logfmt"))
    for _ in range(2):
        repacker.look(lambda _seconds: False)
    repacked = time.process_time() - began
    small = _bytes(store, telemetry)
    print(
        json.dumps(
            {
                "projects": count,
                "samples": sum(store.series.values()),
                "settled": resident,
                "ended": after,
                "changed": _spread([until + after for until, after in changed[count:]]),
                "all": _spread([until for until, _ in changed[count:]]),
                "one": _spread(one),
                "shown": _spread(shown),
                "unchanged": _spread(none[count:]),
                "large": _spread(looks.publications()),
                "repacked": repacked,
                "loose": loose,
                "small": small,
            }
        )
    )


def _with_one_part(store: SnapshotStore, variants: Sequence[Sequence[Snapshot]], number: int) -> Snapshot:
    """What is known of a project, with another answer for the jobs of one of its workflows."""
    index = number % len(variants[0])
    known = store.published[variants[0][index].project.slug][0]
    question = list(known.parts)[1 + number % (len(known.parts) - 1)]
    others = (each[index].parts[question] for each in variants)
    other = next(part for part in others if part.rows != known.parts[question].rows)
    collector = COLLECTORS[question.collector]
    rows = pack(
        collector, {table.name: list(unpack(other.rows, table)) for table in collector.tables}
    )  # as a poll does
    return replace(known, parts={**known.parts, question: replace(other, rows=rows)})


def _bytes(store: SnapshotStore, telemetry: Telemetry) -> int:
    """The length of a gzip scrape."""
    return scrape(store, telemetry, openmetrics=False, gzip=True)[1]


def _spread(seconds: Sequence[float]) -> tuple[float, float, float]:
    """The first decile, the median, the last decile."""
    tenths = quantiles(seconds, n=10)
    return tenths[0], tenths[4], tenths[8]


def _publish(store: SnapshotStore, snapshot: Snapshot, now: float) -> float:
    """CPU seconds of one publication whose poll ended at `now`, and of compressing it."""
    return sum(_costs(store, snapshot, now))


def _costs(store: SnapshotStore, snapshot: Snapshot, now: float) -> tuple[float, float]:
    """CPU seconds of one publication whose poll ended at `now`, and of compressing it after that."""
    outcomes = {
        name: replace(outcome, last_success=now, duration=now % 7) for name, outcome in snapshot.outcomes.items()
    }
    snapshot = replace(snapshot, outcomes=outcomes)
    began = time.process_time()
    store.publish([snapshot], now, polled=True)
    shown_at = time.process_time()
    store.settle()
    return shown_at - began, time.process_time() - shown_at


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
