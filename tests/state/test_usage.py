"""Usage exports in the state: ids and sums are one commit, and what is not read to its end leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.counting.cells import Cell, Cells, Distribution, Key
from exporter.errors import StateError, Stopped
from exporter.state.documents import Reader
from exporter.state.usage_store import StoredJobRun
from exporter.usage.families import JOB_CREDITS, QUEUE
from exporter.usage.planning import Export, Progress
from tests.state.making import change, damaged, opened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.conftest import Place
    from tests.state.making import Opened

SLUG, OTHER = "gh/acme", "bb/acme"
DAY = 739_000
LABELS = ("test", "gh/acme/shop", "medium", "build")
KEY = Key(JOB_CREDITS.name, LABELS)
HISTOGRAM = Key(QUEUE.name, ("größe", 'a "b"'))
WAITED = Distribution((1.0, 5.0), (1, 2, 3), 2**40 + 0.25)
CELLS = {KEY: Cell(0, 1.5, 1.5, held=51.5), HISTOGRAM: Cell(WAITED, 0.0, 1.5)}
PROGRESS = Progress(
    id="0b6a9c1e-53f0-4c57-9a8e-2f1d7c3b9a10",
    newest=DAY,
    export=Export("72e1c065-92a4-4fb6-b0c7-e8f90a1b2c3d", DAY - 2, DAY + 1, 1.5, 6.5),
    starts=(1.5,),
    looks=(6.5, 21.5),
    exports=1,
)


def run(key: int, last: int = DAY, *use: float | None) -> StoredJobRun:
    return StoredJobRun(key, DAY, last, 7, use or (None,) * 4)


def keep(found: Opened, export: int, runs: Iterable[StoredJobRun], slug: str = SLUG) -> set[int]:
    return found.state.usage.keep_new(slug, export, {each.key: each for each in runs})


def read(found: Opened, slug: str = SLUG) -> tuple[Progress, dict[Key, Cell]] | None:
    stored = found.state.usage.read(slug, Reader[Progress](Progress).read)
    assert stored is None or stored[1] == Cells.of(stored[1].values)
    return stored and (stored[0], dict(stored[1].values))


@pytest.fixture
def path(place: Place) -> Place:
    """A state in which one export was counted."""
    with opened(place) as found:
        found.state.usage.write(SLUG, Progress())
        keep(found, 1, [run(1), run(-(2**63)), run(2**63 - 1)])
        found.state.usage.write(SLUG, PROGRESS, CELLS, DAY - 2)
    return place


def test_what_was_counted_is_there_after_a_restart(path: Place) -> None:
    with opened(path) as found:
        assert read(found) == (PROGRESS, CELLS)
        assert read(found, OTHER) is None
        assert damaged(found) == {}


def test_a_job_run_is_new_once_for_each_organization(path: Place) -> None:
    with opened(path) as found:
        assert keep(found, 2, [run(1), run(4), run(-(2**63))]) == {4}
        assert keep(found, 2, [run(4), run(5)]) == {5}
        assert keep(found, 2, []) == set()
        found.state.usage.write(OTHER, Progress())
        assert keep(found, 1, [run(1)], OTHER) == {1}
        assert keep(found, 1, [run(1)], "gh/unknown") == set()


def test_the_job_runs_of_an_export_that_was_not_read_to_its_end_are_new_again(path: Place) -> None:
    with opened(path) as found:
        assert keep(found, 2, [run(4), run(5)]) == {4, 5}
    with opened(path) as found:
        found.state.usage.begin_export(SLUG, 1)
        assert keep(found, 2, [run(1), run(4), run(5)]) == {4, 5}


def test_a_job_run_is_forgotten_once_all_its_days_are_before_every_export_to_come(path: Place) -> None:
    with opened(path) as found:
        keep(found, 2, [run(4, DAY + 3), run(5, DAY + 2), run(6, DAY + 1)])
        found.state.usage.write(SLUG, PROGRESS, {}, DAY + 2)
        assert keep(found, 3, [run(1), run(4), run(5), run(6)]) == {1, 6}


def test_the_use_of_a_day_is_the_median_and_maximum_of_each_series(path: Place) -> None:
    runs = [
        run(10, DAY, 40.0, 90.0, None, 1.0),
        run(11, DAY, 10.5, 95.5, None, None),
        run(12, DAY, 20.0, 1.0, 0.1, None),
        run(13, DAY, 30.0, None, 0.2, None),
        StoredJobRun(14, DAY, DAY, -8, (7.5, None, None, 0.0)),
        StoredJobRun(15, DAY - 1, DAY, 7, (99.0, 99.0, 99.0, 99.0)),
    ]
    with opened(path) as found:
        keep(found, 2, runs)
        cpu_median, cpu_max, memory_median, memory_max = found.state.usage.use_of(SLUG, DAY)
        assert cpu_median == {7: 25.0, -8: 7.5}
        assert cpu_max == {7: 95.5}
        assert memory_median == {7: pytest.approx(0.15)}
        assert memory_max == {7: 1.0, -8: 0.0}
        assert found.state.usage.use_of(SLUG, DAY + 5) == [{}, {}, {}, {}]
        assert found.state.usage.use_of(OTHER, DAY) == []


def test_a_cell_that_goes_takes_nothing_with_it(path: Place) -> None:
    with opened(path) as found:
        found.state.usage.write(SLUG, Progress(exports=1), {HISTOGRAM: None})
        assert read(found) == (Progress(exports=1), {KEY: CELLS[KEY]})


def test_a_commit_that_fails_counts_nothing_of_an_export(path: Place) -> None:
    names = [(str(number) * 30_000, *LABELS[1:]) for number in range(99)]
    with opened(path) as found:
        keep(found, 2, [run(4)])
        found.fill()
        large = {Key(JOB_CREDITS.name, each): Cell(1, 0.0, 0.0) for each in names}
        with pytest.raises(StateError):
            found.state.usage.write(SLUG, Progress(exports=2), large, DAY)
        assert found.metric("state_writable") == 0
        found.make_room()
        assert read(found) == (PROGRESS, CELLS)


def test_a_state_that_is_closed_counts_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as found:
        usage = found.state.usage
    with pytest.raises(Stopped):
        usage.begin_export(SLUG, 1)
    with pytest.raises(Stopped):
        usage.write(SLUG, PROGRESS)
    with pytest.raises(Stopped):
        read(found)


@pytest.mark.parametrize("facts", ["", "{}x", "[1]", '{"newest":"soon"}', '{"newest":1}\n00000000', b"\xff"])
def test_damaged_facts_begin_anew_with_all_that_hangs_on_them(path: Place, facts: object) -> None:
    if not change(path, "UPDATE usage_organization SET facts = ?", facts):
        return
    with opened(path) as found:
        assert read(found) is None
        assert damaged(found) == {"usage": 1}
        found.state.usage.write(SLUG, Progress())
        assert keep(found, 1, [run(1)]) == {1}
        assert read(found) == (Progress(), {})


@pytest.mark.parametrize(
    "facts",
    ["{}", '{"value":[5],"before":[5],"export":1}', '{"value":5,"born":0,"grown_at":0}\n00000000', "", b"\xff"],
)
def test_a_damaged_cell_costs_itself_alone(path: Place, facts: object) -> None:
    if not change(path, "UPDATE organization_cell SET facts = ? WHERE family = ?", facts, JOB_CREDITS.name):
        return
    with opened(path) as found:
        assert read(found) == (PROGRESS, {HISTOGRAM: CELLS[HISTOGRAM]})
        assert damaged(found) == {"usage_cell": 1}
        assert read(found) == (PROGRESS, {HISTOGRAM: CELLS[HISTOGRAM]})
        assert damaged(found) == {"usage_cell": 1}
