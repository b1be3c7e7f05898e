"""No round trip without a limit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from tests.running.waiting import PATIENCE, wait_until
from tests.running.wire import Wire
from tests.state.postgres.making import Clock, linked

if TYPE_CHECKING:
    from tests.running.postgres import Address, Server


def test_a_silent_server_is_given_up_after_the_limit(postgres: Server, database: Address) -> None:
    with Wire(postgres.port) as wire, ThreadPoolExecutor(1) as pool:
        clock, url = Clock(), postgres.url(database.url.rpartition("/")[2], port=wire.port)
        link = Link(Login(url, None, PATIENCE), 5.0, clock)
        assert link.run("SELECT 1") == [[(1,)]]
        wire.fall_silent()
        asking = pool.submit(link.run, "SELECT 1")
        wait_until(lambda: wire.held, why="the statement")
        clock.now += 4.9
        clock.wait_for_looks(2)
        assert not asking.done()
        clock.now += 0.2
        with pytest.raises(psycopg.OperationalError):
            asking.result(PATIENCE)
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
    with linked(database) as link:
        failed: list[Exception] = []

        def wait() -> None:
            try:
                link.run("SELECT pg_sleep(600)")
            except psycopg.Error as error:
                failed.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(600)' AND state = 'active'"
        wait_until(lambda: database.run(sleeping), why="the statement")
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
