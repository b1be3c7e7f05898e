"""Every commit is fenced, and what became of it is known, or is read again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

from exporter.errors import StateError
from exporter.state import StateStore
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.database import CHUNK, Refused
from exporter.state.postgres.lease_table import LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from exporter.telemetry import Telemetry
from tests.knowledge.samples import NOW
from tests.running.waiting import PATIENCE, wait_until
from tests.running.wire import Wire
from tests.state.making import NOW_LEDGER, SERVER, Log, known, whole
from tests.state.postgres.making import LEASE, PLACE, end_lease, hold, linked, made

if TYPE_CHECKING:
    from tests.running.postgres import Address, Server

BRIEF = 3.0
"""A lease whose statements wait for 0.3 s."""
ADD = "INSERT INTO server (url, up) VALUES (?, ?)"


def urls(database: Address) -> list[str]:
    return [url for (url,) in database.run("SELECT url FROM server ORDER BY url")]


def test_all_of_a_transaction_is_written_or_nothing(database: Address) -> None:
    with linked(database) as link:
        postgres = made(link, hold(link))
        with postgres.transaction():
            postgres.executemany(ADD, [("a", 1), ("b", 0)])
            assert postgres.execute("SELECT count(*) FROM server") == [(2,)]
        with pytest.raises(psycopg.Error), postgres.transaction():
            postgres.executemany("SELECT nothing FROM nowhere", [()])
        assert urls(database) == ["a", "b"]
        assert not postgres.stale
        with postgres.transaction():
            postgres.execute(ADD, ("d", 1))
        assert urls(database) == ["a", "b", "d"]


def test_a_commit_under_an_older_epoch_is_refused(database: Address) -> None:
    with linked(database) as link:
        first = made(link, hold(link))
        end_lease(database)
        hold(link, "two")
        with pytest.raises(Refused, match="another replica"), first.transaction():
            first.execute(ADD, ("a", 1))
        assert urls(database) == []


@pytest.mark.parametrize("when", ["before", "within"])
def test_nothing_is_committed_once_the_lease_has_ended_by_this_replica_s_own_clock(
    database: Address, when: str
) -> None:
    answers = {"before": [False], "within": [True, False]}[when]
    with linked(database) as link:
        postgres = made(link, hold(link), lambda: answers.pop(0))
        with pytest.raises(Refused, match="does not lead"), postgres.transaction():
            postgres.execute(ADD, ("a", 1))
        assert urls(database) == []


def test_what_is_written_outside_of_a_transaction_is_fenced_too(database: Address) -> None:
    with linked(database) as link:
        first = made(link, hold(link))
        first.execute(ADD, ("a", 1))
        assert urls(database) == ["a"]
        end_lease(database)
        hold(link, "two")
        with pytest.raises(Refused, match="another replica"):
            first.execute("DELETE FROM server WHERE url = ?", ("a",))
        assert urls(database) == ["a"]


def test_a_view_is_of_one_moment_and_what_is_deleted_meanwhile_goes_afterwards(database: Address) -> None:
    with linked(database) as link:
        postgres = made(link, hold(link))
        postgres.executemany(ADD, [("a", 1), ("b", 1)])
        with postgres.view():
            assert postgres.execute("SELECT count(*) FROM server") == [(2,)]
            postgres.execute("DELETE FROM server WHERE url = ?", ("a",))
            database.run("INSERT INTO server VALUES ('c', 1)")
            assert postgres.execute("SELECT count(*) FROM server") == [(2,)]
            assert urls(database) == ["a", "b", "c"]
        assert urls(database) == ["b", "c"]


@pytest.mark.parametrize("trouble", ["the lease", "the connection"])
def test_a_view_that_is_lost_deletes_nothing(database: Address, trouble: str) -> None:
    with linked(database) as link, linked(database) as other:
        postgres = made(link, hold(link))
        postgres.execute(ADD, ("a", 1))

        def read() -> None:
            with postgres.view():
                postgres.execute("DELETE FROM server WHERE url = ?", ("a",))
                if trouble == "the lease":
                    end_lease(database)
                    hold(other, "two")
                else:
                    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                    with suppress(psycopg.OperationalError):
                        postgres.execute("SELECT 1")
                    postgres.execute("SELECT 1")

        with pytest.raises(psycopg.OperationalError, match=r"another replica|connection"):
            read()
        assert urls(database) == ["a"]


def test_nobody_takes_the_lease_while_a_commit_is_under_way(database: Address) -> None:
    with linked(database) as link, linked(database) as other:
        postgres = made(link, hold(link))
        end_lease(database)
        with postgres.transaction():
            postgres.execute("SELECT 1")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                LeaseTable(other, BRIEF).acquire(PLACE, "two")
        hold(other, "two", PLACE)


def test_the_lease_is_renewed_and_given_back_while_a_commit_is_under_way(database: Address) -> None:
    with linked(database) as link, linked(database) as other:
        held, table = hold(link), LeaseTable(other, BRIEF)
        postgres = made(link, held)
        with postgres.transaction():
            postgres.execute(ADD, ("a", 1))
            postgres.execute("SELECT 1")
            assert table.renew(held, None) is not None
            table.release(held)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                table.acquire(PLACE, "two")
        assert urls(database) == ["a"]
        hold(other, "two")


def test_another_number_of_shards_waits_for_a_commit_of_the_old_one(database: Address) -> None:
    with linked(database) as link, linked(database) as other:
        postgres = made(link, hold(link))
        with postgres.transaction():
            postgres.execute("SELECT 1")
            end_lease(database)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                LeaseTable(other, BRIEF).acquire(Place(SERVER, 1, 2), "two")
        hold(other, "two", Place(SERVER, 1, 2))


def test_a_transaction_whose_client_is_silent_ends_by_itself(database: Address) -> None:
    with linked(database) as link, linked(database) as other:
        postgres = made(link, hold(link), lease=1.0)
        idle = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"

        def fall_silent() -> None:
            with postgres.transaction():
                postgres.execute(ADD, ("a", 1))
                postgres.execute("SELECT 1")
                wait_until(lambda: not database.run(idle), why="the server to end the transaction")
                end_lease(database)
                hold(other, "two")

        with pytest.raises(psycopg.Error):
            fall_silent()
        assert urls(database) == []
        assert postgres.stale


def test_a_run_that_another_has_counted_makes_everything_be_read_again(database: Address) -> None:
    with linked(database) as link:
        postgres = made(link, hold(link))
        database.run("INSERT INTO server VALUES ('a', 1)")
        with pytest.raises(psycopg.IntegrityError), postgres.transaction():
            postgres.execute(ADD, ("a", 1))
        assert postgres.stale
        with pytest.raises(Refused, match="read again"), postgres.transaction():
            postgres.execute(ADD, ("b", 1))


@pytest.mark.parametrize("reaches", [True, False])
def test_a_commit_of_unknown_end_makes_everything_be_read_again(
    postgres: Server, database: Address, *, reaches: bool
) -> None:
    with linked(database) as link, Wire(postgres.port) as wire:
        held = hold(link)
        through = Link(Login(postgres.url(database.url.rpartition("/")[2], port=wire.port), None, PATIENCE), PATIENCE)
        shared = made(through, held)
        wire.cut_next_commit(reaches=reaches)

        def commit() -> None:
            with shared.transaction():
                shared.execute("SELECT 1")
                shared.execute(ADD, ("a", 1))

        with pytest.raises(psycopg.OperationalError):
            commit()
        assert urls(database) == (["a"] if reaches else [])
        assert shared.stale
        through.close()


def test_a_transaction_does_not_go_on_on_another_connection(database: Address) -> None:
    with linked(database) as link:
        shared = made(link, hold(link))

        def go_on() -> None:
            with shared.transaction():
                shared.execute("SELECT 1")
                database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                with suppress(psycopg.OperationalError):
                    shared.execute("SELECT 1")
                shared.execute(ADD, ("a", 1))

        with pytest.raises(psycopg.OperationalError, match="connection"):
            go_on()
        assert urls(database) == []


def test_each_commit_has_the_next_number(database: Address) -> None:
    with linked(database) as link:
        shared, numbers = made(link, hold(link)), list[int]()
        shared._seen = numbers.append
        for number in range(3):
            shared.execute(ADD, (str(number), 1))
            assert database.run("SELECT commits FROM lease") == [(number + 1,)]
        assert numbers == [1, 2, 3]
        with pytest.raises(psycopg.Error), shared.transaction():
            shared.executemany("SELECT nothing FROM nowhere", [()])
        assert database.run("SELECT commits FROM lease") == [(3,)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE lease SET commits = commits - 1",
        "UPDATE lease SET commits = commits + 1",
        "UPDATE lease SET lacking = TRUE",
    ],
)
def test_what_has_another_newest_commit_is_refused_and_is_lacking_for_whoever_takes_the_lease_next(
    database: Address, change: str
) -> None:
    with linked(database) as link:
        held, numbers = hold(link), list[int]()
        shared = made(link, held)
        shared._seen = numbers.append
        shared.execute(ADD, ("a", 1))
        database.run(change)
        with pytest.raises(Refused, match="older copy"), shared.transaction():
            shared.execute(ADD, ("b", 1))
        assert shared.stale == "the database lacks commits"
        assert urls(database) == ["a"]
        table = LeaseTable(link, LEASE)
        again = table.acquire_again(held)
        assert again is not None
        begun = table.begin(again, numbers[-1])
        assert begun is not None
        assert begun.lacking
        assert begun.commits > max(numbers[:-1])


def test_it_is_lacking_until_what_was_counted_is_forgotten(database: Address) -> None:
    with linked(database) as link:
        held = hold(link)
        database.run("UPDATE lease SET lacking = TRUE")
        shared = made(link, held)
        shared.execute(ADD, ("a", 1))
        with shared.transaction():
            shared.begin_again(whole=False)
            olders = [shared.is_older]
        assert [*olders, shared.is_older] == [True, False]
        shared.execute(ADD, ("b", 1))
        assert database.run("SELECT commits, lacking FROM lease") == [(3, False)]


@pytest.mark.parametrize(("whole", "left"), [(True, []), (False, [("unsigned",)])])
def test_the_first_of_all_shards_counts_webhooks_anew(
    database: Address, *, whole: bool, left: list[tuple[str]]
) -> None:
    with linked(database) as link:
        Arrivals(link, SERVER).count({("other", "unsigned"): 4})
        shared = made(link, hold(link))
        with shared.transaction():
            shared.begin_again(whole=whole)
        assert database.run("SELECT result FROM webhook") == left


def test_large_commits_are_sent_in_pieces(database: Address) -> None:
    with linked(database) as link:
        shared = made(link, hold(link))
        with shared.transaction():
            shared.executemany(ADD, [(f"{number:08}{'x' * 2000}", 1) for number in range(2 * CHUNK // 2000)])
        assert len(urls(database)) == 2 * CHUNK // 2000


def test_what_cannot_be_read_for_an_outage_is_no_damage(database: Address) -> None:
    with linked(database) as link:
        telemetry, log = Telemetry("1", []), Log()
        shared = made(link, hold(link))
        state = StateStore(shared, SERVER, telemetry, log, wall=lambda: NOW)  # type: ignore[arg-type]
        state.commit_counts(known(ledger=NOW_LEDGER), whole())
        link.close()
        with pytest.raises(StateError, match="closed"):
            list(state.load())
        assert log.events == []


def test_a_failure_is_logged_once_and_so_is_its_end(database: Address) -> None:
    with linked(database) as link:
        shared = made(link, hold(link))
        log: Log = shared._log  # type: ignore[assignment]
        for _ in range(2):
            shared.failed(Refused("no\nroom"))
        assert log.events == [
            ("error", "the database cannot be written; values are served from memory until then", {"error": "no room"})
        ]
        for _ in range(2):
            shared.succeeded()
        assert log.told()[1:] == ["the database can be written again"]


def test_versions_of_hints_never_repeat(database: Address) -> None:
    with linked(database) as link:
        shared = made(link, hold(link))
        assert shared.version(0) < shared.version(0) < shared.version(0)
