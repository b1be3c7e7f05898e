from __future__ import annotations

from dataclasses import replace

from exporter.knowledge import absence
from exporter.knowledge.snapshots import Outcome, Snapshot
from tests.knowledge.samples import project

NOW, HOUR, DAY = 1_790_000_000.0, 3600.0, 86_400.0
FAILED = Outcome(success=False, duration=1, finished_at=NOW, reason="not_found")


def snapshot(outcome: Outcome | None = None, collector: str = "workflows") -> Snapshot:
    return Snapshot(project(), outcomes={} if outcome is None else {collector: outcome})


def test_a_project_that_is_there_is_polled_at_its_interval() -> None:
    for known in (snapshot(), snapshot(FAILED), snapshot(replace(FAILED, absent_since=NOW - DAY), "jobs")):
        assert absence.since(known) is None
        assert absence.interval(known, HOUR) == HOUR


def test_the_gaps_of_an_absent_project_double_up_to_a_day() -> None:
    now, gaps = NOW, []
    for _ in range(8):
        absent = snapshot(replace(FAILED, finished_at=now, absent_since=NOW))
        assert absence.since(absent) == NOW
        gaps.append(absence.interval(absent, HOUR) / HOUR)
        now += gaps[-1] * HOUR
    assert gaps == [1, 1, 2, 4, 8, 16, 24, 24]


def test_an_interval_longer_than_a_day_stays() -> None:
    assert absence.interval(snapshot(replace(FAILED, absent_since=NOW - 9 * DAY)), 3 * DAY) == 3 * DAY
