"""Three replicas on one database are killed, stopped and parted while pipelines happen; then they meet the truth."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.campaigns.frame import TOKEN
from tests.campaigns.pipelines.producer import SLUGS
from tests.campaigns.pipelines.reading import COUNTERS
from tests.campaigns.replicas.before import CONFIGURATION, PipelineCampaign
from tests.campaigns.samples import of, read
from tests.circleci.webhooks import send, workflow_completed
from tests.running.altered import altered
from tests.running.ports import free_port
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until
from tests.running.wire import Wire

if TYPE_CHECKING:
    from tests.running.postgres import Address, Server
    from tests.running.program import Scrape

SECRET = "a-webhook-secret"
SHORTEST = 3.0
SKEWS = (0.0, 300.0, -300.0)
"""By how many seconds the clock of each machine is wrong."""


class Replica:
    """One process with a wire of its own, and an address that it keeps."""

    def __init__(self, folder: Path, wire: Wire, configuration: str, skew: float) -> None:
        self.folder, self.wire, self.configuration, self.skew = folder, wire, configuration, skew
        self.port = free_port()
        self.exporter = self.start()

    def start(self) -> Exporter:
        """Start the process."""
        exporter = Exporter(
            self.folder,
            self.configuration,
            token=TOKEN,
            address=f"127.0.0.1:{self.port}",
            environ={"CIRCLECI_WEBHOOK_SECRET": SECRET, **altered(skew=self.skew)},
        )
        exporter.wait_for_start()
        self.exporter = exporter
        return exporter

    def leads(self) -> bool:
        """Whether it says so; a stopped or dead one says nothing."""
        with suppress(OSError):
            return self.exporter.lives and self.exporter.get("/-/leader")[0] == 200
        return False


class ReplicaCampaign(PipelineCampaign):
    """Three replicas; what is scraped is what the leader shows, whoever that is."""

    lease = SHORTEST
    count = 3
    shards = ""
    """Further flags."""

    def __init__(self, folder: Path, seed: int, server: Server) -> None:
        super().__init__(folder, seed)
        self.server = server
        self.database: Address = server.database()
        self.replicas: list[Replica] = []
        self.takeovers = self.two_led = 0
        self.doubles: list[str] = []
        self.told: dict[int, int] = {}

    def start(self) -> Exporter:
        """Start all replicas; returns the one that leads first."""
        for number in range(self.count):
            wire = Wire(self.server.port)
            url = self.server.url(self.database.url.rpartition("/")[2], port=wire.port)
            configuration = CONFIGURATION.format(
                url=self.circle.url, state="", projects=", ".join(SLUGS), interval=self.interval
            ).replace('path: ""', f'url: "{url}", lease: {self.lease:g}s')
            skew = SKEWS[number % len(SKEWS)]
            self.replicas.append(Replica(self.folder / f"replica-{number}", wire, configuration, skew))
        return self.leader().exporter

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for replica in self.replicas:
            with suppress(ProcessLookupError):
                replica.exporter.process.send_signal(signal.SIGCONT)
            replica.exporter.end()
            replica.wire.__exit__()
        self.circle.stop()

    def __enter__(self) -> Self:
        super().__enter__()
        self.heights = {}
        return self

    def leader(self, timeout: float = PATIENCE) -> Replica:
        """The replica that leads; it waits for one."""

        def found() -> Replica | None:
            leading = [replica for replica in self.replicas if replica.leads()]
            return leading[0] if leading else None

        replica = wait_until(found, timeout, 0.02, why="a leader")
        assert replica is not None
        return replica

    def standby(self) -> Replica:
        """A replica that does not lead, and lives."""
        leader = self.leader()
        return next(each for each in self.replicas if each is not leader and each.exporter.lives)

    def look(self) -> Scrape:
        """Scrape all that live; exactly one shows what is CircleCI's, or none between two leaders."""
        began = time.monotonic()
        while True:
            scrapes = []
            for replica in self.replicas:
                with suppress(OSError):
                    if replica.exporter.lives:
                        scrapes.append(replica.exporter.scrape())
            showing = [scrape for scrape in scrapes if of(read(scrape.text), COUNTERS)]
            if len(showing) > 1:
                self.doubles.append(f"{len(showing)} replicas showed series at once")
            if showing:
                self.exporter = self.leader().exporter
                self.see(showing[0].values)
                self.looked_at = began
                return showing[0]
            assert time.monotonic() - began < 60, "no replica shows anything"
            time.sleep(0.05)

    def kill_it(self) -> None:
        """Kill the leader; another one takes over, and it stands by afterwards."""
        leader = self.leader()
        leader.exporter.kill()
        self.look()
        leader.start()
        self.kills += 1
        self.takeovers += 1

    def hand_over(self) -> float:
        """End the leader as a roll-out does; returns the seconds until another one shows everything."""
        leader = self.leader()
        began = time.monotonic()
        assert leader.exporter.stop()[0] == 0
        self.look()
        took = time.monotonic() - began
        leader.start()
        self.takeovers += 1
        return took

    def freeze(self, seconds: float) -> None:
        """Stop the leader for longer than its lease, with a scrape waiting, and wake it."""
        leader = self.leader()
        leader.exporter.process.send_signal(signal.SIGSTOP)
        answers: list[str] = []

        def wait_for_it() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", leader.port, timeout=seconds + PATIENCE)
            with closing(connection):
                connection.request("GET", "/metrics")
                answers.append(connection.getresponse().read().decode())

        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        self.away(leader, seconds)
        leader.exporter.process.send_signal(signal.SIGCONT)
        waiting.join(PATIENCE)
        assert answers, "the leader of the past did not answer"
        self.doubles += [
            f"a leader of the past showed {len(found)} series"
            for text in answers
            if (found := of(read(text), COUNTERS))
        ]
        self.takeovers += 1

    def away(self, leader: Replica, seconds: float) -> None:
        """Watch the others for a while."""
        others = [each for each in self.replicas if each is not leader]
        every, self.replicas = self.replicas, others
        try:
            self.watch(seconds)
        finally:
            self.replicas = every

    def part(self, seconds: float) -> None:
        """Part the leader, and nobody else, from the database."""
        leader = self.leader()
        leader.wire.fall_silent()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.05)
        leader.wire.heal()
        self.takeovers += 1

    def lose_database(self, seconds: float) -> None:
        """Stop the database, and start it again."""
        self.server.stop()
        time.sleep(seconds)
        self.server.start()
        self.look()

    def cut_commit(self, *, reaches: bool) -> None:
        """Cut the leader's connection in the middle of a commit."""
        wire = self.leader().wire
        before = wire.cuts
        wire.cut_next_commit(reaches=reaches)
        wait_until(lambda: wire.cuts > before or not self.is_leading(wire), interval=0.05, why="a commit")
        self.watch(1.0)

    def is_leading(self, wire: Wire) -> bool:
        """Whether the replica behind a wire leads."""
        return any(replica.wire is wire and replica.leads() for replica in self.replicas)

    def take_by_hand(self) -> None:
        """Give the lease to somebody else by hand, while its holder takes itself for the leader, and end that one."""
        self.database.run("UPDATE lease SET holder = 'by hand', epoch = epoch + 1, until = lease_now() + 2")
        self.watch(1.0)

    def force_two(self) -> None:
        """End the lease by hand while its holder waits for its renewal: for a moment two lead, and both count."""

        def leading() -> list[Replica]:
            return [replica for replica in self.replicas if replica.leads()]

        def forced() -> bool:
            first = self.leader()
            first.wire.fall_silent()
            self.database.run("UPDATE lease SET until = lease_now() - 1")
            wait_until(lambda: len(leading()) > 1 or not first.leads(), interval=0.01, why="another leader, or none")
            first.wire.heal()
            self.takeovers += 1
            return len(leading()) > 1

        wait_until(forced, 90, 0.5, why="two leaders")
        self.two_led += 1
        wait_until(lambda: len(leading()) == 1, interval=0.02, why="one leader")
        self.look()

    def tell_two(self) -> None:
        """Send the same webhook to two replicas."""
        facts = [run for each in self.facts() for run in each["workflows"]]
        run = self.random.choice(facts)
        slug = next(each["slug"] for each in self.facts() if run in each["workflows"])
        for replica in self.replicas[:2]:
            with suppress(OSError):
                status, _ = send(replica.exporter.address, workflow_completed(run["id"], slug), SECRET)
                self.told[status] = self.told.get(status, 0) + 1

    def summary(self) -> str:
        """What happened, for a person."""
        facts = self.facts()
        runs = [run for each in facts for run in each["workflows"]]
        jobs = sum(len(run["jobs"]) for run in runs)
        cuts = sum(replica.wire.cuts for replica in self.replicas)
        return (
            f"pipelines {len(facts)}, runs {len(runs)}, jobs {jobs}, takeovers {self.takeovers}, commits cut {cuts}, "
            f"two leaders at once {self.two_led} times, "
            f"webhooks {self.told}, scrapes {self.scrapes}, requests {len(self.circle.requests())}, seed {self.seed}"
        )
