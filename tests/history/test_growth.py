"""How counters grew: the same sums as `run` makes, at the steps at which runs had stopped."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

import pytest

from exporter.config import parse
from exporter.counting.cells import Cell, Distribution
from exporter.counting.ledger import INVENTED, OTHER_STATUS, BranchFacts, Ledger
from exporter.history.grid import Grid
from exporter.history.growth import Growth, Points, ended_at
from exporter.insights.run_families import RUNS_TOTAL
from exporter.runs.branches import labels_of
from exporter.runs.reading import Run
from tests.counting.making import Counted, counted, polled
from tests.counting.making import ledger as begun

SETTINGS = "branches: [develop, release/*], runs: {buckets: [30s, 1m, 10m]}"


def project_of(collectors: str) -> Any:
    return parse(f"projects: [{{slug: gh/acme/web, {SETTINGS}, collectors: [{collectors}]}}]").projects[0]


PROJECT = project_of("runs")
LABEL = labels_of(PROJECT, "main")
NOW = 1_790_000_000.0
GRID = Grid.over(NOW - 86_400, NOW, 3600)


class Grown(NamedTuple):
    """What was counted, and how."""

    growth: Growth
    ledger: Ledger
    points: Points

    def counted(self, branch: str = "main") -> Counted:
        return counted(self.ledger, branch)

    def facts(self) -> BranchFacts:
        return self.ledger.workflows["build"].branches["main"]

    def rises(self) -> list[tuple[int, float]]:
        """The steps at which runs that succeeded on main rose, and to what."""
        [found] = [each for key, each in self.points.items() if key == (RUNS_TOTAL.name, ("main", "success", "build"))]
        return [(step, value) for step, value in found if not isinstance(value, Distribution)]


def run(key: int, created: float, lasted: float | None = 60, status: str = "success", **more: Any) -> Run:
    stopped = None if lasted is None else created + lasted
    made = Run(key, "main", int(created), status, stopped, lasted, 10, created=created)
    return replace(made, **more)


def grown(*runs: Run, collectors: str = "runs") -> Grown:
    growth = Growth("build", project_of(collectors), GRID, LABEL)
    growth.add(sorted(runs, key=lambda each: (ended_at(each), each.created, each.key)))
    return Grown(growth, *growth.close())


def test_a_point_has_what_had_stopped_by_its_step() -> None:
    early, late = GRID.first + 5, GRID.first + 9
    found = grown(run(1, early * 3600 - 60), run(2, early * 3600 - 59), run(3, late * 3600 - 100, 50))
    assert found.rises() == [(early, 1), (early + 1, 2), (late, 3)]


def test_what_stopped_after_the_last_step_is_in_the_sum_and_in_no_point() -> None:
    found = grown(run(1, NOW - 100, 90))
    assert found.points == {}
    assert found.counted().runs["success"] == 1


def test_a_run_under_way_makes_its_branch_appear_and_is_remembered_by_its_creation() -> None:
    found = grown(run(1, NOW - 5000, None, ""), run(2, NOW - 9000, None, ""), run(3, NOW - 100))
    assert found.growth.oldest_under_way == int(NOW - 9000)
    assert found.growth.newest == int(NOW - 100)
    assert (found.growth.counted, sum(found.counted().runs.values())) == (1, 1)


def test_a_finished_run_without_a_stop_counts_at_the_end_of_its_duration() -> None:
    step = GRID.first + 5
    found = grown(run(1, step * 3600 - 30, stopped_at=None, status="success", duration=60))
    assert found.rises()[0][0] == step + 1
    assert found.facts().last is None


def test_statuses_beyond_ten_invented_ones_are_other() -> None:
    runs = [run(number, NOW - 9000 + number, status=f"new-{number}") for number in range(INVENTED + 2)]
    assert grown(*runs).counted().runs[OTHER_STATUS] == 2


@pytest.mark.parametrize("seed", range(5))
def test_the_sums_are_those_that_run_counts(seed: int) -> None:
    random = Random(seed)  # noqa: S311  nothing secret hangs on it
    runs = []
    for key in range(300):
        created = NOW - random.randint(100, 80_000)
        status = random.choice(["success", "failed", "error", "canceled", "unauthorized", "weird", ""])
        lasted = None if status == "" else random.choice([0, 1, 29, 30, 31, 60, 61, 600, 601, 7200])
        more = {"branch": random.choice(["main", "develop", "release/1", "x", ""]), "approval": random.random() < 0.1}
        runs.append(run(key, created, lasted, status, **more, credits=random.randint(0, 99)))
    found = grown(*runs).ledger
    known = polled(begun(), *runs, at=NOW, label=LABEL, of=PROJECT)
    known = polled(known, at=NOW + 60, label=LABEL, of=PROJECT)
    assert found.workflows["build"].branches == known.workflows["build"].branches
    assert values(found) == values(known)


def values(of: Ledger) -> dict[Any, Any]:
    cells: dict[Any, Cell] = dict(of.cells.values)
    assert not of.cells.held
    return {key: cell.value for key, cell in cells.items()}


def test_by_stop_a_run_lasts_from_its_creation_to_its_stop_approvals_too() -> None:
    found = grown(run(1, NOW - 9000.25, 100.5, duration=7, approval=True), collectors="pipelines")
    assert found.counted().seconds == 100.5
    assert found.counted().buckets == (0, 0, 1, 0)
    last = found.facts().last
    assert last is not None
    assert last.value == 100.5
