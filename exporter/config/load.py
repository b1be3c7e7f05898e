"""Reading the configuration file: every part on its own, so that one answer names every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.config import checks
from exporter.config.document import open_document, parse_document
from exporter.config.merge import circleci_settings, merged_organization, merged_project, project_template
from exporter.config.model import (
    CircleCISection,
    File,
    OrganizationEntry,
    OrganizationSection,
    ProjectEntry,
    ProjectSection,
    Section,
    Settings,
    StateSection,
)
from exporter.config.problems import report_errors
from exporter.config.settings import Config, State
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from exporter.config.places import Document

PartT = TypeVar("PartT", bound=Section)

_CIRCLECI: Final = TypeAdapter(CircleCISection)
_STATE: Final = TypeAdapter(StateSection)
_DEFAULTS: Final = TypeAdapter(Settings)
_PROJECT: Final = TypeAdapter[ProjectSection](ProjectEntry)
_ORGANIZATION: Final = TypeAdapter[OrganizationSection](OrganizationEntry)


def load(path: str | Path) -> Config:
    """Read the configuration file; paths in it are relative to it. Raise ConfigError with every mistake in it."""
    return _config(open_document(path), Path(path).parent)


def parse(text: str | bytes, file: str = "config.yaml", directory: Path | None = None) -> Config:
    """Read a configuration from its text as `load` does from a file, with paths relative to `directory`."""
    return _config(parse_document(text, file), directory or Path())


def _config(document: Document, directory: Path) -> Config:
    data = document.data
    if not isinstance(data, dict):
        document.report((), None, f"a mapping with the keys {', '.join(File.model_fields)}")
        raise ConfigError(document.problems())
    _unknown_keys(document)
    circleci = _section(document, "circleci", CircleCISection, _CIRCLECI)
    state = _section(document, "state", StateSection, _STATE)
    defaults = _section(document, "defaults", Settings, _DEFAULTS)
    projects = _entries(document, "projects", ProjectSection, _PROJECT)
    organizations = _entries(document, "organizations", OrganizationSection, _ORGANIZATION)

    template = project_template(defaults or Settings())
    config = Config(
        file=document.file,
        circleci=circleci_settings(circleci or CircleCISection(), directory),
        state=State(directory / state.path if state and state.path else None),
        projects=tuple(merged_project(template, section) for section in projects.values()),
        organizations=tuple(merged_organization(template, section) for section in organizations.values()),
    )
    checks.check_entries(document)
    checks.check_reach(document, config.circleci)
    checks.check_slugs(document, "projects", projects)
    checks.check_slugs(document, "organizations", organizations)
    checks.check_names(document, projects, organizations)
    if defaults:
        listed = zip(projects.items(), config.projects, strict=True)
        found = zip(organizations.items(), (each.template for each in config.organizations), strict=True)
        checks.check_scopes(
            document,
            [
                checks.Asked((key, index), section.model_fields_set, project)
                for key, entries in (("projects", listed), ("organizations", found))
                for (index, section), project in entries
            ],
        )
    if document.mistakes:
        raise ConfigError(document.problems())
    return config


def _unknown_keys(document: Document) -> None:
    try:
        File.model_validate({key: value for key, value in document.data.items() if key not in File.model_fields})
    except ValidationError as error:
        report_errors(document, (), File, error)


def _section(document: Document, key: str, model: type[PartT], kind: TypeAdapter[PartT]) -> PartT | None:
    """Return the part under `key`, or None where it has mistakes."""
    return _part(document, (key,), document.data.get(key, {}), model, kind)


def _entries(document: Document, key: str, model: type[PartT], kind: TypeAdapter[PartT]) -> dict[int, PartT]:
    """Return the entries of the list under `key` that have no mistake, by their index in it."""
    values = document.data.get(key, [])
    if not isinstance(values, list):
        document.report((key,), None, "a list")
        return {}
    parts = {index: _part(document, (key, index), value, model, kind) for index, value in enumerate(values)}
    return {index: part for index, part in parts.items() if part is not None}


def _part(
    document: Document,
    path: tuple[str | int, ...],
    value: object,
    model: type[PartT],
    kind: TypeAdapter[PartT],
) -> PartT | None:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        report_errors(document, path, model, error)
        return None
