"""Hints of the webhook route of a process alone: whose they are, and the way to that project's poll."""

from __future__ import annotations

import time
from collections.abc import Callable

from exporter.insights.collectors import PIPELINES
from exporter.process.engine import Engine
from exporter.runs import hints
from exporter.web.webhooks import Hint

WORKFLOW_ENDED = "workflow-completed"


class OwnInbox:
    """The inbox as the web side knows it. The engine is made after the web server, so it is asked for when needed."""

    def __init__(self, engine: Callable[[], Engine], wall: Callable[[], float] = time.time) -> None:
        """`wall` gives Unix seconds."""
        self._engine, self._wall = engine, wall

    def knows(self, hint: Hint) -> bool:
        """Whether a project of this process whose pipelines are polled has this slug or id."""
        return bool(self._slug(hint))

    def accept(self, hint: Hint) -> bool:
        ended = hint.event == WORKFLOW_ENDED
        taken = hints.Hint(self._slug(hint), hint.workflow, hint.pipeline, ended, self._wall())
        return self._engine().inbox.accept(taken)

    def _slug(self, hint: Hint) -> str:
        """The slug of the hint's project, nothing where it is not polled here."""
        store = self._engine().store
        named = store.get(hint.project) if hint.project else None
        if named is not None:
            return hint.project if PIPELINES in named.project.collectors else ""
        if hint.project_id:  # a project that was renamed keeps its id
            for slug, (snapshot, _) in store.published.items():
                if snapshot.facts is not None and snapshot.facts.id == hint.project_id:
                    return slug if PIPELINES in snapshot.project.collectors else ""
        return ""
