"""The inbox in the database: every replica writes hints of its webhook route into it, and the leader looks there."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from exporter.config import Config, ProjectSettings
from exporter.errors import StateError, Stopped
from exporter.insights.collectors import PIPELINES
from exporter.polling.inbox import MOST_WAITING
from exporter.process.engine import Engine
from exporter.process.own_inbox import WORKFLOW_ENDED
from exporter.runs import hints
from exporter.state.postgres.arrivals import Arrivals
from exporter.state.postgres.login import UnreachableError, reach
from exporter.web.webhooks import Hint

FLUSH_EVERY = LOOK_EVERY = 1.0


class SharedInbox:
    """The inbox as the web side of one replica knows it, leading or not."""

    def __init__(self, arrivals: Arrivals, config: Callable[[], Config], wall: Callable[[], float]) -> None:
        """`wall` gives the database's Unix seconds."""
        self._arrivals, self._config, self._wall = arrivals, config, wall
        self._written = threading.Event()
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

    def watch(self, engine: Engine, counted: Callable[[str, str, int], None] | None) -> InboxWatch:
        """What looks into the inbox while this replica leads."""
        return InboxWatch(engine, self._arrivals, counted, self._written)

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
            self._written.set()
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


class InboxWatch:
    """The leader's look, every second or at once. The state logs that the database cannot be reached."""

    def __init__(
        self,
        engine: Engine,
        arrivals: Arrivals,
        counted: Callable[[str, str, int], None] | None,
        written: threading.Event,
    ) -> None:
        """`written` is set when this replica has written a hint.

        `counted` gets event, result and how many webhooks came since the last look; None shows no such numbers.
        """
        self._inbox, self._store, self._arrivals = engine.inbox, engine.store, arrivals
        self._stop, self._log, self._counted = engine.stop, engine.log, counted
        self._totals: dict[tuple[str, str], int] = {}
        self._written = written
        if counted:
            self._count()  # so that the first scrape has the totals

    def start(self) -> None:
        """Look from now on, until the term ends."""
        threading.Thread(target=self._run, name="inbox", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._written.wait(LOOK_EVERY)
            self._written.clear()
            try:
                self._look()
            except (StateError, Stopped, UnreachableError):
                continue  # it is said elsewhere, and the next look may find it again
            except Exception:  # noqa: BLE001  a defect ends one look, not the watch
                self._log.exception("unexpected error", task="inbox")

    def _look(self) -> None:
        self._inbox.look(
            {slug for slug, (snapshot, _) in self._store.published.items() if PIPELINES in snapshot.project.collectors}
        )
        if self._counted:
            self._count()

    def _count(self) -> None:
        with reach():
            totals = self._arrivals.totals()
        if self._counted:
            for (event, result), requests in totals.items():
                # Fewer than before are those of an older copy, which this term will not outlive.
                self._counted(event, result, max(0, requests - self._totals.get((event, result), 0)))
        self._totals = totals
