"""Which projects, workflows and branches there are at present: they can come, go and change while it runs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.demo.draws import uuid_for
from exporter.demo.model import DemoProject, DemoWorkflow, Owner

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONG_FORMS = {"github": "gh", "bitbucket": "bb"}


class Roster:
    """Projects by slug, less what is hidden. Safe for threads."""

    def __init__(self, projects: Iterable[DemoProject]) -> None:
        self._lock = threading.Lock()
        self._projects = {each.slug: each for each in projects}
        self._hidden: frozenset[tuple[str, str | None, str | None]] = frozenset()
        self._unfollowed: frozenset[str] = frozenset()
        self.version = 0

    def projects(self) -> tuple[DemoProject, ...]:
        with self._lock:
            return tuple(each for slug, each in self._projects.items() if (slug, None, None) not in self._hidden)

    def owners(self) -> dict[str, Owner]:
        """Every owner of such a project, by slug."""
        return {each.owner.slug: each.owner for each in self.projects()}

    def followed(self) -> tuple[DemoProject, ...]:
        """Every project that can be seen and that the token's user follows: all, until one is left."""
        return tuple(each for each in self.projects() if each.slug not in self._unfollowed)

    def find(self, slug: str) -> DemoProject | None:
        """Find the project of a slug; github/ and bitbucket/ are taken for gh/ and bb/."""
        vcs, _, rest = slug.partition("/")
        known = f"{_LONG_FORMS.get(vcs, vcs)}/{rest}"
        return None if (known, None, None) in self._hidden else self._projects.get(known)

    def workflows(self, slug: str, added: Iterable[str] = ()) -> tuple[DemoWorkflow, ...]:
        """Return the workflows of a project; `added` are names of which only runs are known. Raises KeyError."""
        listed = self._projects[slug].workflows
        names = {each.name for each in listed}
        every = (*listed, *(DemoWorkflow(name) for name in added if name not in names))
        return tuple(each for each in every if (slug, each.name, None) not in self._hidden)

    def shows(self, slug: str, workflow: str, branch: str) -> bool:
        """Tell whether runs of this workflow on this branch can be seen."""
        return not self._hidden or self._hidden.isdisjoint(
            ((slug, None, None), (slug, workflow, None), (slug, None, branch))
        )

    def hide(self, slug: str, *, workflow: str | None = None, branch: str | None = None) -> None:
        """Let a project vanish, or one workflow or branch of it."""
        self._set_hidden(self._hidden | {(slug, workflow, branch)})

    def show(self, slug: str, *, workflow: str | None = None, branch: str | None = None) -> None:
        self._set_hidden(self._hidden - {(slug, workflow, branch)})

    def unfollow(self, slug: str) -> None:
        """Leave a project: its pipelines are no longer among those of the organization."""
        with self._lock:
            self._unfollowed |= {slug}

    def follow(self, slug: str) -> None:
        with self._lock:
            self._unfollowed -= {slug}

    def add(self, slug: str, default_branch: str = "main", workflows: tuple[DemoWorkflow, ...] = ()) -> DemoProject:
        """Add a project, in an organization that need not exist yet. Without workflows it has those of added runs."""
        vcs, ref, name = slug.split("/")
        owner = self.owners().get(f"{vcs}/{ref}") or Owner(vcs, ref, ref, uuid_for(f"owner|{vcs}/{ref}"))
        project = DemoProject(owner, name, name, uuid_for(slug), default_branch, workflows=workflows)
        self._put(project)
        return project

    def rename_default_branch(self, slug: str, branch: str) -> None:
        """Make another branch the default one, whose runs are no longer generated under the old name."""
        self._put(replace(self._projects[slug], default_branch=branch))

    def _put(self, project: DemoProject) -> None:
        with self._lock:
            self._projects = {**self._projects, project.slug: project}
            self.version += 1

    def _set_hidden(self, hidden: frozenset[tuple[str, str | None, str | None]]) -> None:
        with self._lock:
            self._hidden = hidden
            self.version += 1
