"""Which projects this process polls: those of the configuration, and those found in its organizations."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.config import Config, Organization, Project, mine, owner
from exporter.knowledge import discovered_projects
from exporter.knowledge.discovered_projects import Sightings
from exporter.publishing.store import SnapshotStore
from exporter.telemetry import Telemetry


class ProjectList:
    """The projects of one shard, from the newest configuration and from what the store knows about organizations."""

    def __init__(self, store: SnapshotStore, telemetry: Telemetry, *, shard: int = 0, total_shards: int = 1) -> None:
        self._store, self._telemetry = store, telemetry
        self._shard, self._total_shards = shard, total_shards
        self._listed: tuple[Project, ...] = ()
        self.organizations: Mapping[str, Organization] = {}

    def adopt(self, config: Config) -> None:
        self._listed = config.projects
        self.organizations = {organization.slug: organization for organization in config.organizations}

    def projects(self) -> tuple[Project, ...]:
        """The projects of this shard, listed and found; how many were found is shown."""
        known, organizations = self._found(), self.organizations
        for slug, organization in organizations.items():
            if found := known.get(slug):
                self._telemetry.discovered.labels(slug).set(len(discovered_projects.chosen(organization, found)))
        return self._of_shard(known)

    def slugs(self) -> frozenset[str]:
        """Those of the projects; any thread may ask for them."""
        return frozenset([project.slug for project in self._of_shard(self._found())])

    def _found(self) -> Mapping[str, Sightings]:
        """What the newest search of each organization has found."""
        return {slug: discovered_projects.seen(snapshot) for slug, (snapshot, _) in self._store.organizations.items()}

    def _of_shard(self, known: Mapping[str, Sightings]) -> tuple[Project, ...]:
        projects = discovered_projects.all_projects(self._listed, self.organizations.values(), known)
        return mine(projects, self._shard, self._total_shards)

    def shows_totals(self, slug: str) -> bool:
        """Whether this shard is the one that shows an organization's totals: of several, their sum would be wrong."""
        return owner(slug, self._total_shards) == self._shard
