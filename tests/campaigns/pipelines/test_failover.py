"""The database falls back to what it was, while one leads or before it starts: every run counts once all the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.errors import StateError
from exporter.process.contact import DatabaseClock
from exporter.process.engine import Engine
from exporter.process.keeper import Keeper
from exporter.process.leading import Leader
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from tests.campaigns.effort import effort
from tests.campaigns.pipelines.story import Story
from tests.campaigns.samples import differences
from tests.running.postgres import Server
from tests.running.waiting import PATIENCE, wait_until
from tests.state.postgres.making import end_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.process.lease import Lease
    from exporter.process.term import Term
    from exporter.system.logs import Logger
    from tests.campaigns.samples import Samples
    from tests.running.postgres import Address

LEASE = 120.0
OLDER = "the database is older than the one used last; run counters start at 0"


@pytest.fixture
def own(postgres: Server) -> Iterator[Server]:
    """A server whose data may be replaced."""
    with Server(postgres.programs) as server:
        yield server


class StoryClock(DatabaseClock):
    """The time that the story has."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = story

    def wall(self) -> float:
        return self._story.now


class Led:
    """What one term has of the story."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def stale(self) -> str:
        assert self.engine.database is not None
        return self.engine.database.stale

    def restore(self) -> None:
        """What was read is of one database."""
        self.engine.state.verify()

    def start(self) -> None:
        """The story looks by itself."""

    def stop(self) -> None:
        self.engine.stop.set()

    def close(self) -> None:
        self.engine.close()


class SharedStory(Story):
    """What happens to one of several replicas, which leads."""

    leader: Leader | None = None

    def __init__(self, database: Address, seed: int) -> None:
        self.database = database
        super().__init__(Path(), seed)

    def open(self) -> None:
        """Take the lease, and lead."""
        if self.leader is None:
            self.log = CapturingLogger()
            login = Login(self.database.url, None, PATIENCE)
            place = Place(f"{self.circle.url}/api/v2", 0, 1)
            log = cast("Logger", self.log)
            keeper = Keeper(LeaseTable(Link(login, PATIENCE), LEASE), place, login, log, time=StoryClock(self))
            begin = cast("Callable[[Lease], Term]", self.begin_term)
            self.leader = Leader(keeper, begin, log)
            assert keeper.reach()
            self.leader.start(lambda: None)
        self.lead()

    def begin_term(self, lease: Lease) -> Led:
        """Read what the database knows."""
        return Led(self.made(lease))

    def happens(self, pipelines: int) -> None:
        """Some pipelines, and looks at them."""
        self.pass_time(1)
        self.producer.some(self.circle.clock.now(), pipelines)
        self.looks_again()

    def end(self) -> None:
        """Let everything end, and look until all of it has been seen: nothing fails here, so that a few looks do."""
        self.producer.leave_it()
        for _ in range(3):
            self.pass_time(60)
            self.producer.release(self.circle.clock.now())
        for after in (*(60,) * 8, *(3600,) * 4):
            self.look(after)

    def lead(self) -> None:
        """Wait for another term."""
        assert self.leader is not None
        before, leader = getattr(self, "engine", None), self.leader

        def begun() -> bool:
            current: Any = leader.current
            return current is not None and current.engine is not before

        wait_until(begun, why="another term")
        current: Any = leader.current
        self.engine = current.engine

    def stop(self) -> None:
        """End the process; another may begin."""
        assert self.leader is not None
        self.leader.stop()
        self.leader = None

    def close(self) -> None:
        self.stop()
        self.circle.stop()

    def logged(self) -> list[str]:
        return [str(call.args[0]) for call in self.log.calls]


def copied(server: Server, _database: Address) -> Callable[[], None]:
    """Copy all data; what is returned puts the copy in their place."""
    folder = server.copy()
    return lambda: server.fail_over(folder)


def dumped(server: Server, database: Address) -> Callable[[], None]:
    """Dump a database; what is returned restores it."""
    file = server.dump(database)
    return lambda: server.restore(database, file)


PARTIAL = ("critical_path", "feedback")


def whole(*samples: Samples) -> Samples:
    """Sums, but for what a pipeline under way at the first look has not: feedback, and its whole critical path."""
    found: Counter[Any] = Counter()
    for each in samples:
        kept = {series: value for series, value in each.items() if not any(word in series[0] for word in PARTIAL)}
        found.update(kept)
    return dict(found)


FALLS = {
    "a failover": (copied, False),
    "a dump before a start": (dumped, True),
    "a dump under a leader": (dumped, False),
}
TRIED = list(FALLS)[: effort(2, 3)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("keep", "stops"), [FALLS[each] for each in TRIED], ids=TRIED)
def test_every_run_counts_once_though_the_database_falls_back(
    own: Server, keep: Callable[[Server, Address], Callable[[], None]], *, stops: bool
) -> None:
    story = SharedStory(own.database(), 21)
    try:
        story.begin()
        story.happens(8)
        fall_back = keep(own, story.database)
        story.happens(8)
        story.end()
        assert differences(story.counted(), story.truth()) == []
        story.producer.hold(story.circle.clock.now(), 6)
        story.looks_again()
        began, before = dict(story.began), story.counted()
        if stops:
            story.stop()
        fall_back()
        if stops:
            end_lease(story.database)
            story.open()
        else:
            with pytest.raises(StateError, match="older copy"):
                story.engine.state.verify()
            assert story.counted() == before, "what it has shown stays until all was read again"
            story.lead()
        assert story.counted() == {}
        assert story.engine.telemetry.registry.get_sample_value("circleci_exporter_state_older_total") == 1
        assert story.logged().count(OLDER) == 1
        story.reader.forget()
        story.began.clear()
        story.look()
        story.happens(8)
        story.end()
        after = story.counted()
        assert differences(after, story.truth()) == []
        story.began = began
        assert differences(whole(before, after), whole(story.truth())) == []
    finally:
        story.close()
