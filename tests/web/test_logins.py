"""Logins: who gets in, what it costs, and what a flood of wrong ones does."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from exporter.web.logins import CHECKS_AT_ONCE, LONGEST_QUEUE, REMEMBERED, Busy, Logins, parse_basic
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Future

CHEAP = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
COSTLY = bcrypt.hashpw(b"right", bcrypt.gensalt(8)).decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Checks(ThreadPoolExecutor):
    """Does the checks, and keeps the password and the hash of each."""

    def __init__(self) -> None:
        super().__init__(1)
        self.done: list[tuple[bytes, bytes]] = []

    def submit(self, check: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:
        self.done.append(given)
        return super().submit(check, *given, **more)

    def costs(self) -> list[bytes]:
        """What each check costs, by the beginning of its hash."""
        return [hashed[:7] for _, hashed in self.done]


@pytest.fixture
def executor() -> Iterator[Checks]:
    with Checks() as executor:
        yield executor


def run(check: Coroutine[None, None, bool]) -> bool:
    return asyncio.run(check)


@pytest.mark.parametrize(
    ("authorization", "login"),
    [
        ("Basic YWxpY2U6cmlnaHQ=", (b"alice", b"right")),
        ("basic   YWxpY2U6cmlnaHQ=", (b"alice", b"right")),
        ("Basic " + base64.b64encode(b"alice:a:b").decode(), (b"alice", b"a:b")),
        ("Basic Og==", (b"", b"")),
        ("", None),
        ("Basic", None),
        ("Basic YWxpY2U=", None),
        ("Basic YWxpY2U6cmlnaHQ", None),
        ("Basic !!!!", None),
        ("Basic \N{SNOWMAN}", None),
        ("Bearer YWxpY2U6cmlnaHQ=", None),
    ],
)
def test_a_basic_authorization_is_read(authorization: str, login: tuple[bytes, bytes] | None) -> None:
    assert parse_basic(authorization) == login


def test_the_right_password_gets_in_and_nothing_else_does(executor: Checks) -> None:
    logins = Logins({"alice": CHEAP, "bob": CHEAP}, executor)
    assert logins
    assert run(logins.verify(basic("alice", "right")))
    assert run(logins.verify(basic("bob", "right")))
    for authorization in (
        "",
        "Bearer x",
        basic("alice", "wrong"),
        basic("alice", ""),
        basic("carol", "right"),
        basic("", ""),
    ):
        assert not run(logins.verify(authorization))


def test_without_users_no_login_is_needed(executor: Checks) -> None:
    assert not Logins({}, executor)


@pytest.mark.parametrize("password", ["p" * 72, "p" * 73, "p" * 5000, "pässwörd", "with\0nul"])
def test_any_password_is_checked_as_htpasswd_hashed_it(executor: Checks, password: str) -> None:
    hashed = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    logins = Logins({"alice": hashed}, executor)
    assert run(logins.verify(basic("alice", password)))
    assert not run(logins.verify(basic("alice", "with" if "\0" in password else "x" + password)))


def test_an_unknown_user_costs_the_same_as_a_wrong_password(executor: Checks) -> None:
    logins = Logins({"alice": COSTLY}, executor)
    for user in ("alice", "nobody"):
        assert not run(logins.verify(basic(user, "wrong")))
    assert executor.costs() == [b"$2b$08$"] * 2
    (_, known), (_, decoy) = executor.done
    # Both are salts that bcrypt works with to the end.
    assert all(bcrypt.hashpw(b"wrong", hashed)[:29] == hashed[:29] for hashed in (known, decoy))


def test_an_unknown_user_costs_as_much_as_one_of_the_users_and_always_the_same(executor: Checks) -> None:
    logins = Logins({"alice": COSTLY, "bob": CHEAP}, executor)
    decoys = {logins._decoy(f"user {number}".encode())[:7] for number in range(50)}
    assert decoys == {b"$2b$08$", b"$2b$04$"}
    assert len({logins._decoy(b"nobody") for _ in range(20)}) == 1


def test_a_verified_login_is_remembered_so_that_bcrypt_does_not_run_at_each_scrape(
    executor: Checks,
) -> None:
    logins = Logins({"alice": COSTLY}, executor)

    async def scrape_a_hundred_times() -> None:
        for _ in range(100):
            assert await logins.verify(basic("alice", "right"))

    asyncio.run(scrape_a_hundred_times())
    assert len(executor.done) == 1
    assert not run(logins.verify(basic("alice", "right ")))
    assert len(executor.done) == 2


def test_nothing_readable_is_remembered_and_not_without_bound(executor: Checks) -> None:
    users = {f"user {number}": CHEAP for number in range(REMEMBERED + 10)}
    logins = Logins(users, executor)

    async def all_log_in() -> None:
        for user in users:
            assert await logins.verify(basic(user, "right"))

    asyncio.run(all_log_in())
    assert len(logins._verified) == REMEMBERED
    assert not any(b"right" in key or b"user" in key for key in logins._verified)


def test_a_right_login_waits_for_the_check_under_way_and_not_for_a_flood_of_wrong_ones(
    executor: Checks,
) -> None:
    logins = Logins({"alice": COSTLY}, executor)

    async def flood() -> list[object]:
        wrong = [asyncio.create_task(logins.verify(basic("alice", f"wrong {number}"))) for number in range(50)]
        await asyncio.sleep(0)
        assert await logins.verify(basic("alice", "right"))
        return list(await asyncio.gather(*wrong, return_exceptions=True))

    outcomes = asyncio.run(flood())
    assert [password for password, _ in executor.done].index(b"right") == CHECKS_AT_ONCE
    assert outcomes.count(False) >= LONGEST_QUEUE
    assert all(outcome is False or isinstance(outcome, Busy) for outcome in outcomes)
    assert any(isinstance(outcome, Busy) for outcome in outcomes)


def test_logins_that_are_given_up_free_their_turn(executor: Checks) -> None:
    logins = Logins({"alice": CHEAP}, executor)

    async def give_up_and_try_again() -> bool:
        tasks = [asyncio.create_task(logins.verify(basic("alice", f"wrong {number}"))) for number in range(10)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await asyncio.wait_for(logins.verify(basic("alice", "right")), PATIENCE)

    assert asyncio.run(give_up_and_try_again())
    assert logins._queue.running == 0


def test_a_login_given_up_at_the_moment_of_its_turn_passes_it_on(executor: Checks) -> None:
    queue = Logins({"alice": CHEAP}, executor)._queue

    async def take_turns() -> int:
        await queue.enter()
        waiting = [asyncio.create_task(queue.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        queue.leave()
        waiting[1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return queue.running

    assert asyncio.run(take_turns()) == 1
