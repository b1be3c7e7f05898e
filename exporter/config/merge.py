"""From sections of the file to complete settings: what is given replaces what holds otherwise, mapping by mapping."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from exporter.config.globs import Globs
from exporter.config.model import (
    CircleCISection,
    GlobsSection,
    JobsSection,
    OrganizationSection,
    ProjectSection,
    RunsSection,
    Section,
    Settings,
    TopSection,
)
from exporter.config.settings import CircleCI, Jobs, Organization, Project, Runs, Top

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SettingsT = TypeVar("SettingsT", Project, Globs, Jobs, Runs, Top)

_RESOLVED: Final[Mapping[type[Section], type[Any]]] = {
    GlobsSection: Globs,
    JobsSection: Jobs,
    RunsSection: Runs,
    TopSection: Top,
}
_KINDS: Final[tuple[type[Any], ...]] = (Project, *_RESOLVED.values())
_OWN: Final[Mapping[type[Any], frozenset[str]]] = {
    kind: frozenset(kind.__dataclass_fields__) - {"slug", "name"} for kind in _KINDS
}


def circleci_settings(section: CircleCISection, directory: Path) -> CircleCI:
    """Return how CircleCI is reached. Relative paths are relative to `directory`."""
    values = dict(section)
    paths = {key: directory / values[key] if values[key] else None for key in ("token_file", "ca_file")}
    return CircleCI(**{**values, **paths})


def project_template(defaults: Settings) -> Project:
    """Return a project without slug and name, with the defaults for everything else."""
    return Project(slug="", name="", **{key: _complete(value) for key, value in defaults})


def merged_project(template: Project, section: ProjectSection) -> Project:
    """Return the template with what the project gives."""
    return replace(_merged(template, section), slug=section.slug, name=section.name or section.slug)


def merged_organization(template: Project, section: OrganizationSection) -> Organization:
    """Return the organization, its template being the given one with what the organization gives."""
    return Organization(
        slug=section.slug,
        names=Globs(tuple(section.include), tuple(section.exclude)),
        discovery_interval=section.discovery_interval,
        template=_merged(template, section),
    )


def _complete(value: object) -> Any:  # noqa: ANN401  of the field's own type
    if isinstance(value, Section):
        return _RESOLVED[type(value)](**{key: _complete(inner) for key, inner in value})
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return tuple(value) if isinstance(value, list) else value


def _merged(base: SettingsT, section: Section) -> SettingsT:
    changes = dict[str, Any]()
    for key in section.model_fields_set & _OWN[type(base)]:
        value, held = getattr(section, key), getattr(base, key)
        if isinstance(value, Section):
            changes[key] = _merged(held, value)
        elif isinstance(value, dict):
            changes[key] = _complete({**dict(held), **value})
        else:
            changes[key] = _complete(value)
    return replace(base, **changes) if changes else base
