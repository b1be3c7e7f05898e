"""What version 4 of the file and version 1 of the database left: every count is taken over, what is held back too.

`before/` was written by the program whose counters of runs were in the documents of their workflows: the file's
statements, those that make the tables of the database, what a scrape showed, and what it showed a minute later.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.counting.book import RunBook
from exporter.counting.cells import CellBook, Distribution, Key
from exporter.counting.pipeline_book import PipelineBook
from exporter.publishing import counted_lines
from exporter.runs.branches import labels_of
from exporter.state.documents import Reader
from exporter.usage.planning import Progress, start_of
from tests.knowledge.samples import NOW, project
from tests.state.making import damaged, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.config import Project
    from exporter.counting.ledger import Ledger
    from exporter.runs.live import Live
    from tests.running.postgres import Server
    from tests.state.making import Opened, Place

BEFORE = Path(__file__).parent / "before"
AT = NOW + 600
WEB = project("collectors: [runs]\nruns: {buckets: [60s, 600s]}\nbranches: [develop, 'release/*']")
APP = project(
    "collectors: [pipelines]\nruns: {buckets: [5s, 60s]}\npipelines: {wait_buckets: [1s, 30s]}", slug="gh/acme/app"
)
OUT = "gh/acme/out"
TABLES = (
    "server",
    "project",
    "ledger",
    "workflow",
    "run",
    "run_sums",
    "live",
    "pipeline",
    "counter",
    "job",
    "job_sums",
    "usage_organization",
    "usage_cell",
)


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The state that was left."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript((BEFORE / "file.sql").read_text(encoding="utf-8"))
    if request.param == "file":
        yield path
        return
    postgres: Server = request.getfixturevalue("postgres")
    database = postgres.database()
    database.run((BEFORE / "database.sql").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(path)) as file:
        for table in TABLES:
            for row in file.execute(f"SELECT * FROM {table}"):  # noqa: S608  ours
                database.run(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)  # noqa: S608
    yield database
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


def lines(of: Project, ledger: Ledger, live: Live | None, now: float) -> list[str]:
    """What a scrape shows of what is counted."""
    rows = [each for _, each in sorted(counted_lines.of_runs(ledger, of, now, live).items())]
    if live is not None:
        for family, values in counted_lines.of_pipelines(ledger, of, now, live).items():
            rows += [((family, own, value),) for own, value in sorted(values.items())]
    return [
        sample
        for each in rows
        for line in counted_lines.lines(of.name, (), each)
        for sample in line.openmetrics.splitlines()
    ]


def shown(found: Opened, *, later: float) -> list[str]:
    """What is shown of both projects, so many seconds after the last poll, and once what was held back is released."""
    stored = {each.slug: each for each in found.state.load()}
    written = []
    for of in (WEB, APP):
        ledger, live = stored[of.slug].ledger, stored[of.slug].live
        assert ledger is not None
        if later:
            label, now = labels_of(of, "main"), AT + later
            book = PipelineBook(ledger, live, of, label, now=now) if live else RunBook(ledger, of, label, now=now)
            book.release()
            book.close()
            ledger = book.ledger
        written += lines(of, ledger, live, AT + later)
    return written


def read(name: str) -> list[str]:
    return (BEFORE / name).read_text(encoding="utf-8").splitlines()


def test_every_count_is_where_it_was_and_what_was_held_back_is_shown_a_minute_later(place: Place) -> None:
    for _ in range(2):
        with opened(place) as found:
            found.now = AT
            assert shown(found, later=0) == read("shown.txt")
            assert shown(found, later=60) == read("risen.txt")
            assert read("shown.txt") != read("risen.txt")
            assert (damaged(found), found.log.told()) == ({}, [])


def test_a_project_that_was_taken_out_a_moment_before_goes_on_where_it_was(place: Place) -> None:
    with opened(place) as found:
        found.now = AT + 60
        ledger, live = found.state.resume(OUT, 300.0)
        assert live is None
        assert ledger is not None
        assert [
            cell.value for key, cell in ledger.cells.values.items() if key.labels == ("main", "success", "build")
        ] == [1]
        assert found.state.known(OUT, "build", [2]) == {2: True}


def test_what_was_counted_of_usage_is_shown_as_it_was_and_the_newest_export_is_still_held_back(place: Place) -> None:
    job, queue = ("lint", "gh/acme/web", "medium"), ("gh/acme/web", "medium")
    expected = {
        Key("circleci_usage_credits_total", ("compute", "gh/acme")): (5.5, 1.000001),
        Key("circleci_usage_job_queue_seconds", queue): (
            Distribution((1.0, 30.0), (1, 2, 0), 7.25),
            Distribution((1.0, 30.0), (1, 0, 0), 0.25),
        ),
        Key("circleci_usage_job_runs_total", (*job, "failed", "build")): (0, 1),
        Key("circleci_usage_job_runs_total", (*job, "success", "build")): (3, None),
    }
    for _ in range(2):
        with opened(place) as found:
            stored = found.state.usage.read("gh/acme", Reader[Progress](Progress).read)
            assert stored is not None
            progress, cells = stored
            assert {key: (cell.value, cell.held) for key, cell in cells.values.items()} == expected
            assert {cell.grown_at for cell in cells.values.values()} == {start_of(progress.newest)}
            assert progress.exports == 2
            book = CellBook(cells, 0.0, 0.0)
            book.release()
            spent = Key("circleci_usage_credits_total", ("compute", "gh/acme"))
            assert book.closed().values[spent].value == 6.500001
            assert (damaged(found), found.log.told()) == ({}, [])


def test_an_export_that_was_shown_is_not_held_back_again(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript((BEFORE / "file.sql").read_text(encoding="utf-8"))
        facts = '{"newest":739000,"exports":2,"held":false,"bounds":[1.0,30.0]}'
        file.execute("UPDATE usage_organization SET facts = ?", (facts,))
        file.commit()
    with opened(path) as found:
        stored = found.state.usage.read("gh/acme", Reader[Progress](Progress).read)
        assert stored is not None
        assert not stored[1].held
        assert stored[1].values[Key("circleci_usage_credits_total", ("compute", "gh/acme"))].value == 6.500001


@pytest.mark.parametrize("facts", ["", '{"newest":739000}\n00000000', '{"uncounted":true}'])
def test_an_upgrade_leaves_what_is_damaged_to_whoever_reads_it(tmp_path: Path, facts: str) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript((BEFORE / "file.sql").read_text(encoding="utf-8"))
        file.execute("UPDATE usage_organization SET facts = ?", (facts,))
        file.commit()
    with opened(path) as found:
        stored = found.state.usage.read("gh/acme", Reader[Progress](Progress).read)
        assert stored is None or not stored[1].values
        assert damaged(found)


def test_what_was_remembered_and_watched_is_still(place: Place) -> None:
    with opened(place) as found:
        found.now = AT
        stored = {each.slug: each for each in found.state.load()}
        app, web = stored[APP.slug], stored[WEB.slug]
        assert app.ledger is not None
        assert web.ledger is not None
        assert app.live is not None
        assert found.state.known(WEB.slug, "build", range(1, 9)) == {key: key != 8 for key in range(2, 9)}
        assert len(app.live.pipelines) == 5
        assert web.ledger.invented == ("abandoned",)
        assert web.ledger.workflows["new"].baseline
        assert web.ledger.workflows["build"].branches["main"].last is not None
