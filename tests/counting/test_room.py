"""Within `max_series`: what is shown stays shown for as long as it lives, whatever comes later and sorts earlier."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from exporter.counting.book import RunBook
from exporter.counting.cells import Cells
from exporter.counting.ledger import FinishedRun, Ledger
from exporter.counting.pipeline_book import PipelineBook
from exporter.counting.room import samples
from exporter.insights.run_families import FEEDBACK, JOB_RUN_WAIT, JOB_RUNS, PIPELINES_TOTAL, RUN_CREDITS, RUNS_TOTAL
from exporter.runs import jobs as job_runs
from exporter.runs.attempts import KINDS, RESULTS
from exporter.runs.live import Live
from tests.counting.making import LABEL, NOW
from tests.knowledge.samples import project

if TYPE_CHECKING:
    from exporter.config import Project
    from exporter.insights.family import Family

WEB = project("collectors: [runs]\nbranches: [develop]\nruns: {buckets: [60s, 600s]}")
STATUSES, OF_JOBS = 5, len(job_runs.STATUSES) + 1
ROW = STATUSES + 5 + 1 + 3 + 2
"""What a workflow and branch may come to have: statuses, histogram, credits, the newest run, whether it is red."""


def after(ledger: Ledger, *names: str, limit: int, of: Project = WEB, status: str = "success") -> Ledger:
    """The ledger after one more run of each of these workflows."""
    book = RunBook(ledger, of, LABEL, now=NOW, held_for=0.0, limit=limit)
    for number, name in enumerate(names):
        run = FinishedRun(number, status, NOW, NOW + 30.0, 30.0)
        book.count(name, "main", run, "insights", credited=True)
    book.close()
    return book.ledger


def shown(ledger: Ledger, family: Family = RUNS_TOTAL) -> set[str]:
    """The workflows of which a family is shown."""
    cells = ledger.cells.values.items()
    return {key.labels[-1] for key, cell in cells if key.family == family.name and not cell.hidden}


BEGUN = Ledger(0, 0.0, {})


def test_what_is_shown_stays_though_what_comes_later_sorts_earlier() -> None:
    first = after(BEGUN, "y", "z", limit=2 * ROW)
    later = after(first, "a", "y", limit=2 * ROW)
    assert shown(first) == shown(later) == {"y", "z"}
    assert {key.labels[-1] for key in later.cells.hidden} == {"a"}


def test_of_what_comes_at_once_the_first_by_their_labels_are_shown_each_whole() -> None:
    ledger = after(BEGUN, "c", "b", "a", limit=3 * ROW - 1)
    assert shown(ledger) == shown(ledger, RUN_CREDITS) == {"a", "b"}


def test_what_is_hidden_is_counted_all_the_same_and_shown_with_it_once_there_is_room() -> None:
    ledger = after(BEGUN, "y", limit=ROW)
    for _ in range(3):
        ledger = after(ledger, "a", limit=ROW)
    gone = replace(
        ledger, cells=Cells.of({key: cell for key, cell in ledger.cells.values.items() if key in ledger.cells.hidden})
    )
    later = after(gone, "a", limit=ROW)
    assert shown(ledger) == {"y"}
    assert shown(later) == {"a"}
    assert [cell.value for key, cell in later.cells.values.items() if key.labels[1] == "success"] == [4]


def test_a_status_that_is_new_is_shown_with_its_row_and_hidden_with_it() -> None:
    ledger = after(after(BEGUN, "y", limit=ROW), "a", limit=ROW)
    later = after(ledger, "a", "y", limit=ROW, status="invented")
    statuses = {
        (key.labels[-1], cell.hidden) for key, cell in later.cells.values.items() if key.labels[1] == "invented"
    }
    assert statuses == {("a", True), ("y", False)}


def test_workflows_come_first_then_feedback_and_attempts_then_jobs_and_of_those_histograms_last() -> None:
    watched = project("collectors: [pipelines]\nruns: {buckets: [60s]}\npipelines: {wait_buckets: [60s]}")
    attempts = len(KINDS) * STATUSES + 3
    all_of_it = 2 * (STATUSES + 4 + 1 + 3 + 2 + STATUSES + 1) + 2 + len(RESULTS) * 4 + 2 * attempts + 2 * OF_JOBS
    book = PipelineBook(BEGUN, Live(0.0), watched, LABEL, now=NOW, limit=all_of_it)
    for family in (JOB_RUN_WAIT, JOB_RUNS):
        for name in ("lint", "test"):
            labels = {"status": "success"} if "status" in family.labels else {}
            book.show(family, branch="main", job_name=name, workflow="build", **labels)
    book.show(PIPELINES_TOTAL, branch="main", outcome="created", trigger="api")
    book.show(FEEDBACK, branch="main", result="success")
    for name in ("build", "deploy"):
        book.appear(name, "main", NOW)
    book.close()
    hidden = {key.family for key in book.ledger.cells.hidden}
    assert hidden == {JOB_RUN_WAIT.name}


def test_what_the_settings_do_not_show_takes_no_room() -> None:
    of = project("collectors: [runs]\nruns: {buckets: [60s, 600s]}\nmetrics: {include: ['*_runs_total']}")
    assert shown(after(BEGUN, "a", "b", limit=2 * STATUSES, of=of)) == {"a", "b"}
    assert shown(after(BEGUN, "a", "b", limit=2 * STATUSES - 1, of=of)) == {"a"}


@pytest.mark.parametrize("seed", range(20))
def test_no_series_that_lives_is_ever_hidden_again_and_the_limit_holds(seed: int) -> None:
    random = Random(seed)  # noqa: S311  nothing secret hangs on it
    ledger, limit = BEGUN, random.randrange(ROW, 6 * ROW)
    for _ in range(30):
        before = {key for key, cell in ledger.cells.values.items() if not cell.hidden}
        names = random.sample("abcdefghij", random.randrange(1, 4))
        room = limit - random.choice([0, 0, random.randrange(limit)])  # gauges come and go beside them
        ledger = after(ledger, *names, limit=room, status=random.choice(["success", "failed", "error"]))
        if random.random() < 0.2:  # a workflow that CircleCI has forgotten
            gone = random.choice("abcdefghij")
            kept = {key: cell for key, cell in ledger.cells.values.items() if key.labels[-1] != gone}
            ledger = replace(ledger, cells=Cells.of(kept))
        now = {key: cell for key, cell in ledger.cells.values.items() if not cell.hidden}
        assert before & ledger.cells.values.keys() <= now.keys()
        assert sum(samples(cell.value) for cell in now.values()) <= limit
        assert ledger.cells.hidden == {key for key, cell in ledger.cells.values.items() if cell.hidden}
