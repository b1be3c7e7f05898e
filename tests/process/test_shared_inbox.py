"""The webhook route of a replica, leading or not."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from exporter.config import parse
from exporter.process.shared_inbox import InboxWatch, SharedInbox
from exporter.state import StateStore
from exporter.state.postgres.arrivals import Arrivals
from exporter.telemetry import Telemetry
from exporter.web.webhooks import Hint
from tests.knowledge.samples import FACTS, NOW
from tests.running.engine import hourly
from tests.running.waiting import wait_until
from tests.state.making import SERVER, Log, known
from tests.state.postgres.making import hold, linked, made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.state.postgres.link import Link
    from tests.running.postgres import Address

ENDED: Final = "workflow-completed"
RUN, PIPELINE, PROJECT = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
CONFIG = """
projects:
  - {slug: gh/acme/web, collectors: [pipelines]}
  - {slug: gh/acme/api, collectors: [runs]}
organizations:
  - {slug: gh/found, collectors: [pipelines]}
  - {slug: gh/other, collectors: [runs]}
"""


class Writing:
    """The inbox of a replica, and what is in the database."""

    def __init__(self, link: Link) -> None:
        self.link, self.arrivals = link, Arrivals(link, SERVER)
        self.inbox = SharedInbox(self.arrivals, lambda: parse(CONFIG), lambda: NOW)

    def learn(self, slug: str, identifier: str = "") -> None:
        """Let a leader learn of a project."""
        state = StateStore(made(self.link, hold(self.link)), SERVER, Telemetry("1", []), Log())  # type: ignore[arg-type]
        state.commit(replace(known(slug=slug), facts=replace(FACTS, id=identifier)), [], [])


@pytest.fixture
def writing(database: Address) -> Iterator[Writing]:
    with linked(database) as link:
        yield Writing(link)


def hint(project: str = "", identifier: str = "") -> Hint:
    return Hint(ENDED, RUN, PIPELINE, project, identifier)


@pytest.mark.parametrize(
    ("slug", "learned", "polled"),
    [
        ("gh/acme/web", False, True),
        ("gh/acme/api", True, False),
        ("gh/found/one", False, False),
        ("gh/found/one", True, True),
        ("gh/other/one", True, False),
        ("gh/nobody/one", True, False),
    ],
)
def test_a_project_is_polled_if_it_is_listed_or_was_found(
    writing: Writing, slug: str, learned: bool, polled: bool
) -> None:
    if learned:
        writing.learn(slug)
    assert writing.inbox.knows(hint(slug)) == polled


def test_a_project_that_was_renamed_is_known_by_its_id(writing: Writing) -> None:
    writing.learn("gh/acme/web", PROJECT)
    assert writing.inbox.knows(hint("gh/acme/earlier", PROJECT))
    assert not writing.inbox.knows(hint("gh/acme/earlier", RUN))
    assert writing.inbox.accept(hint("", PROJECT))
    assert writing.inbox._written.is_set(), "so that it is looked for at once"


def test_without_the_database_nothing_is_accepted_or_called_unknown(writing: Writing) -> None:
    writing.link.close()
    assert writing.inbox.knows(hint("gh/found/one"))
    assert not writing.inbox.accept(hint("gh/acme/web"))
    assert not writing.inbox._written.is_set()


def test_a_webhook_counts_within_a_second_once_as_what_it_was_answered_though_its_hint_was_committed(
    writing: Writing,
) -> None:
    assert writing.inbox.accept(hint("gh/acme/web"))
    for event, result in ((ENDED, "busy"), (ENDED, "unsigned"), ("other", "accepted")):
        writing.inbox.count(event, result)
    assert writing.arrivals.totals() == {}
    writing.inbox.start()
    expected = {(ENDED, "busy"): 1, (ENDED, "unsigned"): 1, ("other", "accepted"): 1}
    wait_until(lambda: writing.arrivals.totals() == expected)


def test_the_last_counts_are_written_at_the_end(writing: Writing, database: Address) -> None:
    writing.inbox.count(ENDED, "unsigned")
    writing.inbox.stop()
    assert database.run("SELECT event, result, requests FROM webhook") == [(ENDED, "unsigned", 1)]


def test_what_all_replicas_have_counted_is_shown_and_fewer_than_before_take_nothing_away(database: Address) -> None:
    with linked(database) as link, linked(database) as other, hourly() as running:
        arrivals, shown, written = Arrivals(link, SERVER), list[int](), threading.Event()
        arrivals.count({("other", "accepted"): 5})
        watch = InboxWatch(running.engine, Arrivals(other, SERVER), lambda *counted: shown.append(counted[2]), written)
        assert shown == [5]
        watch.start()
        database.run("UPDATE webhook SET requests = 3")
        looked = len(shown)
        written.set()
        wait_until(lambda: len(shown) > looked + 1)
        arrivals.count({("other", "accepted"): 1})
        wait_until(lambda: sum(shown) == 6)
        assert min(shown) >= 0
        assert not [line for line in running.logged() if line[0] == "exception"]
        running.engine.stop.set()
