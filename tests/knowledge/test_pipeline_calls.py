"""What pipelines cost, counted before they are asked for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from exporter.counting.cells import Cell, Cells, Distribution, Key
from exporter.counting.ledger import Ledger
from exporter.knowledge import pipeline_calls
from exporter.knowledge.pipeline_calls import DAY, PipelineDay, Sampled, first_look_calls, known_day
from exporter.knowledge.snapshots import Snapshot
from exporter.runs.live import Live
from tests.counting.watched import NOW, Watched, pipeline, run
from tests.knowledge.samples import project, snapshot

ON = "collectors: [pipelines]\n"
NAMES = 1 / 24


def cost(
    day: PipelineDay, settings: str = "", workflows: int = 0, *, covered: bool = False, vain: bool = True
) -> float:
    """Without the list of the workflows' names: once a day, or as often as a sweep in vain where there is none."""
    asked = project(ON + settings)
    return pipeline_calls.calls_per_hour(asked, day, workflows, covered=covered, vain=vain) - (
        NAMES if workflows else 1 / 8
    )


def looks(sampled: Sampled, settings: str = "") -> float:
    """The calls that one pipeline makes in its life, but for the lists."""
    settings = f"pipelines: {{{settings}}}"
    every_hour = tuple(3600.0 * number for number in range(24))
    with_looks = cost(PipelineDay(every_hour, sampled=(sampled,)), settings)
    without = cost(PipelineDay(every_hour, sampled=(replace(sampled, errored=True),)), settings)
    return with_looks - without + 1


def test_a_project_without_pipelines_costs_its_list_at_the_longest_time_between_looks() -> None:
    assert cost(PipelineDay()) == 4
    assert cost(PipelineDay(), "pipelines: {idle_interval: 1h}") == 1
    assert cost(PipelineDay(), covered=True) == 4  # the organization's list shows nothing of it


def test_a_pipeline_is_looked_at_while_it_is_under_way_and_then_for_reruns() -> None:
    # Until a re-run is looked for no more: after 4, 16, 64, 256, 1024, 4096 minutes, within three days.
    assert looks(Sampled(0.0), "jobs: false") == pytest.approx(1 + 6)
    assert looks(Sampled(840.0), "jobs: false") == pytest.approx(10 + 1 + 6)
    assert looks(Sampled(840.0, succeeded=False), "jobs: false") == pytest.approx(10 + 1 + 7)


def test_each_run_costs_a_call_for_its_jobs_at_each_look_and_at_its_end() -> None:
    with_jobs = looks(Sampled(840.0, (840.0, 420.0)))
    assert with_jobs - looks(Sampled(840.0, (840.0, 420.0)), "jobs: false") == pytest.approx(11 + 6)


def test_a_pipeline_on_hold_for_days_is_looked_at_ever_more_seldom() -> None:
    in_its_first_day = looks(Sampled(DAY), "jobs: false") - looks(Sampled(3600.0), "jobs: false")
    a_tenth_of_its_age_each = math.log(9000 / 3600) / 0.1
    assert in_its_first_day == pytest.approx(a_tenth_of_its_age_each + (DAY - 9000) / 900, abs=2)


def test_one_whose_configuration_does_not_compile_is_looked_at_once() -> None:
    assert looks(Sampled(0.0, errored=True)) == 1


def test_a_list_of_its_own_is_walked_often_while_something_is_under_way_and_ever_more_seldom_after() -> None:
    errored = Sampled(600.0, errored=True)
    busy = cost(PipelineDay((0.0,), sampled=(errored,))) - 1 / 24
    until_quiet, then = math.log(9000 / 600) / 0.1, (DAY - 9000) / 900
    assert busy * 24 == pytest.approx(10 + until_quiet + then)


def test_a_list_that_the_organizations_covers_is_walked_every_sixteen_times_the_longest() -> None:
    errored = PipelineDay(tuple(range(48)), sampled=(Sampled(0.0, errored=True),))
    assert cost(errored, covered=True) == pytest.approx(2 + 1 / 4 + 2 / 20)


def test_lists_of_runs_are_swept_for_each_workflow_and_eight_times_as_seldom_in_vain() -> None:
    day = PipelineDay()
    assert cost(day, workflows=5, vain=False) - cost(day) == pytest.approx(5)
    assert cost(day, workflows=5) - cost(day) == pytest.approx(5 / 8)
    many = PipelineDay(tuple(float(each) for each in range(1000)), sampled=(Sampled(0.0, (0.0,), errored=True),))
    assert cost(many, workflows=1, vain=False) - cost(many) == pytest.approx(3000 / 250)


def test_a_day_of_which_only_an_hour_is_known_stands_for_all_of_it() -> None:
    assert PipelineDay((0.0, 1800.0), seconds=3600.0).a_day == 48


@pytest.mark.parametrize(("pipelines", "calls"), [(0, 1), (20, 21), (30, 32), (333.3, 17 + 334)])
def test_the_first_look_costs_pages_and_a_call_for_each_pipeline(pipelines: float, calls: int) -> None:
    assert first_look_calls(pipelines) == calls


def known(live: Live, ledger: Ledger | None = None) -> PipelineDay:
    return known_day(replace(snapshot(ON), live=live, ledger=ledger))


def test_before_the_first_look_no_day_is_known() -> None:
    assert known_day(Snapshot(project(ON))) == PipelineDay()


def test_pipelines_of_the_newest_day_are_known_and_before_a_run_was_counted_nothing_of_their_lengths() -> None:
    watched = {each.id: each for each in (pipeline(1, created_at=NOW - 60), pipeline(2, created_at=NOW - 2 * DAY))}
    day = known(Live(NOW, listed_at=NOW, pipelines=watched))
    assert (day.created, day.sampled) == ((NOW - 60,), ())
    later = Live(NOW, listed_at=NOW, covered_at=NOW + DAY, pipelines=watched)
    assert known(later).created == ()


def test_runs_are_as_long_as_those_that_were_counted_and_a_pipeline_has_as_many() -> None:
    watched = Watched()
    for number in (100, 101):
        counted = watched.look(pipeline(number), [])
        watched.look(counted, [run("running", number=number), run("running", number=number + 10)])
        ended = [run("success", stop=90, number=number), run("success", stop=30, number=number + 10)]
        assert watched.live is not None
        watched.look(watched.live.pipelines[counted.id], ended)
        assert watched.live is not None
        watched.look(watched.live.pipelines[counted.id], ended, {number: (), number + 10: ()})
    watched.settle(120)
    watched.settle(120)
    assert watched.live is not None
    day = known(replace(watched.live, listed_at=watched.now), watched.ledger)
    assert day.sampled == (Sampled(60.0, (60.0, 60.0)),)


def test_without_a_count_of_all_pipelines_each_is_taken_to_have_one_run() -> None:
    bare = Watched()
    assert bare.ledger is not None
    assert bare.live is not None
    durations = Cell(Distribution((60.0,), (4, 0), 600), NOW, NOW)
    cells = Cells({Key("circleci_workflow_run_duration_seconds", ("main", "build")): durations})
    ledger = replace(bare.ledger, cells=cells)
    day = known(replace(bare.live, listed_at=NOW, fresh=False), ledger)
    assert day.sampled == (Sampled(150.0, (150.0,)),)
