"""Quiet blocks get smaller, at their own pace, and show the same lines."""

from __future__ import annotations

import gzip
import itertools
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.insights.collectors import COLLECTORS
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.repacking import SHARE, Repacker
from exporter.publishing.store import SnapshotStore
from tests.knowledge.samples import FACTS, NOW, part, project, workflow_row
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from exporter.publishing.blocks import Block
    from exporter.system.logs import Logger

WINDOW = (("branch", "main"), ("reporting-window", "last-7-days"))


def of(number: int, runs: int = 82, **more: float) -> Snapshot:
    slug = f"gh/acme/service-{number:04}"
    question = Question("workflows", COLLECTORS["workflows"].endpoint, slug, "", WINDOW)
    rows = [
        workflow_row(name, total_runs=runs + number, mttr=number * 1.5, **more)
        for name in ("build", "deploy", "release")
    ]
    return Snapshot(project(slug=slug), FACTS, {question: part("workflows", rows)})


@pytest.fixture
def store() -> SnapshotStore:
    """Twelve projects, published one after another."""
    made = SnapshotStore()
    for number in range(12):
        made.publish([of(number)], NOW)
    return made


def member(store: SnapshotStore) -> bytes:
    return b"".join(store.exposition.text.member())


def silent() -> Logger:
    return cast("Logger", CapturingLogger())


def at_once(seconds: float) -> bool:
    return False


def test_what_is_the_same_at_two_looks_gets_smaller_and_shows_the_same(store: SnapshotStore) -> None:
    repacker = Repacker(store, silent())
    before = member(store)
    assert repacker.look(at_once) == 0
    assert member(store) == before
    assert repacker.look(at_once) == len(store.blocks())
    assert len(member(store)) < len(before)
    assert gzip.decompress(member(store)) == gzip.decompress(before)
    assert repacker.look(at_once) == 0


def test_what_changed_since_the_last_look_is_left_alone(store: SnapshotStore) -> None:
    repacker = Repacker(store, silent())
    repacker.look(at_once)
    store.publish([of(3, runs=99)], NOW)
    assert repacker.look(at_once) == len(store.blocks()) - 1
    assert repacker.look(at_once) == 1


def test_it_takes_a_bounded_share_of_a_core_and_ends_when_it_is_told_to(store: SnapshotStore) -> None:
    moments, pauses = iter(range(1000)), list[float]()

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 3

    repacker = Repacker(store, silent(), monotonic=lambda: float(next(moments)))
    repacker.look(at_once)
    assert repacker.look(pause) == 3
    assert pauses == [1 / SHARE - 1] * 3  # each took a second by this clock


def test_what_is_published_or_withdrawn_meanwhile_is_shown_as_it_is_now(store: SnapshotStore) -> None:
    def withdrawn(_seconds: float) -> bool:
        store.withdraw([of(5).project.slug])
        store.publish([of(3, runs=99)], NOW)
        return False

    repacker = Repacker(store, silent())
    repacker.look(at_once)
    assert repacker.look(withdrawn) > 0
    fresh = SnapshotStore()
    fresh.publish([of(number, runs=99 if number == 3 else 82) for number in range(12) if number != 5], NOW)
    assert gzip.decompress(member(store)) == gzip.decompress(member(fresh))


def test_a_thread_looks_until_it_is_stopped(store: SnapshotStore) -> None:
    stop, before, loose = threading.Event(), set(threading.enumerate()), len(member(store))
    Repacker(store, silent(), look_every=0.01).start(stop)
    wait_until(lambda: len(member(store)) < loose, why="the blocks are smaller")
    stop.set()
    wait_until(lambda: before.issuperset(threading.enumerate()), why="the thread has ended")  # others may end, too


def test_what_is_published_is_compressed_by_the_thread_and_not_by_the_publication(store: SnapshotStore) -> None:
    def waiting() -> bool:
        return any(known._state[1] for known in store.exposition.known.values())

    store.settle()
    assert not waiting()
    store.publish([of(3, runs=99)], NOW)
    assert (waiting(), store.fresh.is_set()) == (True, True)
    stop = threading.Event()
    Repacker(store, silent()).start(stop)
    wait_until(lambda: not waiting(), why="the lines of the one family are compressed")
    stop.set()
    assert b" 102.0" in gzip.decompress(member(store))


def test_a_scrape_that_comes_before_the_thread_compresses_what_it_sends(store: SnapshotStore) -> None:
    store.settle()
    store.publish([of(3, runs=99)], NOW)
    assert store.fresh.is_set()
    assert b" 102.0" in gzip.decompress(member(store))


def test_each_scrape_has_all_projects_and_each_of_them_as_one_publication_left_it(store: SnapshotStore) -> None:
    stop, scraped = threading.Event(), threading.Event()

    def publish(number: int) -> None:
        for runs in itertools.count(1000, 100):
            if scraped.wait(0.0005):
                break
            store.publish([of(number, runs, successful_runs=runs + number)], NOW)

    def runs_by_project() -> dict[str, set[str]]:
        found = defaultdict(set)
        for line in gzip.decompress(member(store)).decode().splitlines():
            if line.startswith(("circleci_insights_workflow_runs{", "circleci_insights_workflow_successful_runs{")):
                found[line.split('project="')[1].split('"')[0]].add(line.rpartition(" ")[2])
        return found

    store.publish([of(number, successful_runs=82 + number) for number in range(12)], NOW)
    publishers = [threading.Thread(target=publish, args=(number,)) for number in (0, 5, 11)]
    Repacker(store, silent(), look_every=0.001).start(stop)
    for each in publishers:
        each.start()
    try:
        last: dict[str, float] = {}
        for _ in range(100):
            found = runs_by_project()
            assert len(found) == 12
            assert {len(values) for values in found.values()} == {1}, "of each project one publication"
            now = {project: float(*values) for project, values in found.items()}
            assert all(value >= last.get(project, 0) for project, value in now.items()), "no older one after a newer"
            last = now
    finally:
        scraped.set()
        for each in publishers:
            each.join()
        stop.set()


def test_an_unexpected_error_is_logged_and_counted_and_the_next_look_is_as_good(store: SnapshotStore) -> None:
    class Broken:
        """A store with a defect that is there once."""

        def __init__(self) -> None:
            self.fresh, self.settle, self.rejoin = store.fresh, store.settle, store.rejoin
            self.looks = 0

        def blocks(self) -> set[Block]:
            self.looks += 1
            if self.looks == 1:
                raise RuntimeError("a defect")
            return store.blocks()

    log, failures, stop = CapturingLogger(), list[None](), threading.Event()
    before = store.exposition
    repacker = Repacker(
        cast("SnapshotStore", Broken()),
        cast("Logger", log),
        failed=lambda: failures.append(None),
        look_every=0.01,
        defect_pause=0.01,
    )
    repacker.start(stop)
    wait_until(lambda: store.exposition is not before, why="a look that packed something")
    stop.set()
    assert [call.method_name for call in log.calls] == ["exception"]
    assert len(failures) == 1
