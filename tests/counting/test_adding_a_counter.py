"""A counted thing added by its row in the table, and by telling the book: nothing else of the program is touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.running import copied

if TYPE_CHECKING:
    from pathlib import Path

NAMED = "    JOB_RUN_WAIT,\n) = COUNTED"
NAME = "    JOB_RUN_WAIT,\n    SLOW_RUNS,\n    SLOWNESS,\n) = COUNTED"
BEFORE = ')\n"""What is counted of a project'
ROWS = """    Family(
        "duration",
        "circleci_workflow_slow_runs_total",
        "Finished runs that took more than ten minutes.",
        kind="counter",
        labels=_WORKFLOW,
    ),
    Family(
        "duration",
        "circleci_workflow_slowness_seconds",
        "By how much runs took more than ten minutes.",
        kind="histogram",
        labels=_WORKFLOW,
        buckets=BUCKETS,
    ),
"""
COUNT = "        if run.credits:\n"
TELL = """        if run.duration is not None and run.duration > 600:
            self.add(run_families.SLOW_RUNS, 1, branch=branch, workflow=name)
            self.observe(run_families.SLOWNESS, run.duration - 600, run.exemplar, branch=branch, workflow=name)
"""
LIFE = """
from dataclasses import replace
from pathlib import Path

import structlog

from exporter.config import parse
from exporter.counting.cells import Exemplar
from exporter.counting.ledger import FinishedRun
from exporter.counting.opening import first_look
from exporter.counting.pipeline_book import PipelineBook
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.scrape import scrape
from exporter.publishing.store import SnapshotStore
from exporter.state import StateStore
from exporter.telemetry import Telemetry

NOW = 1_790_000_000.0
SETTINGS = "collectors: [pipelines], runs: {buckets: [1m, 10m]}"
[project] = parse("projects: [{slug: gh/acme/web, %s}]" % SETTINGS).projects
telemetry = Telemetry("1", ())


def state():
    return StateStore.open(Path("state.db"), "https://circleci.com", telemetry, structlog.get_logger())


def show(ledger, live, now):
    store = SnapshotStore()
    store.publish([Snapshot(project, ledger=ledger, live=replace(live, listed_at=now))], now)
    pieces, _ = scrape(store, telemetry, openmetrics=True, gzip=False)
    print("at", now - NOW)
    print("\\n".join(line for line in b"".join(pieces).decode().splitlines() if "slow" in line))


ledger, live = first_look(None, 86_400.0, date=NOW, now=NOW)
book = PipelineBook(ledger, live, project, str, now=NOW)
run = FinishedRun(1, "success", NOW, NOW + 700, 700.0, exemplar=Exemplar("an-id", 100.0, NOW + 700))
book.count("build", "main", run, "pipelines", credited=True)
book.close()
show(book.ledger, book.live, NOW)
kept = state()
kept.commit_counts(Snapshot(project, ledger=book.ledger, live=book.live), book.changes)
kept.close()
kept = state()
[found] = kept.load()
book = PipelineBook(found.ledger, found.live, project, str, now=NOW + 60)
book.release()
book.close()
show(book.ledger, book.live, NOW + 60)
"""
LABELS = '{branch="main",project="gh/acme/web",workflow="build"}'


@pytest.fixture(name="extended", scope="module")
def one_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with two more rows, of which it tells its book."""
    folder = tmp_path_factory.mktemp("extended")
    package = copied.copy(folder)
    for module, edits in (
        ("insights/run_families.py", ((NAMED, NAME), (BEFORE, ROWS + BEFORE))),
        ("counting/book.py", ((COUNT, TELL + COUNT),)),
    ):
        text = (package / module).read_text("utf-8")
        for old, new in edits:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (package / module).write_text(text, "utf-8")
    return folder


def test_it_is_shown_at_0_committed_and_rises_a_minute_later_with_its_exemplar(extended: Path) -> None:
    first, _, later = copied.run(extended, "-c", LIFE).partition("at 60.0\n")
    assert f"circleci_workflow_slow_runs_total{LABELS} 0.0" in first
    assert f"circleci_workflow_slow_runs_total{LABELS} 1.0" in later
    assert f"circleci_workflow_slowness_seconds_count{LABELS} 0.0" in first
    assert f"circleci_workflow_slowness_seconds_sum{LABELS} 100.0" in later
    assert "# HELP circleci_workflow_slow_runs Finished runs that took more than ten minutes." in first
    [marked] = [line for line in later.splitlines() if "an-id" in line]
    assert 'slowness_seconds_bucket{branch="main",le="600.0",' in marked


def test_it_is_in_the_reference(extended: Path) -> None:
    rows = json.loads(copied.run(extended, "-m", "exporter", "metrics", "--format", "json"))
    (entry,) = (row for row in rows if row["name"] == "circleci_workflow_slow_runs_total")
    assert (entry["collector"], entry["labels"]) == ("collector pipelines", ["branch", "project", "workflow"])
