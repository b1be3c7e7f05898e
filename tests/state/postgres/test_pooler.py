"""pgbouncer in transaction mode: nothing that the state does needs a session."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from exporter.state import StateStore
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.lease_table import LeaseTable
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from exporter.telemetry import Telemetry
from tests.circleci import Circle
from tests.knowledge.samples import NOW
from tests.running.postgres import free_port, unprivileged
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until
from tests.state.making import LIVE, NOW_LEDGER, SERVER, Log, known, whole
from tests.state.postgres.making import LEASE, PLACE, end_lease, linked, made
from tests.state.postgres.test_arrivals import EVENT, hint
from tests.state.test_live import EVERYTHING, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.running.postgres import Address, Server
    from tests.running.scrapes import Scrape

CONFIGURATION = """[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@pytest.fixture(scope="module")
def pooler(postgres: Server, program: Callable[[str], Path]) -> Iterator[int]:
    """The port of a pooler with two connections to the server."""
    port, bouncer = free_port(), program("pgbouncer")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        file = folder / "pgbouncer.ini"
        file.write_text(CONFIGURATION.format(server=postgres.port, port=port))
        process = subprocess.Popen([bouncer, "-q", file], **unprivileged())

        def answers() -> bool:
            try:
                psycopg.connect(postgres.url("postgres", port=port), connect_timeout=int(PATIENCE)).close()
            except psycopg.OperationalError:
                return False
            return True

        try:
            wait_until(answers, why="pgbouncer")
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_leases_commits_and_webhooks_go_through_a_pooler_of_transactions(
    postgres: Server, database: Address, pooler: int
) -> None:
    url = postgres.url(database.url.rpartition("/")[2], port=pooler)
    links = [Link(Login(url, None, PATIENCE), PATIENCE) for _ in range(4)]
    with linked(database):  # the tables
        table = LeaseTable(links[0], LEASE)
        acquired = table.acquire(PLACE, "one")
        assert acquired is not None
        store = made(links[1], acquired.hold)
        log: Log = store._log  # type: ignore[assignment]
        state = StateStore(store, SERVER, Telemetry("1", []), log, wall=lambda: NOW)  # type: ignore[arg-type]
        arrivals = Arrivals(links[2], SERVER)
        for number in range(20):
            assert table.renew(acquired.hold, None) is not None
            assert arrivals.arrive(hint(), 10)
            arrivals.count({(EVENT, "accepted"): 1})
            state.commit_counts(known(ledger=NOW_LEDGER), whole())
            assert arrivals.totals() == {(EVENT, "accepted"): number + 1}
        state.commit_counts(snapshot(), EVERYTHING)
        [stored] = state.load()
        assert (stored.ledger, stored.live) == (NOW_LEDGER, LIVE)
        end_lease(database)
        assert LeaseTable(links[3], LEASE).acquire(PLACE, "two") is not None
        state.commit(known(), [], [])
        assert log.events[-1][2]["error"] == "another replica has taken the lease"
    for link in links:
        link.close()


def test_replicas_take_turns_through_a_pooler_of_transactions(
    postgres: Server, database: Address, pooler: int, tmp_path: Path
) -> None:
    url = postgres.url(database.url.rpartition("/")[2], port=pooler)
    with Circle(quiet=True, refresh=1, token="a-token-of-replicas") as circle, ExitStack() as running:
        circle.organization.roster.add("gh/acme/web")
        text = (
            f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 2s}}\n"
            f"state: {{url: '{url}', lease: 1m}}\n"
            "projects: [{slug: gh/acme/web, collectors: [pipelines]}]\n"
        )
        first, second, third = (
            running.enter_context(Exporter(tmp_path / name, text, token=circle.token))
            for name in ("first", "second", "third")
        )
        for _ in range(2):
            leader = leader_of(first, second, third)
            leader.until(has_polled, "its polls to be committed")
            leader.kill()
            end_lease(database)
        leader_of(first, second, third).until(has_polled, "what is known")
        assert database.run("SELECT epoch FROM lease") == [(3,)]


def leader_of(*replicas: Exporter) -> Exporter:
    """The replica that leads; it waits for one."""

    def found() -> list[Exporter]:
        return [each for each in replicas if each.lives and each.get("/-/leader")[0] == 200]

    return wait_until(found, why="a leader")[0]


def has_polled(scrape: Scrape) -> bool:
    return scrape.get("collector_success", project="gh/acme/web", collector="pipelines") == 1
