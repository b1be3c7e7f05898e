"""Sums over the remembered runs and jobs, so that a changed bit in a key or a time is found.

A checksum in each row would take a tenth more space. The sums take none to speak of: each commit adds what it inserts
and subtracts what it deletes. A single change in a row always changes one of its sums.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.state.database import Connection

_TABLE = """CREATE TABLE {table} (
    {owner} INTEGER PRIMARY KEY REFERENCES {parent} ON DELETE CASCADE,
    number INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    times INTEGER NOT NULL)"""
SCHEMA = (
    _TABLE.format(table="run_sums", owner="workflow", parent="workflow"),
    _TABLE.format(table="job_sums", owner="project", parent="ledger"),
)
_LOW = 2**32 - 1
_RUNS = """count(*), sum(key & 4294967295), sum((key >> 32) + (created_at >> 32)),
    sum((created_at & 4294967295) * 2 + credited)"""
_JOBS = """count(*), sum(key & 4294967295), sum((key >> 32) + (stopped_at >> 32)),
    sum((stopped_at & 4294967295) * 2)"""
FILLING = (
    f"""INSERT INTO run_sums SELECT workflow, {_RUNS} FROM run
    WHERE workflow IN (SELECT id FROM workflow) GROUP BY workflow""",  # noqa: S608  words of our own
    f"""INSERT INTO job_sums SELECT project, {_JOBS} FROM job
    WHERE project IN (SELECT project FROM ledger) GROUP BY project""",  # noqa: S608  words of our own
)
"""Sums up what an older version has remembered."""
_ADD = """INSERT INTO {table} ({owner}, number, low, high, times) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT ({owner}) DO UPDATE SET number = {table}.number + excluded.number,
    low = {table}.low + excluded.low, high = {table}.high + excluded.high, times = {table}.times + excluded.times"""
_ADD_RUNS = _ADD.format(table="run_sums", owner="workflow")
_ADD_JOBS = _ADD.format(table="job_sums", owner="project")
_RUNS_NOW = f"""SELECT workflow, {_RUNS} FROM run
    WHERE workflow IN (SELECT id FROM workflow WHERE project = ?) GROUP BY workflow"""  # noqa: S608  words of our own
_RUNS_KEPT = """SELECT workflow, number, low, high, times FROM run_sums
    WHERE workflow IN (SELECT id FROM workflow WHERE project = ?)"""
_JOBS_NOW = f"SELECT project, {_JOBS} FROM job WHERE project = ? GROUP BY project"  # noqa: S608  words of our own
_JOBS_KEPT = "SELECT project, number, low, high, times FROM job_sums WHERE project = ?"


def add_runs(connection: Connection, workflow: int, runs: Iterable[tuple[int, int, int]], sign: int = 1) -> None:
    """Add runs of a workflow, each with key, creation and whether it is credited; a sign of -1 subtracts them."""
    _add(connection, _ADD_RUNS, workflow, runs, sign)


def add_jobs(connection: Connection, project: int, jobs: Iterable[tuple[int, int]], sign: int = 1) -> None:
    """Add jobs of a project, each with key and stop; a sign of -1 subtracts them."""
    _add(connection, _ADD_JOBS, project, ((*job, 0) for job in jobs), sign)


def check_runs(connection: Connection, project: int) -> None:
    """Raise ValueError where the remembered runs of a project are not those that were written."""
    _check(connection, project, _RUNS_NOW, _RUNS_KEPT)


def check_jobs(connection: Connection, project: int) -> None:
    """Raise ValueError where the remembered jobs of a project are not those that were written."""
    _check(connection, project, _JOBS_NOW, _JOBS_KEPT)


def _add(connection: Connection, add: str, owner: int, rows: Iterable[tuple[int, int, int]], sign: int) -> None:
    weights = [(1, key & _LOW, (key >> 32) + (time >> 32), (time & _LOW) * 2 + flag) for key, time, flag in rows]
    if weights:
        connection.execute(add, (owner, *(sign * sum(column) for column in zip(*weights, strict=True))))


def _check(connection: Connection, project: int, now: str, kept: str) -> None:
    found = {owner: sums for owner, *sums in connection.execute(now, (project,)) if sums[0]}
    written = {owner: sums for owner, *sums in connection.execute(kept, (project,)) if sums[0]}
    if found != written:
        raise ValueError("remembered runs or jobs are not those that were written")
