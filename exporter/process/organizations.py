"""The organizations of the configuration: searched again and again, so that their projects come and go.

What a search finds is kept like a project's answers, in memory and in the state file; a search that fails
changes nothing but what it says of itself. `settle` is told all projects after each search and each reload.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.config import mine, owner
from exporter.insights.collectors import COLLECTORS, ORGANIZATIONS
from exporter.knowledge import discovered_projects, plan
from exporter.knowledge.snapshots import Outcome, Part, Snapshot
from exporter.polling.project import MIN_DEADLINE
from exporter.polling.schedule import Job
from exporter.polling.search import Discovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Config, Organization, Project
    from exporter.errors import PollError
    from exporter.insights.questions import Question
    from exporter.knowledge.discovered_projects import Sightings
    from exporter.polling.schedule import Schedule
    from exporter.process.engine import Engine


class Organizations:
    """Which projects there are, by the configuration and by what was found."""

    def __init__(
        self,
        engine: Engine,
        schedule: Schedule,
        settle: Callable[[tuple[Project, ...]], None],
        *,
        shard: int = 0,
        total_shards: int = 1,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Start without an organization; one shard of several shows an organization's totals."""
        self._poller, self._store, self._state = engine.poller, engine.store, engine.state
        self._schedule, self._settle, self._wall = schedule, settle, wall
        self._shard, self._total_shards = shard, total_shards
        self._telemetry = engine.telemetry
        self._discovery = Discovery(lambda: engine.poller.client, engine.telemetry, wall=wall)
        self._lock = threading.Lock()
        self._listed: tuple[Project, ...] = ()
        self._organizations: dict[str, Organization] = {}

    def restore(self, config: Config) -> tuple[Project, ...]:
        """Show what the state file knows of the organizations; returns the projects to begin with."""
        self._adopt(config)
        if self._organizations:
            known = {stored.slug: stored for stored in self._state.load() if stored.slug in self._organizations}
            for slug, organization in self._organizations.items():
                snapshot = Snapshot(discovered_projects.itself(organization))
                if stored := known.get(slug):
                    snapshot = replace(
                        snapshot, parts=stored.parts, outcomes=stored.outcomes, polled_at=stored.polled_at
                    )
                self._store.publish([self._pruned(snapshot)[0]], self._wall())
        return self.projects()

    def start(self) -> None:
        """Search what is due at once, and again and again from then on."""
        for slug in self._organizations:
            self._schedule.add(self._job(slug), self._due(slug))

    def change(self, config: Config) -> None:
        """Search by another configuration from now on; what is found already is settled at once."""
        with self._lock:
            self._adopt(config)
            gone = self._store.organizations.keys() - self._organizations.keys()
            with ExitStack() as held:
                for slug in gone:
                    self._schedule.remove(slug)
                    held.enter_context(self._store.lock(slug))
                    with suppress(KeyError):  # nothing may have been found yet
                        self._telemetry.discovered.remove(slug)
                self._store.withdraw(gone)
                self._state.forget(gone)
            for organization in self._organizations.values():
                self._change(organization)
            self._settle(self.projects())

    def search_all(self) -> bool:
        """Search every organization once, one after the other; returns whether all went well."""
        outcomes = [self.search(slug) for slug in self._organizations]
        return all(outcomes)

    def search(self, slug: str) -> bool:
        """Search one organization, keep and show what was found, and settle; returns whether all went well."""
        organization, before = self._organizations.get(slug), self._store.get(slug)
        if organization is None or before is None:
            return True
        began = self._poller.monotonic()
        deadline = began + max(organization.discovery_interval, MIN_DEADLINE)
        totals = self._shows_totals(slug)
        found = self._discovery.find(organization, seen(before), deadline, totals=totals)
        outcome = self._outcome(found.error, began)
        with self._store.lock(slug):
            base = self._store.get(slug)
            if base is None:  # taken out of the configuration meanwhile
                return True
            now, known = self._wall(), base.parts
            changed = {
                question: plan.answered(known.get(question), rows, now, None) for question, rows in found.totals.items()
            }
            if found.sightings is not None:
                changed[discovered_projects.pipelines(slug)] = Part(
                    discovered_projects.packed(found.sightings), now, now
                )
            if outcome.last_success is None and ORGANIZATIONS in base.outcomes:
                outcome = replace(outcome, last_success=base.outcomes[ORGANIZATIONS].last_success)
            merged, gone = self._pruned(
                replace(base, parts={**known, **changed}, outcomes={ORGANIZATIONS: outcome}, polled_at=now)
            )
            self._state.commit(merged, [question for question in changed if question in merged.parts], gone)
            self._store.publish([merged], now, polled=True)
        self._poller.reports.outcomes(base, merged)
        with self._lock:
            self._settle(self.projects())
        return found.error is None

    def projects(self) -> tuple[Project, ...]:
        """The projects of this shard, listed and found."""
        known = {slug: seen(snapshot) for slug, (snapshot, _) in self._store.organizations.items()}
        for slug, organization in self._organizations.items():
            if found := known.get(slug):
                self._telemetry.discovered.labels(slug).set(len(discovered_projects.chosen(organization, found)))
        projects = discovered_projects.all_projects(self._listed, self._organizations.values(), known)
        return mine(projects, self._shard, self._total_shards)

    def _outcome(self, error: PollError | None, began: float) -> Outcome:
        now = self._wall()
        return Outcome(
            success=error is None,
            duration=self._poller.monotonic() - began,
            finished_at=now,
            last_success=None if error else now,
            error=str(error or ""),
            reason=error.reason if error else "",
        )

    def _adopt(self, config: Config) -> None:
        self._listed = config.projects
        self._organizations = {organization.slug: organization for organization in config.organizations}

    def _change(self, organization: Organization) -> None:
        """Show an organization by the settings that hold now, and search it when that is due."""
        slug, project = organization.slug, discovered_projects.itself(organization)
        with self._store.lock(slug):
            old = self._store.get(slug)
            if old is None:
                self._store.publish([Snapshot(project)], self._wall())
            elif old.project != project:
                snapshot, gone = self._pruned(replace(old, project=project))
                self._state.commit(snapshot, (), gone)
                self._store.publish([snapshot], self._wall())
        if old is None or old.project != project:
            self._schedule.add(self._job(slug), self._due(slug))

    def _shows_totals(self, slug: str) -> bool:
        """Whether this shard is the one that shows an organization's totals: of several, their sum would be wrong."""
        return owner(slug, self._total_shards) == self._shard

    def _asked(self, project: Project) -> set[Question]:
        """The questions whose answers are kept."""
        windows = project.windows if self._shows_totals(project.slug) else ()
        return {
            *COLLECTORS[ORGANIZATIONS].questions(project.slug, windows=windows),
            discovered_projects.pipelines(project.slug),
        }

    def _pruned(self, snapshot: Snapshot) -> tuple[Snapshot, list[Question]]:
        """The snapshot without what is no longer asked, and the questions that went."""
        asked = self._asked(snapshot.project)
        kept = {question: part for question, part in snapshot.parts.items() if question in asked}
        return replace(snapshot, parts=kept), [question for question in snapshot.parts if question not in kept]

    def _job(self, slug: str) -> Job:
        def interval() -> float | None:
            organization = self._organizations.get(slug)
            return organization.discovery_interval if organization else None

        return Job(slug, ORGANIZATIONS, interval, lambda _missing_only: _Search(self, slug))

    def _due(self, slug: str) -> float:
        """An interval after the newest search, or at once when something was never answered."""
        now, snapshot = self._wall(), self._store.get(slug)
        if snapshot is None or snapshot.polled_at is None or not self._asked(snapshot.project) <= snapshot.parts.keys():
            return now
        return max(now, snapshot.polled_at + snapshot.project.interval)


class _Search:
    """One search under way, for the schedule."""

    def __init__(self, organizations: Organizations, slug: str) -> None:
        self._organizations, self._slug = organizations, slug

    def step(self) -> bool:
        """Do all of it; there is no more then."""
        self._organizations.search(self._slug)
        return False


def seen(snapshot: Snapshot) -> Sightings:
    """The projects that are known of an organization."""
    part = snapshot.parts.get(discovered_projects.pipelines(snapshot.project.slug))
    return discovered_projects.unpacked(part.rows) if part else {}
