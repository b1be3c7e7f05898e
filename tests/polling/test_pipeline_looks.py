"""Looks side by side against a synthetic CircleCI, held by the order of events: what hangs holds up nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from exporter.errors import Stopped
from exporter.insights.collector import PIPELINES_POLL
from exporter.polling.attempt import Clocks
from exporter.runs.hints import Hint
from tests.polling.answers import Shuffled
from tests.running.engine import SLUG
from tests.running.waiting import PATIENCE
from tests.running.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.polling.kind import Poll

HANGS = {"seconds": 300}


class Patient(Watching):
    """Its questions are asked by threads, which wait as long as it takes."""

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now)

    def begun(self) -> Poll:
        """A poll before its first step."""
        poll = self.engine.begin(SLUG, PIPELINES_POLL)
        assert poll is not None
        return poll

    def step_until(self, poll: Poll, holds: Callable[[], bool]) -> None:
        """Go on with a poll that never ends by itself."""
        for _ in range(int(PATIENCE)):
            if holds():
                return
            assert poll.step()
        pytest.fail(f"counted in vain: {self.runs()}")


@pytest.fixture
def running() -> Iterator[Patient]:
    running = Patient()
    try:
        running.begin()
        yield running
    finally:
        running.close()
        running.circle.stop()


def test_a_pipeline_whose_answers_hang_holds_up_no_other(running: Patient) -> None:
    workflows = [running.start() for _ in range(8)]
    running.look(90)
    for workflow in workflows:
        running.end(workflow)
    running.circle.fail("hang", match=f"/pipeline/{running.pipeline(workflows[0])}/workflow", **HANGS)
    running.pass_time(120)
    running.step_until(running.begun(), lambda: running.runs() == 7 == running.job_runs("test"))
    assert running.in_progress() == {"running": 1}


def test_an_end_is_counted_while_the_jobs_of_its_run_and_of_others_hang(running: Patient) -> None:
    workflow = running.start()
    others = [running.circle.pipelines.add_workflow(running.pipeline(workflow), f"w{number}").id for number in range(3)]
    running.look(90)
    running.end(workflow)
    for other in (workflow, *others):
        running.circle.fail("hang", match=f"/workflow/{other}/job", **HANGS)
    running.pass_time(120)
    running.step_until(running.begun(), lambda: running.runs() == 1)
    assert running.job_runs("test") == 0


def test_jobs_of_an_ended_run_do_not_wait_for_those_of_the_others_in_its_pipeline(running: Patient) -> None:
    workflow = running.start()
    other = running.circle.pipelines.add_workflow(running.pipeline(workflow), "other").id
    running.look(90)
    running.end(workflow)
    running.circle.fail("hang", match=f"/workflow/{other}/job", **HANGS)
    running.pass_time(120)
    running.step_until(running.begun(), lambda: running.runs() == 1 == running.job_runs("test"))


def test_what_an_event_tells_of_is_counted_while_looks_and_the_list_hang(running: Patient) -> None:
    workflows = [running.start() for _ in range(2)]
    running.look(90)
    told = running.start()
    running.end(told)
    for workflow in workflows:
        running.circle.fail("hang", match=f"/pipeline/{running.pipeline(workflow)}/workflow", **HANGS)
    running.circle.fail("hang", match="/project/gh/acme/web/pipeline", **HANGS)
    running.pass_time(120)
    poll = running.begun()
    assert poll.step()
    assert running.engine.inbox.accept(Hint(SLUG, told, "", True, running.now))
    running.step_until(poll, lambda: running.runs() == 1)


def test_a_stop_ends_all_that_hangs(running: Patient) -> None:
    for workflow in [running.start() for _ in range(4)]:
        running.circle.fail("hang", match=f"/pipeline/{running.pipeline(workflow)}/workflow", **HANGS)
    running.pass_time(90)
    poll, ended = running.begun(), threading.Event()

    def steps() -> None:
        try:
            while poll.step():
                pass
        except Stopped:
            ended.set()

    thread = threading.Thread(target=steps)
    thread.start()
    running.engine.stop.set()
    thread.join(PATIENCE)
    assert ended.is_set()


class Scarce(Watching):
    """Few questions are on their way at once, and each answer takes its time."""

    seconds = 0.0

    def clocks(self) -> Clocks:
        waits = Shuffled(Random(0), lambda: self.pass_time(self.seconds))  # noqa: S311  the same in each run
        return Clocks(lambda: self.now, waits.clock, waits)

    def open(self) -> None:
        super().open()
        self.engine.threads.concurrency = 1


@pytest.fixture
def scarce() -> Iterator[Scarce]:
    scarce = Scarce()
    try:
        scarce.begin()
        yield scarce
    finally:
        scarce.close()
        scarce.circle.stop()


def test_where_calls_are_scarce_ends_come_first_then_jobs_of_what_goes_on_and_those_on_hold_last(
    scarce: Scarce,
) -> None:
    *going, held, ended = [scarce.start() for _ in range(12)]
    scarce.circle.pipelines.change_workflow(held, status="on_hold")
    scarce.look(90)
    scarce.end(ended)
    scarce.pass_time(120)
    scarce.asked()
    scarce.look()
    asked = [path.removeprefix("/api/v2") for path in scarce.asked()]
    pipelines = [place for place, path in enumerate(asked) if path.startswith("/pipeline/")]
    jobs = {workflow: asked.index(f"/workflow/{workflow}/job") for workflow in (*going, held, ended)}
    assert len(pipelines) == 12
    assert max(pipelines[-1], jobs[ended]) < min(jobs[workflow] for workflow in going)
    assert jobs[held] > max(jobs[workflow] for workflow in going)


def test_a_look_is_not_late_because_the_jobs_of_the_one_before_still_wait(scarce: Scarce) -> None:
    workflows = [scarce.start() for _ in range(40)]
    scarce.look(90)
    scarce.asked()
    scarce.seconds = 3  # so that the workflows of all take as long as the time between two looks
    begun, poll = scarce.now, scarce.engine.begin(SLUG, PIPELINES_POLL)
    assert poll is not None
    scarce.pass_time(90)
    while scarce.now - begun < 900:
        if not poll.step():
            scarce.pass_time(1)
            poll = scarce.engine.begin(SLUG, PIPELINES_POLL)
            assert poll is not None
    asked = Counter(path.removeprefix("/api/v2") for path in scarce.asked())
    assert all(asked[f"/pipeline/{scarce.pipeline(workflow)}/workflow"] >= 5 for workflow in workflows)
    assert all(asked[f"/workflow/{workflow}/job"] for workflow in workflows)


def test_jobs_that_wait_to_be_read_since_there_was_no_time_for_them_are_told_as_a_delay(scarce: Scarce) -> None:
    scarce.start()
    scarce.look(90)
    pace, snapshot = scarce.engine.pace, scarce.engine.store.get(SLUG)
    assert snapshot is not None
    pace.due(snapshot)
    assert pace.late() == 0
    pace.of(SLUG).put_off["a run"] = scarce.now - 70
    pace.due(snapshot)
    assert pace.late() == 70
