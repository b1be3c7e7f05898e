"""What is foretold of the calls that pipelines need, against what real polls make in a simulated day."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from benchmarks.now import Simulation
from exporter.cli.pipeline_check import survey
from exporter.knowledge import calls, pipeline_calls
from exporter.knowledge.calls import NONE, Calls

if TYPE_CHECKING:
    from exporter.knowledge.pipeline_calls import PipelineDay

WORKFLOWS = 2
WITHIN = 1.25
"""The factor within which what is foretold holds, with pipelines of such different lengths."""


@dataclass(frozen=True)
class Case:
    """A configuration and how much happens: the projects, those of them with pipelines, and these a day."""

    settings: str
    projects: int
    active: int
    a_day: int


CASES = {
    "projects that share an organization, with jobs": Case("pipelines: {interval: 1m}", 2, 2, 40),
    "projects that share an organization, without jobs": Case("pipelines: {interval: 1m, jobs: false}", 3, 1, 40),
    "a project by itself, looked at seldom": Case("pipelines: {interval: 5m, idle_interval: 1h}", 1, 1, 20),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_real_polls_make_as_many_calls_as_check_and_the_log_foretell(case: Case) -> None:
    with closing(Simulation(case.settings, case.projects, case.active, a_day=case.a_day)) as simulation:
        made = simulation.run().calls_an_hour
        snapshots = [snapshot for snapshot, _ in simulation.store.published.values()]
        asked = [survey(simulation.attempts, snapshot.project).day for snapshot in snapshots]
    known = [pipeline_calls.known_day(snapshot) for snapshot in snapshots]
    lists = calls.lists_per_hour(snapshot.project for snapshot in snapshots)

    def foretold(days: list[PipelineDay]) -> Calls:
        bounds = (
            Calls(
                pipeline_calls.calls_per_hour(each.project, day, WORKFLOWS, covered=bool(lists), vain=True),
                pipeline_calls.calls_per_hour(each.project, day, WORKFLOWS, covered=False, vain=False),
            )
            for each, day in zip(snapshots, days, strict=True)
        )
        return sum([*bounds, *lists.values()], NONE)

    assert sum(day.a_day for day in asked) == pytest.approx(case.a_day, abs=3)
    for told in (foretold(asked), foretold(known)):
        assert told.least / WITHIN <= made <= told.most * WITHIN
