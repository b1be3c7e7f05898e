"""Three replicas on one database are killed, stopped and parted while pipelines happen; then they meet the truth."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import psycopg

from tests.campaigns.events import Asked
from tests.campaigns.frame import EVERY
from tests.campaigns.pipelines.campaign import PipelineCampaign
from tests.campaigns.pipelines.producer import SLUGS
from tests.campaigns.replicas.replica import SECRET, Replica, commits, renews
from tests.campaigns.samples import of, taken_apart
from tests.circleci.webhooks import send, workflow_completed
from tests.running.waiting import PATIENCE, wait_until
from tests.running.wire import Wire
from tests.state.postgres.making import end_lease

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.campaigns.events import Event
    from tests.campaigns.samples import Samples
    from tests.running.postgres import Address, Server
    from tests.running.program import Exporter
    from tests.running.scrapes import Scrape

SHORTEST = 3.0
SKEWS = (0.0, 300.0, -300.0)
"""By how many seconds the clock of each machine is wrong."""


class ReplicaCampaign(PipelineCampaign):
    """What is scraped is what the leader shows, whoever that is. A leader that is slow loses its lease, and may."""

    def __init__(
        self, folder: Path, seed: int, server: Server, *, lease: float = SHORTEST, at_once: int = 1, interval: int = 1
    ) -> None:
        super().__init__(folder, seed, at_once=at_once, interval=interval)
        self.server, self.lease = server, lease
        self.database: Address = server.database()
        self.replicas: list[Replica] = []
        self.takeovers = self.two_led = self.woken = 0
        self.doubles: list[str] = []
        self.told: dict[int, int] = {}

    def start(self) -> Exporter:
        """Start all replicas; returns the one that leads first."""
        name = self.database.url.rpartition("/")[2]
        for number, skew in enumerate(SKEWS):
            wire = Wire(self.server.port)
            state = f'url: "{self.server.url(name, port=wire.port)}", lease: {self.lease:g}s'
            before = f'path: "{self.folder / "state.db"}"'
            configuration = self.configuration().replace(before, state)
            self.replicas.append(Replica(self.folder / f"replica-{number}", wire, configuration, skew))
        self._wait_for_start()
        return self.exporter

    def begun(self) -> None:
        def polled() -> bool:
            scrape = self.leader().exporter.scrape()
            found = {scrape.get("collector_success", project=slug, collector="pipelines") for slug in SLUGS}
            return found == {1}

        wait_until(polled, why="the first look at all projects")
        self.circle.advance(2)  # times are whole seconds: what happens next must not look as if it had ended before

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for replica in self.replicas:
            replica.end()

    # ---- what is seen

    def leader(self, but: Replica | None = None) -> Replica:
        """The replica that leads, or another one; it waits for it."""

        def found() -> Replica | None:
            return next((each for each in self.replicas if each is not but and each.leads()), None)

        leader = wait_until(found, why="a leader" if but is None else "another leader")
        assert leader is not None
        return leader

    def epoch(self) -> int | None:
        """How often the lease was taken; None while the database is away."""
        with suppress(psycopg.OperationalError):
            return int(self.database.run("SELECT max(epoch) FROM lease")[0][0])
        return None

    def look(self) -> Samples:
        """Scrape all that live, until one shows what is CircleCI's: one alone, unless the lease was taken meanwhile."""
        while True:
            epoch, began = self.epoch(), time.monotonic()
            showing = [counters for each in self.replicas if (counters := self.shown_by(each))]
            if len(showing) > 1 and epoch is not None and epoch == self.epoch():
                self.doubles.append(f"{len(showing)} replicas showed series at once")
            if len(showing) == 1:
                self.reader.see(of(showing[0], self.counters), began, time.monotonic())
                return showing[0]
            wait_until(lambda: any(each.leads() for each in self.replicas), interval=EVERY, why="a leader")

    def shown_by(self, replica: Replica) -> Samples | None:
        """What a replica shows of CircleCI; None where it counts nothing."""
        scrape: Scrape | None = None
        with suppress(OSError, HTTPException):
            scrape = replica.exporter.scrape() if replica.answers else None
        shown = taken_apart(scrape.values) if scrape else {}
        return shown if of(shown, self.counters) else None

    # ---- what is done to them

    def at(self, kind: Callable[[Replica], Event]) -> tuple[Replica, Event]:
        """Wait for an event of the leader, whoever that is by then."""

        def comes() -> bool:
            return event.has_come() or not leader.leads()

        while True:
            leader = self.leader()
            event = kind(leader)
            event.arm(leader.exporter, self.circle)
            wait_until(comes, interval=EVERY, why=str(event))
            if event.has_come():
                return leader, event
            event.over()

    def any_event(self) -> tuple[Replica, Event]:
        """Wait for an event that is drawn."""
        kinds = (commits, renews, lambda _: Asked(self.asked, self.random.randrange(6)))
        return self.at(self.random.choice(kinds))

    def kill_it(self) -> None:
        """Kill the leader; another one takes over, and it stands by afterwards."""
        leader, event = self.any_event()
        leader.exporter.kill()
        event.over()
        self.taken_over(leader)
        leader.start()
        self.kills += 1

    def hand_over(self) -> None:
        """End the leader as a roll-out does."""
        leader = self.leader()
        assert leader.exporter.stop()[0] == 0
        self.taken_over(leader)
        leader.start()

    def taken_over(self, before: Replica) -> None:
        """Wait until another leads, and look at what it shows."""
        self.leader(but=before)
        self.look()
        self.takeovers += 1

    def freeze(self) -> None:
        """Stop the leader until another leads, with a scrape waiting and a commit on its way, and wake it.

        What it shows then tells something, and it counts as woken, only if nobody has taken the lease meanwhile.
        """
        leader, event = self.at(commits)
        leader.freeze()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(leader.exporter.scrape)
            self.taken_over(leader)
            event.over()
            epoch = self.epoch()
            leader.wake()
            shown = taken_apart(waiting.result(2 * PATIENCE).values)
        if found := of(shown, self.counters):
            self.doubles += [f"a leader of the past showed {len(found)} series"] if epoch == self.epoch() else []
        self.woken += epoch == self.epoch()

    def part(self) -> None:
        """Part the leader, and nobody else, from the database until another leads."""
        leader = self.leader()
        leader.wire.fall_silent()
        self.taken_over(leader)
        leader.wire.heal()

    def lose_database(self, *, long: bool) -> None:
        """Stop the database, and start it again: at once, or when nobody leads any more."""
        self.server.stop()
        if long:
            wait_until(lambda: not any(each.leads() for each in self.replicas), why="the leases to end")
        self.server.start()
        self.look()

    def cut_commit(self, *, reaches: bool) -> None:
        """Cut the leader's connection in the middle of a commit."""
        before = self.cuts()

        def comes() -> bool:
            return self.cuts() > before or not leader.leads()

        while self.cuts() == before:
            leader = self.leader()
            leader.wire.cut_next_commit(reaches=reaches)
            wait_until(comes, interval=EVERY, why="a commit")
        self.look()

    def cuts(self) -> int:
        """How many commits were cut."""
        return sum(replica.wire.cuts for replica in self.replicas)

    def take_by_hand(self) -> None:
        """Give the lease to somebody else by hand until nobody takes itself for the leader."""
        self.leader()
        self.database.run("UPDATE lease SET holder = 'by hand', epoch = epoch + 1, until = lease_now() + 600")
        wait_until(lambda: not any(each.leads() for each in self.replicas), why="the leader to find it lost")
        end_lease(self.database)
        self.look()

    def force_two(self) -> None:
        """End the lease by hand while its holder waits for its renewal: for a moment two lead, and both count."""

        def leading() -> list[Replica]:
            return [replica for replica in self.replicas if replica.leads()]

        def decided() -> bool:
            return len(leading()) > 1 or not first.leads()

        two = False
        while not two:
            first = self.leader()
            first.wire.fall_silent()
            end_lease(self.database)
            wait_until(decided, interval=0.01, why="another leader, or none")
            two = len(leading()) > 1
            first.wire.heal()
        self.two_led += 1
        wait_until(lambda: len(leading()) == 1, why="one leader")
        self.look()

    def tell_two(self) -> None:
        """Send the same webhook to two replicas, each as often as it takes."""
        pipelines = wait_until(lambda: [each for each in self.facts() if each["workflows"]], why="a run")
        pipeline = self.random.choice(pipelines)
        body = workflow_completed(self.random.choice(pipeline["workflows"])["id"], pipeline["slug"])
        for replica in self.replicas[:2]:

            def taken(address: str = replica.exporter.address) -> bool:
                status, _ = send(address, body, SECRET)
                self.told[status] = self.told.get(status, 0) + 1
                return status == 200

            wait_until(taken, why="a webhook to be taken")

    def _let_pass_unseen(self) -> None:
        for replica in self.replicas:
            replica.exporter.kill()
        end_lease(self.database)
        self.let_pass()
        for replica in self.replicas:
            replica.started()
        self._wait_for_start()

    def _wait_for_start(self) -> None:
        for replica in self.replicas:
            replica.exporter.wait_for_start()
        self.exporter = self.leader().exporter

    def swept_again(self) -> None:
        """Another replica leads, which walks all lists soon; what they told is shown when it asks on."""

        def swept(requests: list[dict[str, Any]]) -> bool:
            asked = [each["path"] for each in requests]
            lists = [f"/project/{slug}/pipeline" for slug in SLUGS]
            return {*lists} <= {*asked} and asked[max(map(asked.index, lists)) :].count("/pipeline") > 2

        self.hand_over()
        self.ask_again(swept, "walks along all lists")

    # ---- how it ends

    def end(self) -> None:
        super().end()
        assert self.doubles == []
        for replica in self.replicas:
            replica.exporter.hold_secrets()

    def summary(self) -> str:
        """What happened, for a person."""
        return (
            f"{super().summary()}, takeovers {self.takeovers}, commits cut {self.cuts()}, woken {self.woken}, "
            f"two leaders at once {self.two_led} times, webhooks {self.told}"
        )
