"""Which UUID an organization has: exports are asked for by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.values import organization_slug
from exporter.errors import NotFoundError, PayloadError
from exporter.insights.payloads import Unreadable
from exporter.insights.questions import Question
from exporter.knowledge.facts import PROJECT
from exporter.runs.pipelines import identifier
from exporter.usage.families import COLLECTOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.polling.attempt import Attempts

COLLABORATIONS = "/me/collaborations"
DEADLINE = 300.0
"""Seconds for a question with its retries."""


def find(slug: str, projects: Iterable[str], attempts: Attempts) -> str:
    """The UUID of an organization: as the token's user knows it, or else as one of its `projects` does.

    Raises PollError or Stopped.
    """
    listed = _ask(attempts, Question(COLLECTOR, COLLABORATIONS, slug))
    if not isinstance(listed, list):
        raise PayloadError(f"GET {COLLABORATIONS}: the answer is not a list")
    for entry in listed:
        if isinstance(entry, dict) and _slug(entry.get("slug")) == slug and (found := _id(entry.get("id"))):
            return found
    for project in projects:
        document = _ask(attempts, Question(COLLECTOR, PROJECT, project))
        if isinstance(document, dict) and (found := _id(document.get("organization_id"))):
            return found
    raise NotFoundError(
        f"{slug} is not among the organizations of the token's user, and none of its projects is polled"
    )


def _ask(attempts: Attempts, question: Question) -> object:
    return attempts.client.fetch(question, deadline=attempts.clocks.monotonic() + DEADLINE)


def _slug(value: object) -> str:
    try:
        return organization_slug(value if isinstance(value, str) else "")
    except ValueError:
        return ""


def _id(value: object) -> str:
    try:
        return identifier(value)
    except Unreadable:
        return ""
