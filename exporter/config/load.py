"""Reading the configuration file part by part, so that all mistakes are reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from exporter.config import checks
from exporter.config.document import Document
from exporter.config.file import Config
from exporter.config.problems import read_part, report_unknown_keys
from exporter.config.settings import OrganizationEntry, ProjectEntry, ProjectSettings
from exporter.config.yaml_file import open_document, parse_document
from exporter.errors import ConfigError

_LISTS: Final[dict[str, Any]] = {"projects": ProjectEntry, "organizations": OrganizationEntry}


def load(path: str | Path) -> Config:
    """Read the configuration file; paths in it are relative to it. Raise ConfigError with every mistake in it."""
    return _config(open_document(path), Path(path).parent)


def parse(text: str | bytes, file: str = "config.yaml", directory: Path | None = None) -> Config:
    """Read a configuration from its text as `load` does from a file, with paths relative to `directory`."""
    return _config(parse_document(text, file), directory or Path())


def _config(document: Document, directory: Path) -> Config:
    if not isinstance(document.data, dict):
        document.expected((), f"a mapping with the keys {', '.join(Config.model_fields)}")
        raise ConfigError(document.problems())
    report_unknown_keys(document, Config)
    read = {
        key: read_part(document, Config, (key,), field.annotation, directory)
        for key, field in Config.model_fields.items()
        if key not in _LISTS
    }
    parts: dict[str, Any] = {
        key: Config.model_fields[key].get_default(call_default_factory=True) if part is None else part
        for key, part in read.items()
    }
    entries = {key: _entries(document, key, directory, parts["defaults"]) for key in _LISTS}
    projects, organizations = entries.values()
    beside = (read["runners"] is None or read["runners"].wanted, read["usage"] is None or read["usage"].organizations)
    checks.check_entries(document, beside=any(beside))
    checks.check_reach(document, parts["circleci"])
    checks.check_state(document, parts["state"])
    if read["state"] is not None:
        checks.check_usage(document, parts["usage"], parts["state"])
    checks.check_runners(document, parts["circleci"], parts["runners"])
    checks.check_slugs(document, entries)
    checks.check_names(document, projects, organizations)
    if read["defaults"] is not None:
        checks.check_scopes(document, entries)
    if document.mistakes:
        raise ConfigError(document.problems())
    timeout = parts["circleci"].timeout
    lists = {key: tuple(entry.within(timeout) for entry in found.values()) for key, found in entries.items()}
    return Config.model_construct(**parts | {"_file": document.file, **lists})


def _entries(document: Document, key: str, directory: Path, defaults: ProjectSettings) -> dict[int, Any]:
    """Return the entries of the list under `key` that have no mistake, by their index in it, on top of the defaults."""
    values = document.data.get(key, [])
    if not isinstance(values, list):
        document.expected((key,), "a list")
        return {}
    parts = {index: read_part(document, Config, (key, index), _LISTS[key], directory) for index in range(len(values))}
    return {index: part.over(defaults) for index, part in parts.items() if part is not None}
