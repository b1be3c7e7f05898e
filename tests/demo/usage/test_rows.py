"""The synthetic Usage export's rows: the jobs that the pipelines API lists, as they stood when the export was made."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from exporter.demo.clock import Clock
from exporter.demo.generated import DAY
from exporter.demo.organization import Organization
from exporter.demo.pipelines.timeline import jobs_of
from exporter.demo.usage.rows import COLUMNS, LATER, csv_lines, usage_rows
from tests.demo.asking import NOON, WEB

if TYPE_CHECKING:
    from exporter.demo.model import Owner

MIDNIGHT = NOON // DAY * DAY
KINDS = "COMPUTE DLC USER STORAGE NETWORK LEASE LEASE_OVERAGE IPRANGES"


def organization() -> Organization:
    return Organization(clock=Clock(NOON, 0))


def acme(of: Organization) -> Owner:
    return of.roster.owners()["gh/acme"]


def rows_of(of: Organization, start: float, end: float, at: float = NOON) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in usage_rows(of, acme(of), start, end, at)]


def test_each_job_run_is_a_row_under_the_id_that_its_workflow_lists() -> None:
    of = organization()
    rows = rows_of(of, MIDNIGHT - DAY, MIDNIGHT)
    by_id = {row["JOB_ID"]: row for row in rows}
    assert len(by_id) == len(rows) > 100
    workflow = of.workflows(WEB)[0]
    listed = [
        job
        for run in of.created_runs(WEB, workflow.name, MIDNIGHT - DAY, MIDNIGHT - DAY / 2)
        for job in jobs_of(workflow, run, 0)
        if job.stopped is not None
    ]
    assert listed
    assert {job.id for job in listed} <= by_id.keys()
    assert {by_id[job.id]["JOB_BUILD_STATUS"] for job in listed} >= {"success", "failed"}


def test_the_total_of_a_row_is_the_sum_of_its_credits() -> None:
    for row in rows_of(organization(), MIDNIGHT - 3 * DAY, MIDNIGHT):
        assert int(row["TOTAL_CREDITS"]) == sum(int(row[f"{kind}_CREDITS"]) for kind in KINDS.split())


def test_some_rows_of_a_day_come_hours_after_its_end() -> None:
    of = organization()
    early = rows_of(of, MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + 60)
    late = rows_of(of, MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + LATER + DAY)
    assert 0 < len(early) < len(late)


def test_a_short_run_has_no_use_of_its_machine() -> None:
    rows = rows_of(organization(), MIDNIGHT - 3 * DAY, MIDNIGHT)
    assert {row["MEDIAN_CPU_UTILIZATION_PCT"] == r"\N" for row in rows} == {True, False}
    assert all(row["MAX_RAM_UTILIZATION_PCT"] == r"\N" for row in rows if int(row["JOB_RUN_SECONDS"]) < 15)


def test_names_of_any_kind_are_quoted_so_that_they_read_as_they_were() -> None:
    row = ('a "b"', "c,d", "e\nf", r"g\h", *("",) * (len(COLUMNS) - 4))
    assert list(csv.reader(csv_lines([row]))) != []
    assert next(iter(csv.reader(["".join(list(csv_lines([row]))[1:])], strict=True)))[:2] == ['a "b"', "c,d"]
    assert "".join(list(csv_lines([row]))[1:]).startswith('"a ""b""","c,d","e\nf","g\\h",""')
