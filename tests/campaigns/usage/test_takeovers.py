"""Another replica takes over in the middle of a Usage export: each job run adds once, and no second export is made."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from exporter.demo.messages import Reply, message
from tests.campaigns.usage.takeovers import JOB_RUNS, Gate, Replicas
from tests.campaigns.usage.test_campaign import falls
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.demo.messages import Request
    from tests.running.postgres import Address
    from tests.running.program import Exporter


@pytest.fixture
def replicas(tmp_path: Path, database: Address) -> Iterator[Replicas]:
    with Replicas(tmp_path, database) as found:
        yield found


def kill(leader: Exporter) -> None:
    leader.kill()


def stop(leader: Exporter) -> None:
    assert leader.stop()[0] == 0


def freeze(leader: Exporter) -> None:
    leader.process.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize("end", [kill, stop, freeze])
def test_a_file_that_the_last_leader_was_reading_is_read_from_its_beginning(
    replicas: Replicas, end: Callable[[Exporter], None]
) -> None:
    gate = Gate()
    replicas.api.send = gate.send
    first, second = replicas.pair()
    wait_until(gate.reached.is_set)
    wait_until(replicas.stored, why="some of its job runs")
    assert replicas.stored() < JOB_RUNS
    end(first)
    replicas.hold_truth(second)
    if end is freeze:
        first.process.send_signal(signal.SIGCONT)
        gate.opened.set()
        wait_until(lambda: first.events("not leading any more; standing by"), why="the leader of the past to know")
        assert not replicas.watch(first)
        replicas.hold_truth(second)
    gate.opened.set()
    assert len(replicas.api.asked("POST")) == 1
    assert len({export for export, _ in replicas.api.served}) == 1
    assert falls(replicas.shown) == []


def test_an_export_that_is_under_way_is_looked_at_by_its_id_at_once(replicas: Replicas) -> None:
    replicas.api.states = ["processing"] * 50
    first, second = replicas.pair()
    wait_until(lambda: replicas.api.asked("GET"), why="a look at the export")
    first.kill()
    replicas.api.states = []
    looks = len(replicas.api.asked("GET"))
    wait_until(lambda: second.get("/-/leader")[0] == 200)
    began = time.time()
    wait_until(lambda: len(replicas.api.asked("GET")) > looks, why="the next leader's look")
    assert replicas.api.asked("GET")[looks] < began + 15  # the second look would come 20 s after the start
    replicas.hold_truth(second)
    assert len(replicas.api.asked("POST")) == 1
    assert falls(replicas.shown) == []


def test_an_export_whose_id_nobody_has_kept_is_started_again_and_the_lost_one_adds_nothing(replicas: Replicas) -> None:
    both = threading.Event()

    def lost(_request: Request) -> Reply:
        assert both.wait(PATIENCE)
        replicas.started[0].kill()
        return message(500, "nobody hears this")

    replicas.api.replies = [("POST", lost)]
    _, second = replicas.pair()
    both.set()
    replicas.hold_truth(second)
    assert len(replicas.api.asked("POST")) == 2
    assert falls(replicas.shown) == []


def test_an_export_that_is_counted_but_still_shown_at_0_rises_under_the_next_leader(replicas: Replicas) -> None:
    first, second = replicas.pair()
    wait_until(lambda: replicas.watch(first), interval=0.02, why="the series at 0")
    first.kill()
    assert not any(value for name, value in replicas.shown[-1].items() if name.endswith("_total"))
    replicas.hold_truth(second)
    assert (len(replicas.api.asked("POST")), len(replicas.api.served)) == (1, 1)
    assert falls(replicas.shown) == []
