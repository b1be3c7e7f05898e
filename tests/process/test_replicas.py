"""Replicas as an operator sees them: processes on one database."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci import Circle
from tests.circleci.webhooks import send, workflow_completed
from tests.running.postgres import free_port
from tests.running.program import Exporter
from tests.running.starting import run_to_end
from tests.running.waiting import PATIENCE, wait_until
from tests.running.wire import LOOK, Wire
from tests.state.postgres.making import LEASE, end_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.running.postgres import Address, Server

SLUG, OTHER, SECRET, TOKEN = "gh/acme/web", "gh/acme/api", "a-webhook-secret", "a-token-of-replicas"
SHORTEST = 3.0
"""Seconds: a lease for those that lead no longer once it has ended. Others are ended by the test."""
OWN = ("circleci_exporter_build_info", "circleci_exporter_leader", "process_", "python_")


@pytest.fixture
def circle() -> Iterator[Circle]:
    made = Circle(quiet=True, refresh=1, token=TOKEN).start()
    for slug in (SLUG, OTHER):
        made.organization.roster.add(slug)
    yield made
    made.stop()


@pytest.fixture
def start(circle: Circle, database: Address, tmp_path: Path) -> Iterator[Callable[..., Exporter]]:
    """Start a replica; it runs until the end of the test."""
    with ExitStack() as running:

        def begin(
            *flags: str, url: str = database.url, interval: str = "1s", lease: float = LEASE, **more: Any
        ) -> Exporter:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            text = config(circle, url, interval, lease)
            environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
            return running.enter_context(Exporter(folder, text, *flags, token=TOKEN, environ=environ, **more))

        yield begin


def config(circle: Circle, url: str, interval: str = "1s", lease: float = LEASE) -> str:
    return (
        f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 20s}}\n"
        f"state: {{url: '{url}', lease: {lease:g}s}}\n"
        f"defaults: {{collectors: [workflows, pipelines], pipelines: {{interval: {interval}}}}}\n"
        f"projects: [{SLUG}, {OTHER}]\n"
    )


def leads(exporter: Exporter) -> bool:
    return exporter.get("/-/leader") == (200, "leader\n")


def polled(exporter: Exporter) -> None:
    exporter.until(
        lambda scrape: all(
            scrape.get("collector_success", project=slug, collector="pipelines") == 1 for slug in (SLUG, OTHER)
        ),
        "the first polls",
    )


def through(server: Server, database: Address, wire: Wire) -> str:
    return server.url(database.url.rpartition("/")[2], port=wire.port)


def looked(*wires: Wire) -> None:
    """Wait until each standby has looked at the lease twice, and whatever came of it has come."""
    before = [wire.passed[LOOK] for wire in wires]
    wait_until(
        lambda: all(wire.passed[LOOK] > seen + 2 for wire, seen in zip(wires, before, strict=True)), why="two looks"
    )


def ended(circle: Circle, slug: str = SLUG) -> str:
    """A run that has ended well after the first look."""
    circle.clock.advance(5)
    now = circle.clock.now()
    pipeline = circle.pipelines.add(slug, "main")
    jobs = [{"name": "test", "status": "success", "started": now - 1, "stopped": now}]
    return circle.pipelines.add_workflow(pipeline.id, "build", status="success", stopped=now, jobs=jobs).id


def runs(exporter: Exporter, slug: str = SLUG) -> float | None:
    return exporter.scrape().get(
        "circleci_workflow_runs_total", project=slug, workflow="build", branch="main", status="success"
    )


def requests_made(exporter: Exporter) -> float:
    """How many requests to CircleCI it shows."""
    values = exporter.scrape().values
    return sum(value for name, value in values.items() if name.startswith("circleci_exporter_api_requests_total"))


def test_one_leads_and_the_other_is_ready_and_shows_its_own_process_alone(start: Callable[..., Exporter]) -> None:
    leader = start()
    wait_until(lambda: leads(leader))
    polled(leader)
    standby = start()
    wait_until(lambda: standby.get("/-/ready")[0] == 200)
    assert standby.get("/-/leader") == (503, "standby\n")
    shown = standby.scrape()
    assert shown.get("leader") == 0
    assert [name for name in shown.values if not name.startswith(OWN)] == []
    assert leader.scrape().get("leader") == 1
    for gzip in ("gzip", "identity"):
        accept = "application/openmetrics-text;version=1.0.0"
        _, text = standby.get("/metrics", **{"Accept-Encoding": gzip, "Accept": accept})
        assert text.endswith("circleci_exporter_leader 0.0\n# EOF\n")
    assert "standby" in standby.get("/")[1]
    assert "standby" not in leader.get("/")[1]


def test_after_a_stop_another_has_everything_at_once_and_asks_nothing_that_is_known(
    start: Callable[..., Exporter], circle: Circle
) -> None:
    leader = start(interval="1h")
    wait_until(lambda: leads(leader))
    polled(leader)
    standby = start(interval="1h")
    before = {name: value for name, value in leader.scrape().values.items() if name.startswith("circleci_workflow")}
    assert requests_made(leader) > 0
    asked = len(circle.requests)
    assert leader.stop()[0] == 0
    wait_until(lambda: leads(standby), why="another to lead long before the lease would have ended")
    after = standby.scrape()
    assert {name: value for name, value in after.values.items() if name.startswith("circleci_workflow")} == before
    assert after.get("up") == 1
    # An organization's newest pipelines are no known thing.
    assert {seen.path for seen in circle.requests[asked:]} <= {"/pipeline"}
    assert requests_made(standby) <= len(circle.requests[asked:])


def test_after_a_kill_another_has_everything_once_the_lease_has_ended(
    start: Callable[..., Exporter], postgres: Server, database: Address
) -> None:
    leader = start()
    wait_until(lambda: leads(leader))
    polled(leader)
    with Wire(postgres.port) as wire:
        standby = start(url=through(postgres, database, wire))
        leader.kill()
        looked(wire)
        assert not leads(standby)
        end_lease(database)
        wait_until(lambda: leads(standby))
        after = standby.scrape()
        standby.end()
    assert after.get("collector_success", project=SLUG, collector="pipelines") == 1


def test_a_webhook_that_a_standby_takes_is_followed_by_the_leader(
    start: Callable[..., Exporter], circle: Circle
) -> None:
    leader = start(interval="1h")
    wait_until(lambda: leads(leader))
    polled(leader)
    standby = start(interval="1h")
    wait_until(lambda: standby.get("/-/ready")[0] == 200)
    body = workflow_completed(ended(circle), SLUG)
    assert send(standby.address, body, SECRET)[0] == 200
    assert send(leader.address, body, SECRET)[0] == 200
    assert send(standby.address, workflow_completed(ended(circle), "gh/nobody/nothing"), SECRET) == (
        200,
        "ignored: project not polled here\n",
    )
    assert send(standby.address, body, "another secret")[0] == 401

    def counted() -> bool:
        scrape, event = leader.scrape(), "workflow-completed"
        assert scrape.get("webhooks_total", event=event, result="accepted") == 2
        assert scrape.get("webhooks_total", event=event, result="unknown_project") == 1
        assert scrape.get("webhooks_total", event=event, result="bad_signature") == 1
        assert scrape.get("run_delay_seconds_count", source="webhook") == 1
        return True

    wait_until(counted)
    assert leader.stop()[0] == 0
    wait_until(lambda: leads(standby))
    counted_at = standby.scrape().get("webhooks_total", event="workflow-completed", result="accepted")
    assert counted_at == 2


def test_without_its_database_a_leader_shows_what_it_has_while_its_lease_holds(
    start: Callable[..., Exporter], circle: Circle, postgres: Server, database: Address
) -> None:
    with Wire(postgres.port) as wire:
        leader = start(url=through(postgres, database, wire))
        wait_until(lambda: leads(leader))
        polled(leader)
        wire.cut()
        run = ended(circle)  # which is to be committed
        leader.until(lambda scrape: scrape.get("state_writable") == 0, "the outage to show")
        assert send(leader.address, workflow_completed(run, SLUG), SECRET)[0] == 503
        assert leader.scrape().get("collector_success", project=SLUG, collector="pipelines") is not None
        assert leads(leader)
        wire.heal()
        leader.until(lambda scrape: scrape.get("state_writable") == 1, "the end of the outage")
        wait_until(lambda: runs(leader) == 1, why="the run to be counted")


def test_without_its_database_a_leader_leads_no_longer_once_its_lease_has_ended(
    start: Callable[..., Exporter], postgres: Server, database: Address
) -> None:
    with Wire(postgres.port) as wire:
        leader = start(url=through(postgres, database, wire), lease=SHORTEST)
        wait_until(lambda: leads(leader))
        polled(leader)
        wire.cut()
        wait_until(lambda: not leads(leader), why="the end of the lease")
        shown = leader.scrape()
        assert shown.get("leader") == 0
        assert [name for name in shown.values if not name.startswith(OWN)] == []
        assert leader.get("/-/ready")[0] == 200
        wire.heal()
        wait_until(lambda: leads(leader), why="it to lead again")


def test_a_replica_that_finds_no_database_stands_by_and_takes_over_when_it_is_there(
    start: Callable[..., Exporter], postgres: Server, database: Address
) -> None:
    with Wire(postgres.port) as wire:
        wire.cut()
        replica = start(url=through(postgres, database, wire))
        assert replica.get("/-/ready")[0] == 503
        assert replica.events("the database cannot be reached")
        wire.heal()
        wait_until(lambda: leads(replica))
        assert replica.get("/-/ready")[0] == 200


def test_projects_move_with_their_counters_when_the_number_of_shards_changes(
    start: Callable[..., Exporter], circle: Circle, postgres: Server, database: Address
) -> None:
    one = start()
    wait_until(lambda: leads(one))
    polled(one)
    for slug in (SLUG, OTHER):
        ended(circle, slug)
    wait_until(lambda: [runs(one, slug) for slug in (SLUG, OTHER)] == [1, 1])
    with Wire(postgres.port) as first, Wire(postgres.port) as second:
        shards = [
            start("--shard", str(number), "--total-shards", "2", url=through(postgres, database, wire))
            for number, wire in enumerate((first, second))
        ]
        looked(first, second)
        assert not any(leads(each) for each in shards)
        hold_what_moves(circle, one, shards)


def hold_what_moves(circle: Circle, one: Exporter, shards: list[Exporter]) -> None:
    """End the only shard; each project is on one of the others afterwards, with its counters."""
    asked = len(circle.requests)
    assert one.stop()[0] == 0
    wait_until(lambda: all(leads(each) for each in shards), why="the shards to lead")
    for slug in (SLUG, OTHER):
        assert sorted(runs(each, slug) or 0.0 for each in shards) == [0.0, 1.0]
    jobs = {seen.path for seen in circle.requests[:asked] if seen.path.startswith("/workflow/")}
    assert jobs
    assert not jobs & {seen.path for seen in circle.requests[asked:]}, "runs that are known are not asked about again"
    ended(circle)
    wait_until(lambda: sorted(runs(each) or 0.0 for each in shards) == [0.0, 2.0])


def test_a_reload_reaches_a_standby_too(start: Callable[..., Exporter], circle: Circle, database: Address) -> None:
    leader = start()
    wait_until(lambda: leads(leader))
    polled(leader)
    standby = start("--web.enable-lifecycle")
    standby.configure(config(circle, database.url).replace(f", {OTHER}", ""))
    wait_until(lambda: standby.get("/-/reload", "POST")[0] == 200)
    standby.configure(config(circle, "postgresql://elsewhere/db"))
    assert "restart the exporter" in standby.get("/-/reload", "POST")[1]
    standby.configure(config(circle, database.url).replace("timeout: 20s", "token_file: none"))
    assert "token_file" in standby.get("/-/reload", "POST")[1], "it could not lead with these"
    assert leader.stop()[0] == 0
    wait_until(lambda: leads(standby))
    projects = {name for name in standby.scrape().values if name.startswith("circleci_insights_project_info")}
    assert len(projects) == 1


def ending(circle: Circle, tmp_path: Path, url: str, *flags: str, token: str = TOKEN) -> tuple[int, str]:
    """The exit code of a replica that cannot start, and what it says."""
    exporter = Exporter(tmp_path / "ending", config(circle, url), *flags, token=token)
    return exporter.process.wait(PATIENCE), exporter.log


@pytest.mark.parametrize(("user", "name"), [("nobody", "postgres"), ("postgres", "nothing")])
def test_what_waiting_does_not_help_against_ends_the_start(
    circle: Circle, postgres: Server, tmp_path: Path, user: str, name: str
) -> None:
    code, log = ending(circle, tmp_path, postgres.url(name, user))
    assert code == 1
    assert "does not exist" in log


def test_a_newer_database_ends_the_start(circle: Circle, postgres: Server, tmp_path: Path) -> None:
    fresh = postgres.database()
    fresh.run("CREATE TABLE circleci_exporter_schema (version BIGINT)")
    fresh.run("INSERT INTO circleci_exporter_schema VALUES (99)")
    code, log = ending(circle, tmp_path, fresh.url)
    assert code == 1
    assert "has version 99" in log


def test_a_newer_database_that_is_found_later_ends_the_process(
    start: Callable[..., Exporter], postgres: Server
) -> None:
    fresh = postgres.database()
    with Wire(postgres.port) as wire:
        wire.cut()
        replica = start(url=through(postgres, fresh, wire))
        fresh.run("CREATE TABLE circleci_exporter_schema (version BIGINT)")
        fresh.run("INSERT INTO circleci_exporter_schema VALUES (99)")
        wire.heal()
        assert replica.process.wait(PATIENCE) == 1
        assert "has version 99" in replica.log


def test_a_standby_without_a_token_does_not_start(circle: Circle, database: Address, tmp_path: Path) -> None:
    assert ending(circle, tmp_path, database.url, token="")[0] == 2


def test_without_the_driver_the_start_says_what_to_install(circle: Circle, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(config(circle, f"postgresql://postgres@127.0.0.1:{free_port()}/nothing"))
    program = "import sys; sys.modules['psycopg'] = None; from exporter.cli import main; main()"
    arguments = ["run", "--config.file", str(file), "--web.listen-address", "127.0.0.1:0"]
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={"CIRCLECI_TOKEN": TOKEN, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 1
    assert "install circleci-insights-exporter[postgres]" in ran.stderr + ran.stdout


@pytest.mark.parametrize("command", ["once", "check"])
def test_once_and_check_take_no_lease_and_need_no_database(
    start: Callable[..., Exporter], circle: Circle, database: Address, tmp_path: Path, command: str
) -> None:
    leader = start()
    wait_until(lambda: leads(leader))
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/nothing"
    for name, url in (("shared", database.url), ("unreachable", nowhere)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(config(circle, url))
        arguments = [sys.executable, "-m", "exporter", command, "--config.file", str(file)]
        environ = {"CIRCLECI_TOKEN": TOKEN, "PATH": ""}
        done = run_to_end(arguments, env=environ)
        assert done.returncode == 0, done.stdout + done.stderr
    assert database.run("SELECT epoch FROM lease") == [(1,)]
    assert leads(leader)


def test_a_silent_database_does_not_hold_up_the_end(
    start: Callable[..., Exporter], postgres: Server, database: Address
) -> None:
    with Wire(postgres.port) as wire:
        replica = start(url=through(postgres, database, wire))
        wait_until(lambda: leads(replica))
        polled(replica)
        wire.fall_silent()  # for the statements of this lease it would be waited for two minutes
        assert replica.stop()[0] == 0


def test_backfill_waits_for_no_replica_and_a_replica_goes_on_from_its_counters(
    start: Callable[..., Exporter], circle: Circle, database: Address, tmp_path: Path
) -> None:
    leader = start()
    wait_until(lambda: leads(leader))
    file = tmp_path / "backfill.yaml"
    file.write_text(config(circle, database.url))
    command = [sys.executable, "-m", "exporter", "backfill", "--config.file", str(file), "--days", "1"]

    def run() -> subprocess.CompletedProcess[str]:
        arguments = [*command, "--output", str(tmp_path / "out")]
        environ = {"CIRCLECI_TOKEN": TOKEN, "PATH": ""}
        return run_to_end(arguments, env=environ)

    refused = run()
    assert refused.returncode == 1, refused.stderr
    assert "another process leads" in refused.stderr
    assert leader.stop()[0] == 0
    database.run("DELETE FROM project")
    ran = run()
    assert ran.returncode == 0, ran.stderr
    assert database.run("SELECT count(*) FROM ledger") == [(2,)]
    assert database.run("SELECT until FROM lease") == [(0.0,)]
    again = run()
    assert again.returncode == 2
    after = start()
    wait_until(lambda: leads(after))


def took(exporter: Exporter, number: int) -> bool:
    """Whether the leader shows so many webhooks that were accepted."""
    return exporter.scrape().get("webhooks_total", event="workflow-completed", result="accepted") == number


def test_the_next_leader_heeds_the_pause_that_circleci_asked_the_last_one_for(
    start: Callable[..., Exporter], circle: Circle, database: Address
) -> None:
    leader = start()
    wait_until(lambda: leads(leader))
    polled(leader)
    standby = start()
    fault = circle.fail("throttle", times=1, retry_after=600)
    wait_until(lambda: fault.hits)
    wait_until(lambda: database.run("SELECT 1 FROM lease WHERE paused_until > lease_now() + 30"))
    asked = len(circle.requests)
    assert leader.stop()[0] == 0
    wait_until(lambda: leads(standby))
    for number in (1, 2):  # each is looked at once a second, as a poll is due
        assert send(standby.address, workflow_completed(ended(circle), SLUG), SECRET)[0] == 200
        wait_until(partial(took, standby, number), why="the webhook to be counted")
    assert len(circle.requests) == asked
