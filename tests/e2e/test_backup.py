"""Backing up and restoring the database of replicas, as the documentation has it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.state.postgres import schema
from exporter.state.postgres.lease_table import LeaseTable, fence
from tests.running.postgres import Address
from tests.state.postgres.making import PLACE, end_lease, hold, linked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running.postgres import Server

PAGE = Path(__file__).parents[2] / "docs" / "replicas.md"
COUNTED = "SELECT count(*) FROM ledger WHERE left_at IS NULL"


def written(start: str) -> str:
    """The code on the page that begins like that."""
    [found] = re.findall(rf"^```(?:sh|sql)\n({re.escape(start)}[^`]*)```", PAGE.read_text(), re.MULTILINE)
    return str(found)


@pytest.fixture
def named(postgres: Server) -> Iterator[Address]:
    """A database with the name that the page gives it."""
    server = Address(postgres.url("postgres"))
    server.run("CREATE DATABASE circleci")
    yield Address(postgres.url("circleci"))
    server.run("DROP DATABASE circleci WITH (FORCE)")


@pytest.mark.parametrize(
    ("told", "counts"), [("", 0), ("UPDATE circleci_exporter_schema SET written = txid_current()", 1)]
)
def test_a_database_is_restored_as_the_page_says(
    postgres: Server, named: Address, tmp_path: Path, told: str, counts: int
) -> None:
    def run(command: str) -> None:
        environ = {
            "PATH": f"{postgres.programs}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres.port),
            "PGUSER": "postgres",
        }
        subprocess.run(written(command), shell=True, check=True, cwd=tmp_path, env=environ)  # noqa: S602  it is ours

    with linked(named) as link:
        hold(link)
        named.run("INSERT INTO project (id, server, slug, outcomes) VALUES (1, 's', 'gh/acme/web', '{}')")
        named.run("INSERT INTO ledger (project, facts) VALUES (1, '{}')")
    run("pg_dump")
    named.run("UPDATE ledger SET facts = 'newer'")
    run("pg_restore")
    assert named.run("SELECT facts FROM ledger") == [("{}",)]
    if told:
        named.run(written(told))
    end_lease(named)
    with linked(named) as link:
        acquired = LeaseTable(link, 60.0).acquire(PLACE, "the first after it")
        assert acquired is not None
        schema.forget_if_restored(link, fence(link, acquired.hold))
        assert named.run(COUNTED) == [(counts,)]


def test_what_the_exporter_cannot_notice_can_be_said_as_the_page_says(postgres: Server, named: Address) -> None:
    with linked(named) as link:
        named.run("INSERT INTO project (id, server, slug, outcomes) VALUES (1, 's', 'gh/acme/web', '{}')")
        named.run("INSERT INTO ledger (project, facts) VALUES (1, '{}')")
        named.run(written("UPDATE circleci_exporter_schema SET written = 0"))
        schema.forget_if_restored(link, fence(link, hold(link)))
        assert named.run(COUNTED) == [(0,)]
