"""How counters grew: the same sums as `run` makes, at the steps at which runs had stopped."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from exporter.config import parse
from exporter.history.grid import Grid
from exporter.history.growth import Growth, ended_at
from exporter.runs import Ledger, Run, WorkflowLedger, fold, labels_of
from exporter.runs.ledger import INVENTED, OTHER_STATUS

BOUNDS = (30.0, 60.0, 600.0)
PROJECT = parse("projects: [{slug: gh/acme/web, branches: [develop, release/*]}]").projects[0]
LABEL = labels_of(PROJECT, "main")
NOW = 1_790_000_000.0
GRID = Grid.over(NOW - 86_400, NOW, 3600)


def run(key: int, created: float, lasted: float | None = 60, status: str = "success", **more: object) -> Run:
    stopped = None if lasted is None else created + lasted
    made = Run(key, "main", int(created), status, stopped, lasted, 10, created=created)
    return replace(made, **more)  # type: ignore[arg-type]


def grown(*runs: Run, by_stop: bool = False, grid: Grid = GRID) -> Growth:
    growth = Growth(BOUNDS, grid, LABEL, [], by_stop=by_stop)
    growth.add(sorted(runs, key=lambda each: (ended_at(each), each.created, each.key)))
    growth.close()
    return growth


def test_a_point_has_what_had_stopped_by_its_step() -> None:
    early, late = GRID.first + 5, GRID.first + 9
    growth = grown(run(1, early * 3600 - 60), run(2, early * 3600 - 59), run(3, late * 3600 - 100, 50))
    points = growth.branches["main"].points
    assert [(point.step, point.tally.runs["success"]) for point in points] == [(early, 1), (early + 1, 2), (late, 3)]


def test_what_stopped_after_the_last_step_is_in_the_sum_and_in_no_point() -> None:
    branch = grown(run(1, NOW - 100, 90)).branches["main"]
    assert branch.points == []
    assert branch.tally().runs["success"] == 1


def test_a_run_under_way_makes_its_branch_appear_and_is_remembered_by_its_creation() -> None:
    growth = grown(run(1, NOW - 5000, None, ""), run(2, NOW - 9000, None, ""), run(3, NOW - 100))
    assert growth.oldest_under_way == int(NOW - 9000)
    assert growth.newest == int(NOW - 100)
    assert sum(growth.branches["main"].runs.values()) == 1


def test_a_finished_run_without_a_stop_counts_at_the_end_of_its_duration() -> None:
    step = GRID.first + 5
    without = run(1, step * 3600 - 30, stopped_at=None, status="failed", duration=60)
    branch = grown(without).branches["main"]
    assert branch.points[0].step == step + 1
    assert branch.last is None


def test_statuses_beyond_ten_invented_ones_are_other() -> None:
    runs = [run(number, NOW - 9000 + number, status=f"new-{number}") for number in range(INVENTED + 2)]
    assert grown(*runs).branches["main"].runs[OTHER_STATUS] == 2


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
    growth = grown(*runs)
    ledger = Ledger(0, NOW, BOUNDS, {"build": WorkflowLedger(0)})
    ways = {"now": NOW, "start": 0, "lookback": 1e6, "swept": True}
    ledger = fold(ledger, "build", runs, LABEL, **ways)  # type: ignore[arg-type]
    ledger = fold(ledger, "build", [], LABEL, **ways)  # type: ignore[arg-type]
    counted = ledger.workflows["build"].branches
    assert {name: branch.counters() for name, branch in growth.branches.items()} == counted


def test_by_stop_a_run_lasts_from_its_creation_to_its_stop_approvals_too() -> None:
    branch = grown(run(1, NOW - 9000.25, 100.5, duration=7, approval=True), by_stop=True).branches["main"]
    assert branch.seconds == 100.5
    assert branch.buckets == [0, 0, 1, 0]
    assert branch.last is not None
    assert branch.last.value == 100.5
