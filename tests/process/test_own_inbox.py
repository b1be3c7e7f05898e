"""Whose hint it is: by slug or by id, and only of projects whose pipelines are polled here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.process.own_inbox import OwnInbox
from exporter.runs.hints import Hint as Waiting
from exporter.web.webhooks import Hint
from tests.running.engine import NOON, SLUG
from tests.running.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOW, PIPELINE = "9a4e2d71-6b8c-4f10-a2c3-d4e5f6071829", "c1b7e0aa-2f4d-4a6b-9d3e-8b7a6c5d4e3f"


def told(slug: str = "", identifier: str = "") -> Hint:
    return Hint("workflow-completed", WORKFLOW, PIPELINE, slug, identifier)


@pytest.fixture
def running() -> Iterator[Watching]:
    with Watching() as made:
        made.begin()
        yield made


def test_a_hint_is_taken_by_slug_and_by_the_id_that_circleci_names_for_the_project(running: Watching) -> None:
    inbox = OwnInbox(lambda: running.engine, lambda: NOON)
    snapshot = running.engine.store.get(SLUG)
    assert snapshot is not None
    assert snapshot.facts is not None
    assert len(snapshot.facts.id) == 36
    for hint in (told(SLUG), told("gh/acme/renamed", snapshot.facts.id)):
        assert inbox.knows(hint)
        assert inbox.accept(hint)
    assert running.engine.state.hints() == [(Waiting(SLUG, WORKFLOW, PIPELINE, ended=True, taken_at=NOON), 1)]


def test_a_project_that_is_not_polled_here_or_without_its_pipelines_is_not_known(running: Watching) -> None:
    inbox = OwnInbox(lambda: running.engine)
    assert not inbox.knows(told("gh/acme/api"))
    assert not inbox.knows(told("", "7d2f6b84-1c3e-4a55-8f90-6e5d4c3b2a19"))
    assert not inbox.knows(told())
    running.restart(collectors="runs")
    assert not inbox.knows(told(SLUG))
