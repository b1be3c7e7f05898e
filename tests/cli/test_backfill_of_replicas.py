"""`backfill` into a database that replicas share: it leads meanwhile, and they go on from its counters."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.runs.counting import Counting
from tests.cli.test_backfill import PAGES, backfill, configure, start
from tests.history.past import read
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until
from tests.state.postgres.making import end_lease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running.postgres import Address
    from tests.running.scrapes import Scrape

RUNS = 600
COUNTED = {"project": "gh/acme/web", "workflow": "build", "branch": "main", "status": "success"}


@pytest.fixture
def counting(tmp_path: Path, database: Address) -> Iterator[Counting]:
    """Runs of the last weeks; the configuration names the database."""
    here = Counting(None, start=time.time() - 1)
    here.close()
    for number in range(RUNS):
        here.run(stopped=here.now - 4000 - 3600 * number, duration=60)
    configure(tmp_path, here, state=f"url: '{database.url}', lease: 10m")
    yield here
    here.circle.stop()


def total(scrape: Scrape) -> float | None:
    return scrape.get("circleci_workflow_runs_total", **COUNTED)


def test_a_replica_goes_on_from_what_a_backfill_counted(counting: Counting, tmp_path: Path) -> None:
    done = backfill(tmp_path, counting)
    assert done.returncode == 0, done.stderr
    [last] = [at[-1][1] for name, at in read(tmp_path / "out").items() if "runs_total" in name and "success" in name]
    assert last == RUNS
    assert not list(tmp_path.glob("*.backfill*"))
    again = backfill(tmp_path, counting, "--output", "again")
    assert (again.returncode, "--restart-counters" in again.stderr) == (2, True)
    counting.run(stopped=counting.now - 500, duration=60)
    with Exporter(tmp_path, (tmp_path / "config.yaml").read_text(), token=counting.circle.token) as exporter:
        exporter.until(lambda scrape: total(scrape) == RUNS + 1, "the run of between the two commands")


def test_while_a_replica_leads_it_ends_with_1(counting: Counting, tmp_path: Path) -> None:
    with Exporter(tmp_path, (tmp_path / "config.yaml").read_text(), token=counting.circle.token) as exporter:
        exporter.until(lambda scrape: total(scrape) is not None, "the replica to lead")
        done = backfill(tmp_path, counting)
    assert (done.returncode, "another process leads" in done.stderr) == (1, True), done.stderr
    assert "postgresql://" in done.stderr
    assert not (tmp_path / "out").exists()


def test_killed_it_goes_on_from_what_it_had_read_once_its_lease_has_ended(
    counting: Counting, tmp_path: Path, database: Address
) -> None:
    counting.circle.fail("hang", PAGES + ".*page-token")
    process = start(tmp_path, counting)
    wait_until(lambda: any("page-token" in seen.query for seen in counting.circle.requests), why="the second page")
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert list(tmp_path.glob("out.backfill"))
    counting.circle.heal()
    counting.circle.forget_requests()
    assert "another process leads" in backfill(tmp_path, counting).stderr
    end_lease(database)
    done = backfill(tmp_path, counting)
    assert done.returncode == 0, done.stderr
    first = [seen for seen in counting.circle.requests if "start-date" in seen.query and "page-token" not in seen.query]
    assert first == []


def test_a_lease_that_is_lost_ends_it_with_1(counting: Counting, tmp_path: Path, database: Address) -> None:
    config = tmp_path / "config.yaml"  # the page is waited for until a renewal has found the loss
    config.write_text(config.read_text().replace("lease: 10m", "lease: 18s").replace("timeout: 2s", "timeout: 5m"))
    counting.circle.fail("hang", PAGES + ".*page-token")
    process = start(tmp_path, counting)
    wait_until(lambda: any("page-token" in seen.query for seen in counting.circle.requests), why="the second page")
    database.run("UPDATE lease SET epoch = epoch + 1")
    assert process.wait(PATIENCE) == 1
    assert "the lease was lost" in (tmp_path / "log").read_text()
    assert not (tmp_path / "out").exists()


def test_a_database_that_does_not_answer_ends_it_with_1(counting: Counting, tmp_path: Path) -> None:
    configure(tmp_path, counting, state="url: 'postgresql://nobody@127.0.0.1:1/nothing'")
    done = backfill(tmp_path, counting)
    assert (done.returncode, "127.0.0.1:1" in done.stderr) == (1, True), done.stderr
