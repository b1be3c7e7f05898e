"""What the webhook route of every replica hands in, leading or not: hints go into the database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from exporter.config import Config, ProjectSettings
from exporter.insights.collectors import PIPELINES
from exporter.polling.inbox import MOST_WAITING
from exporter.process.webhook_door import WORKFLOW_ENDED
from exporter.runs import hints
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.login import UnreachableError, reach
from exporter.web.webhooks import Hint

FLUSH_EVERY = 1.0


class SharedDoor:
    """The inbox as the web side of one replica knows it."""

    def __init__(
        self, arrivals: Arrivals, config: Callable[[], Config], written: Callable[[], None], wall: Callable[[], float]
    ) -> None:
        """`written` is called after each hint; `wall` gives the database's Unix seconds."""
        self._arrivals, self._config, self._written, self._wall = arrivals, config, written, wall
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock, self._stop = threading.Lock(), threading.Event()

    def start(self) -> None:
        """Write from now on what is counted."""
        threading.Thread(target=self._run, name="webhook counts", daemon=True).start()

    def stop(self) -> None:
        """Write what is counted, and let go of the database."""
        self._stop.set()
        self._flush()
        self._arrivals.close()

    def knows(self, hint: Hint) -> bool:
        """Whether a project whose pipelines are polled has this slug or id; assumed where the database is silent."""
        try:
            return bool(self._slug(hint))
        except UnreachableError:
            return True

    def accept(self, hint: Hint) -> bool:
        try:
            slug = self._slug(hint)
            taken = hints.Hint(slug, hint.workflow, hint.pipeline, hint.event == WORKFLOW_ENDED, self._wall())
            with reach():
                kept = self._arrivals.arrive(taken, MOST_WAITING)
        except UnreachableError:
            return False
        if kept:
            self._written()
        return kept

    def count(self, event: str, result: str) -> None:
        """Count a webhook by what it was answered: whether its hint was committed is not always known."""
        with self._lock:
            self._counts[event, result] += 1

    def _slug(self, hint: Hint) -> str:
        """The slug of the hint's project, nothing where none is polled. Raises UnreachableError."""
        if hint.project:
            known = self._is_polled(hint.project)
            if known:
                return hint.project
        if hint.project_id:  # a project that was renamed keeps its id
            with reach():
                slug = self._arrivals.slug_of(hint.project_id)
            if slug and self._is_polled(slug):
                return slug
        return ""

    def _is_polled(self, slug: str) -> bool:
        """Whether a project's pipelines are polled: it is listed, or a leader has found it in an organization."""
        config = self._config()
        listed: Mapping[str, ProjectSettings] = {project.slug: project for project in config.projects}
        if slug in listed:
            return PIPELINES in listed[slug].collectors
        organization = next((each for each in config.organizations if slug.startswith(f"{each.slug}/")), None)
        if organization is None or PIPELINES not in organization.template.collectors:
            return False
        with reach():
            return self._arrivals.is_kept(slug)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_EVERY):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with reach():
                self._arrivals.count(counts)
        except UnreachableError:  # they are written later
            with self._lock:
                self._counts.update(counts)
