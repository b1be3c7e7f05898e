"""The inbox: what waits, what is merged, what it refuses, and what is left of it after a restart."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.polling.inbox import FIRST_GAP, LONGEST_GAP, MOST_WAITING, Inbox
from exporter.runs.hints import Hint
from exporter.runs.pipelines import FoundRun, WorkflowRun
from exporter.state import StateStore
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.system.logs import Logger

WEB, API = "gh/acme/web", "gh/acme/api"
NOW = 1_790_000_000.0


def open_state(path: Path | None) -> StateStore:
    return StateStore.open(
        path, "https://circleci.com/api/v2", Telemetry("test", ()), cast("Logger", CapturingLogger())
    )


class Opened:
    def __init__(self, path: Path | None = None) -> None:
        self.now, self.state = NOW, open_state(path)
        self.inbox = Inbox(self.state, lambda: self.now)
        self.told: list[str] = []
        self.inbox.arrived = self.told.append


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    made.state.close()


def hint(number: int = 1, slug: str = WEB, *, ended: bool = True, at: float = NOW) -> Hint:
    return Hint(slug, str(uuid.UUID(int=number)), str(uuid.UUID(int=1000)), ended, at)


def test_a_hint_is_in_the_state_before_it_is_accepted_and_its_project_is_told(opened: Opened) -> None:
    assert opened.inbox.accept(hint())
    assert opened.state.hints() == [(hint(), 1)]
    assert opened.told == [WEB]
    assert opened.inbox.next_due(WEB) == 0
    assert opened.inbox.next_due(API) is None


def test_an_end_is_not_forgotten_when_a_job_of_the_same_run_is_told_of(opened: Opened) -> None:
    for ended in (False, True, False):
        opened.inbox.accept(hint(ended=ended))
    assert [(each.ended, version) for each, version in opened.state.hints()] == [(True, 2)]


def test_only_so_many_are_taken_those_of_watched_runs_first_then_the_newest_and_last_what_has_failed(
    opened: Opened,
) -> None:
    for number in (3, 1, 2):
        opened.inbox.accept(hint(number, at=NOW + number))
    opened.inbox.failed(WEB, [hint(3).id])
    opened.now += LONGEST_GAP
    opened.inbox.accept(hint(4, at=opened.now))
    taken = opened.inbox.take(WEB, 3, {hint(1).id})
    assert [each.hint.id for each in taken] == [hint(number).id for number in (1, 4, 2)]
    assert [each.hint.id for each in opened.inbox.take(WEB, 4)] == [hint(number).id for number in (4, 2, 1, 3)]


def test_what_was_followed_is_gone_but_for_what_came_meanwhile(opened: Opened) -> None:
    opened.inbox.accept(hint(1))
    opened.inbox.accept(hint(2))
    versions = {each.hint.id: each.version for each in opened.inbox.take(WEB, 10)}
    opened.inbox.accept(hint(2))
    opened.state.drop_hints(versions)
    opened.inbox.followed(WEB, versions)
    assert [(each.hint, each.version) for each in opened.inbox.take(WEB, 10)] == [(hint(2), 2)]
    assert opened.state.hints() == [(hint(2), 2)]


def test_the_gaps_between_tries_double_up_to_the_longest(opened: Opened) -> None:
    opened.inbox.accept(hint())
    gaps = []
    for _ in range(12):
        opened.inbox.failed(WEB)
        due = opened.inbox.next_due(WEB)
        assert due is not None
        gaps.append(due - opened.now)
        assert opened.inbox.take(WEB, 10) == []
        opened.now = due
    assert gaps[:4] == [FIRST_GAP * factor for factor in (1, 2, 4, 8)]
    assert set(gaps[8:]) == {LONGEST_GAP}


def test_no_more_wait_than_are_allowed_and_those_that_wait_are_merged_even_then(opened: Opened) -> None:
    inbox = Inbox(opened.state, lambda: NOW, most=3)
    assert [inbox.accept(hint(number)) for number in (1, 2, 3, 4, 1)] == [True, True, True, False, True]
    assert MOST_WAITING == 10_000


def test_a_state_that_cannot_be_written_takes_no_hint(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "state.db")
    opened.state.close()
    assert not opened.inbox.accept(hint())
    assert opened.told == []
    assert opened.inbox.next_due(WEB) is None


def test_hints_are_there_again_after_a_restart_but_those_of_projects_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    before = Opened(path)
    before.inbox.accept(hint(1))
    before.inbox.accept(hint(2, API))
    before.state.close()
    after = Opened(path)
    after.inbox.restore([WEB])
    assert [each.hint for each in after.inbox.take(WEB, 10)] == [hint(1)]
    assert after.state.hints() == [(hint(1), 1)]
    after.state.close()


def test_a_damaged_hint_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    before = Opened(path)
    for number in (1, 2, 3):
        before.inbox.accept(hint(number))
    before.state.close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE hint SET facts = '{' WHERE id = ?", (hint(1).id,))
        file.execute("UPDATE hint SET facts = replace(facts, ?, '../me') WHERE id = ?", (hint(2).pipeline, hint(2).id))
    file.close()
    after = Opened(path)
    after.inbox.restore([WEB])
    assert after.state.hints() == [(hint(3), 1)]
    after.state.close()


def test_a_project_that_is_gone_takes_its_hints_along(opened: Opened) -> None:
    opened.inbox.accept(hint(1))
    opened.inbox.accept(hint(2, API))
    opened.inbox.forget([WEB, "gh/acme/other"])
    assert opened.inbox.next_due(WEB) is None
    assert opened.state.hints() == [(hint(2, API), 1)]
    assert opened.inbox.accept(hint(1))


def test_a_hint_moves_to_the_project_that_circleci_names_with_what_it_said(opened: Opened) -> None:
    opened.inbox.accept(hint())
    (taken,) = opened.inbox.take(WEB, 10)
    found = FoundRun(WorkflowRun(hint().id, "build", "success", NOW, NOW + 1), hint().pipeline, API)
    opened.state.drop_hints({taken.hint.id: taken.version})
    opened.inbox.followed(WEB, {taken.hint.id: taken.version})
    opened.inbox.move(taken, found, API)
    (moved,) = opened.inbox.take(API, 10)
    assert (moved.hint, moved.found) == (replace(hint(), slug=API), found)
    assert opened.told == [WEB, API]
    assert opened.state.hints() == [(replace(hint(), slug=API), 1)]
