"""The label of each project: unique, and the same as long as the process runs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.knowledge import labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from structlog.stdlib import BoundLogger

    from exporter.config import Project
    from exporter.knowledge.snapshots import Facts, Snapshot


class ProjectLabels:
    """Labels projects without a name with their name at CircleCI, if the settings want that.

    The first known label stays until the process ends: a rename would end all series of a project.
    """

    def __init__(self, log: BoundLogger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._given: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._renamed: set[tuple[str, str]] = set()

    def reserve(self, projects: Iterable[Project]) -> None:
        """Keep the names and slugs of the configuration for its projects, and forget all other projects."""
        known = tuple(projects)
        slugs = {project.slug for project in known}
        with self._lock:
            self._given = {slug: slug for slug in slugs} | {project.name: project.slug for project in known}
            self._labels = {slug: label for slug, label in self._labels.items() if slug in slugs}
            self._owners = {label: slug for label, slug in self._owners.items() if slug in slugs}
            self._renamed = {(slug, label) for slug, label in self._renamed if slug in slugs}

    def labeled(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with its project's label."""
        project = self.of(snapshot.project, snapshot.facts)
        return snapshot if project.name == snapshot.project.name else replace(snapshot, project=project)

    def of(self, project: Project, facts: Facts | None) -> Project:
        """A project with its label: the configured name, or else its name at CircleCI."""
        slug, wanted = project.slug, labels.wanted(project, facts)
        with self._lock:
            label = self._labels.get(slug)
            if project.name not in {slug, label} or not wanted:
                return project
            if label is None:
                label = self._labels[slug] = self._free(slug, wanted)
            elif label not in {slug, wanted} and (slug, wanted) not in self._renamed:
                self._renamed.add((slug, wanted))
                self._log.warning(
                    "project was renamed at CircleCI, restart to change its label", slug=slug, label=label, name=wanted
                )
            if self._given.get(label, slug) != slug:  # a reload has given it to another project
                label = slug
        return project.model_copy(update={"name": label})

    def _free(self, slug: str, wanted: str) -> str:
        """The wanted label, or the slug if another project has that label."""
        if self._owners.setdefault(wanted, slug) == slug == self._given.get(wanted, slug):
            return wanted
        self._log.warning("another project has this name, its slug is the label", slug=slug, name=wanted)
        return slug
