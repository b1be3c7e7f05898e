"""Who is who: the UUID by which an organization's exports are asked for, and the labels that its projects have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from exporter.config import Config
from exporter.config.slugs import organization_slug
from exporter.errors import NotFoundError, PayloadError
from exporter.insights.payloads import Unreadable, text
from exporter.insights.questions import Question
from exporter.knowledge.facts import PROJECT
from exporter.knowledge.organization_lists import organization_of
from exporter.polling.attempt import Attempts
from exporter.publishing.store import SnapshotStore
from exporter.runs.entries import Entry
from exporter.runs.pipelines import identifier
from exporter.usage.families import COLLECTOR

COLLABORATIONS = "/me/collaborations"
FIELDS = ("slug", "id", "organization_id")
DEADLINE = 300.0
"""Seconds for a question with its retries."""


def find(slug: str, projects: Iterable[str], attempts: Attempts) -> str:
    """The UUID of an organization: as the token's user knows it, or else as one of its `projects` does.

    Raises PollError or Stopped.
    """
    unread = Counter[str]()
    try:
        found = _found(slug, projects, attempts, unread)
    finally:
        attempts.telemetry.unread(COLLECTOR, unread)
    if found is None:
        raise NotFoundError(
            f"{slug} is not among the organizations of the token's user, and none of its projects is polled"
        )
    return found


def _found(slug: str, projects: Iterable[str], attempts: Attempts, unread: Counter[str]) -> str | None:
    listed = _ask(attempts, Question(COLLECTOR, COLLABORATIONS, slug))
    if not isinstance(listed, list):
        raise PayloadError(f"GET {COLLABORATIONS}: the answer is not a list")
    for entry in (Entry(document, unread) for document in listed):
        if entry.may("slug", _slug) == slug and (found := entry.may("id", identifier)):
            return found
    for project in projects:
        entry = Entry(_ask(attempts, Question(COLLECTOR, PROJECT, project)), unread)
        if found := entry.may("organization_id", identifier):
            return found
    return None


def polled(organization: str, config: Config, store: SnapshotStore) -> list[str]:
    """A project of an organization that is polled, if there is one."""
    known = (*(project.slug for project in config.projects), *store.published)
    return [slug for slug in known if organization_of(slug) == organization][:1]


def labels(store: SnapshotStore) -> dict[str, str]:
    """The labels of polled projects by their ids at CircleCI."""
    return {
        snapshot.facts.id.lower(): snapshot.project.name
        for snapshot, _ in store.published.values()
        if snapshot.facts is not None and snapshot.facts.id
    }


def labels_known(organization: str, store: SnapshotStore) -> bool:
    """Whether the ids of an organization's polled projects are known; those of others have the label of their rows."""
    return all(
        snapshot.facts is not None or (project.name == project.slug and project.project_label == "auto")
        for snapshot, _ in store.published.values()
        if organization_of((project := snapshot.project).slug) == organization
    )


def _ask(attempts: Attempts, question: Question) -> object:
    return attempts.client.fetch(question, deadline=attempts.clocks.monotonic() + DEADLINE)


def _slug(value: object) -> str:
    try:
        return organization_slug(text(value))
    except ValueError:
        raise Unreadable from None
