"""Searches the organizations of the configuration at an interval, so that their projects come and go.

What a search finds is kept like a project's answers, in memory and in the state file. A failed search changes
only its own outcome. `settle` gets all projects after each search and each reload.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from exporter.config import Config, Organization, Project
from exporter.insights.collectors import ORGANIZATIONS
from exporter.insights.questions import Question
from exporter.knowledge import discovered_projects
from exporter.knowledge.snapshots import Snapshot, kept
from exporter.polling.agenda import Job
from exporter.polling.schedule import Schedule
from exporter.polling.search import OrganizationSearch
from exporter.process.engine import Engine
from exporter.process.project_list import ProjectList


class Organizations:
    """Keeps store, schedule and state in step with the list of organizations."""

    def __init__(
        self, engine: Engine, projects: ProjectList, schedule: Schedule, settle: Callable[[tuple[Project, ...]], None]
    ) -> None:
        self._store, self._state, self._search = engine.store, engine.state, engine.search
        self._forget, self._discovered = engine.forget, engine.telemetry.discovered
        self._projects, self._schedule, self._settle = projects, schedule, settle
        self._now = engine.clocks.wall
        self._lock = threading.Lock()

    def restore(self, config: Config) -> tuple[Project, ...]:
        """Show what the state file knows about the organizations; returns the projects to start with."""
        self._projects.adopt(config)
        organizations = self._projects.organizations
        if organizations:
            known = {stored.slug: stored for stored in self._state.load(organizations)}
            for slug, organization in organizations.items():
                snapshot = Snapshot(discovered_projects.itself(organization))
                if stored := known.get(slug):
                    snapshot = replace(
                        snapshot, parts=stored.parts, outcomes=stored.outcomes, polled_at=stored.polled_at
                    )
                self._store.publish([self._pruned(snapshot)[0]], self._now())
        return self._projects.projects()

    def start(self) -> None:
        """Search at once what is due, and then at each interval."""
        for slug in self._projects.organizations:
            self._schedule.add(self._job(slug), self._due(slug))

    def prepare(self, config: Config) -> Callable[[], None]:
        """Make ready for another configuration, which the call of what is returned adopts."""
        return lambda: self._adopt(config)

    def _adopt(self, config: Config) -> None:
        """Projects that are known already are settled at once."""
        with self._lock:
            self._projects.adopt(config)
            organizations = self._projects.organizations
            gone = self._store.organizations.keys() - organizations.keys()
            for slug in gone:
                self._schedule.remove(slug)
                with suppress(KeyError):  # nothing may have been found yet
                    self._discovered.remove(slug)
            self._forget(gone)
            for organization in organizations.values():
                self._change(organization)
            self._settle(self._projects.projects())

    def begin(self, slug: str) -> OrganizationSearch | None:
        """Start a search with the current settings; None if the organization is gone."""
        organization = self._projects.organizations.get(slug)
        if organization is None:
            return None
        return self._search(organization, self._found, totals=self._projects.shows_totals(slug))

    def _found(self) -> None:
        with self._lock:
            self._settle(self._projects.projects())

    def _change(self, organization: Organization) -> None:
        """Show an organization with the current settings, and search it when due."""
        slug, project = organization.slug, discovered_projects.itself(organization)
        with self._store.lock(slug):
            old = self._store.get(slug)
            if old is None:
                self._store.publish([Snapshot(project)], self._now())
            elif old.project != project:
                snapshot, gone = self._pruned(replace(old, project=project))
                self._state.commit(snapshot, (), gone)
                self._store.publish([snapshot], self._now())
        if old is None or old.project != project:
            self._schedule.add(self._job(slug), self._due(slug))

    def _asked(self, project: Project) -> set[Question]:
        return discovered_projects.asked(project, totals=self._projects.shows_totals(project.slug))

    def _pruned(self, snapshot: Snapshot) -> tuple[Snapshot, list[Question]]:
        """The snapshot without what is no longer asked, and the questions that went."""
        return kept(snapshot, self._asked(snapshot.project).__contains__)

    def _job(self, slug: str) -> Job:
        def interval() -> float | None:
            organization = self._projects.organizations.get(slug)
            return organization.discovery_interval if organization else None

        return Job(slug, ORGANIZATIONS, interval, lambda _missing_only: self.begin(slug))

    def _due(self, slug: str) -> float:
        """An interval after the newest search, or at once if something was never answered."""
        now, snapshot = self._now(), self._store.get(slug)
        if snapshot is None or snapshot.polled_at is None or not self._asked(snapshot.project) <= snapshot.parts.keys():
            return now
        return max(now, snapshot.polled_at + snapshot.project.interval)
