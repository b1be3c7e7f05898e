"""No round trip without a limit."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from tests.running.waiting import AT_ONCE, PATIENCE, wait_until
from tests.running.wire import Wire
from tests.state.postgres.making import linked

if TYPE_CHECKING:
    from tests.running.postgres import Address, Server


def through(server: Server, database: Address, wire: Wire, limit: float) -> Link:
    return Link(Login(server.url(database.url.rpartition("/")[2], port=wire.port), None, 2.0), limit)


def test_a_silent_server_is_given_up_after_the_limit(postgres: Server, database: Address) -> None:
    with Wire(postgres.port) as wire:
        link = through(postgres, database, wire, 0.5)
        assert link.run("SELECT 1") == [[(1,)]]
        wire.fall_silent()
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            link.run("SELECT 1")
        assert 0.4 < time.monotonic() - began < AT_ONCE
        assert not link.is_open
        wire.heal()
        assert link.run("SELECT 2") == [[(2,)]]
        link.close()


def test_a_connection_that_the_server_ended_while_it_was_idle_is_replaced(database: Address) -> None:
    with linked(database) as link:
        link.run("SELECT 1")
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        database.run(f"SELECT pg_terminate_backend(pid, 60000) {others}")  # waits until they have ended
        assert link.run("SELECT 2") == [[(2,)]]
        assert link.number == 2


def test_closing_ends_what_waits(database: Address) -> None:
    with linked(database, 60.0) as link:
        failed: list[Exception] = []

        def wait() -> None:
            try:
                link.run("SELECT pg_sleep(60)")
            except psycopg.Error as error:
                failed.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(60)' AND state = 'active'"
        wait_until(lambda: database.run(sleeping))
        link.close()
        waiting.join(PATIENCE)
        assert failed
        with pytest.raises(psycopg.OperationalError, match="closed"):
            link.run("SELECT 1")


def test_values_of_every_kind_come_back_as_they_were(database: Address) -> None:
    with linked(database) as link:
        values = ("größe 🚀 ' \\ % ?", b"\x00\xff'", 2**62, 0.1 + 0.2, None)
        found = link.run(link.write("SELECT ?::text, ?::bytea, ?::bigint, ?::double precision, ?::text", values))
        assert found == [[values]]


def test_a_list_of_keys_is_searched_for(database: Address) -> None:
    with linked(database) as link:
        written = link.write("SELECT 7 IN (SELECT CAST(value AS BIGINT) FROM json_each(?))", ("[5, 7]",))
        assert link.run(written) == [[(True,)]]


def test_a_transaction_that_failed_is_known_as_one(database: Address) -> None:
    with linked(database) as link:
        with pytest.raises(psycopg.Error):
            link.run("BEGIN", "SELECT nothing", "COMMIT")
        states = [link.in_failed_transaction]
        link.roll_back()
        assert [*states, link.in_failed_transaction] == [True, False]
        assert link.run("SELECT 1") == [[(1,)]]
