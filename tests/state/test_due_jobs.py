"""Job runs that exports and ledgers must both have, in batches, on the day on which they ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.counting.book import Changes
from exporter.state.usage_store import StoredJobRun
from exporter.usage.planning import Progress
from tests.state.making import LIVE, NOW_LEDGER, known, opened

if TYPE_CHECKING:
    from tests.conftest import Place
    from tests.state.making import Opened

SLUG, ORGANIZATION = "gh/acme/web", "gh/acme"
DAY = 739_000
KEYS = (-(2**63), -5, 0, 7, 2**63 - 1)


@pytest.fixture
def path(place: Place) -> Place:
    """A state with an export that was counted, one that was not read to its end, and a ledger."""
    with opened(place) as found:
        found.state.usage.write(ORGANIZATION, Progress(exports=1))
        keep(found, 1, [*(run(key) for key in KEYS), run(20, due=False), run(21, last=DAY - 1)])
        keep(found, 2, [run(30)])
        jobs = dict.fromkeys(KEYS, (1000, True))
        others = {40: (999, True), 41: (2000, True), 42: (1500, False), 43: (1999, True)}
        found.state.commit_counts(replace(known(ledger=NOW_LEDGER), live=LIVE), Changes(jobs={**jobs, **others}))
    return place


def run(key: int, *, last: int = DAY, due: bool = True) -> StoredJobRun:
    return StoredJobRun(key, last, last, key % 100, (None,) * 4, due)


def keep(found: Opened, export: int, runs: list[StoredJobRun]) -> None:
    found.state.usage.keep_new(ORGANIZATION, export, {each.key: each for each in runs})


@pytest.mark.parametrize("batch", [1, 2, 5, 8192])
def test_job_runs_of_exports_come_in_batches_with_their_series(path: Place, batch: int) -> None:
    with opened(path) as found:
        found.state.due.batch = batch
        batches = list(found.state.due.exported(ORGANIZATION, DAY, 1))
        assert [key for each in batches for key in each] == [*KEYS]
        assert all(series == key % 100 for each in batches for key, series in each.items())
        assert max(map(len, batches)) <= batch
        assert list(found.state.due.exported("gh/other", DAY, 1)) == []


@pytest.mark.parametrize("batch", [1, 2, 8192])
def test_job_runs_of_a_ledger_come_with_their_stops_within_a_time(path: Place, batch: int) -> None:
    with opened(path) as found:
        found.state.due.batch = batch
        kept = [pair for each in found.state.due.kept(SLUG, 1000, 2000) for pair in each.items()]
        assert sorted(kept) == sorted([*((key, 1000) for key in KEYS), (43, 1999)])
        assert list(found.state.due.kept("gh/acme/api", 0, 2000)) == []


def test_the_keys_of_exports_are_known_whatever_their_day_and_whether_they_are_due(path: Place) -> None:
    with opened(path) as found:
        assert found.state.due.exported_keys(ORGANIZATION, [7, 20, 21, 30, 99], 1) == {7, 20, 21}
        assert found.state.due.exported_keys("gh/other", [7], 1) == set()
