"""Another replica takes over in the middle of a Usage export: each job run adds once, and no second export is made."""

from __future__ import annotations

import signal
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.usage.takeovers import JOB_RUNS, LEASE, SOME, Replicas, falls, leads
from tests.circleci.usage import FILE, LOOK, START, Gate
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running.postgres import Address


@pytest.fixture
def replicas(tmp_path: Path, database: Address) -> Iterator[Replicas]:
    with Replicas(tmp_path, database) as found:
        yield found


def of_one_export(replicas: Replicas) -> bool:
    """Whether all files that were asked for are of one export, and no other was started."""
    files = {each.path.split("/")[2] for each in replicas.circle.asked(FILE)}
    return len(replicas.circle.asked(START)) == len(files) == 1


@pytest.mark.parametrize("end", ["kill", "stop", "freeze"])
def test_a_file_that_the_last_leader_was_reading_is_read_from_its_beginning(replicas: Replicas, end: str) -> None:
    gate = Gate(SOME)
    replicas.circle.next_answers(FILE, gate.stopping)
    replicas.under_way()
    # A frozen leader hears at its next renewal that it leads no more. Should it hear that before, nothing changes.
    first, second = replicas.pair(lease=9 if end == "freeze" else LEASE)
    assert 0 < wait_until(replicas.stored, why="some of its job runs") < JOB_RUNS
    if end == "stop":
        assert first.stop()[0] == 0
    else:
        first.process.send_signal(signal.SIGKILL if end == "kill" else signal.SIGSTOP)
        replicas.end_lease()
    replicas.hold_truth(second)
    gate.opened.set()
    if end == "freeze":
        first.process.send_signal(signal.SIGCONT)
        wait_until(lambda: first.events("not leading any more; standing by"), why="the leader of the past to know")
        assert not replicas.watch(first)
        replicas.hold_truth(second)
    assert of_one_export(replicas)
    assert falls(replicas.shown) == []


def test_an_export_that_is_under_way_is_looked_at_by_its_id_at_once(replicas: Replicas) -> None:
    replicas.under_way()
    replicas.circle.usage.states = ["processing"] * 50
    first, second = replicas.pair()
    wait_until(lambda: replicas.circle.asked(LOOK), why="a look at the export, after which the next is in ten minutes")
    first.kill()
    replicas.circle.usage.states = ["completed"]
    replicas.end_lease()
    replicas.hold_truth(second)
    assert len(replicas.circle.asked(LOOK)) == 2
    assert of_one_export(replicas)
    assert falls(replicas.shown) == []


def test_an_export_whose_id_nobody_has_kept_is_started_again_and_the_lost_one_adds_nothing(replicas: Replicas) -> None:
    answer = replicas.circle.fail("hold", START, times=1)
    first, second = replicas.pair()
    wait_until(lambda: answer.hits, why="an export to be started")
    first.kill()
    answer.release()
    replicas.end_lease()
    replicas.hold_truth(second)
    assert len(replicas.circle.asked(START)) == 2
    assert falls(replicas.shown) == []


def test_an_export_that_is_counted_but_still_shown_at_0_rises_under_the_next_leader(replicas: Replicas) -> None:
    replicas.under_way()
    first, second = replicas.pair(interval="1h")
    wait_until(lambda: replicas.watch(first), why="the series at 0, where they stay for a minute")
    assert not any(value for name, value in replicas.shown[-1].items() if name.endswith("_total"))
    first.kill()
    replicas.end_lease()
    replicas.hold_truth(second)
    assert len(replicas.circle.asked(FILE)) == 1
    assert of_one_export(replicas)
    assert falls(replicas.shown) == []


@pytest.mark.parametrize("takeovers", [2, pytest.param(7, marks=pytest.mark.long)])
def test_every_job_run_adds_once_whoever_reads_it(replicas: Replicas, takeovers: int) -> None:
    random, stored = Random(20_261_130), list[int]()  # noqa: S311  no secret
    replicas.under_way()
    gates = [Gate(random.choice((0.2, SOME, SOME))) for _ in range(takeovers)]
    replicas.circle.next_answers(FILE, *(gate.stopping for gate in gates))
    leader, standby = replicas.pair()
    for gate in gates:
        wait_until(gate.reached.is_set, why="a share of the file to be sent")
        if gate.share == SOME:
            wait_until(replicas.stored, why="some of its job runs")
        if random.random() < 0.7:
            leader.kill()
            replicas.end_lease()
        else:
            assert leader.stop()[0] == 0
        stored.append(replicas.stored())
        leader = standby
        wait_until(partial(leads, leader), why="the standby to lead, and not the one that is started now")
        standby = replicas.start()
    replicas.hold_truth(leader)
    assert of_one_export(replicas)
    assert any(0 < each < JOB_RUNS for each in stored)
    assert falls(replicas.shown) == []
