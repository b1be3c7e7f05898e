"""The configuration file: from YAML to a complete, valid and frozen Config."""

from __future__ import annotations

from exporter.config.document import file_error, read_document
from exporter.config.file import CircleCI, Config, RunnerSettings, StateSettings
from exporter.config.load import load, parse
from exporter.config.schema import json_schema, markdown
from exporter.config.settings import (
    Globs,
    Jobs,
    Organization,
    Pipelines,
    Project,
    ProjectSettings,
    Runs,
    TopTests,
)
from exporter.config.sharding import mine, owner
from exporter.config.token import Secret, TokenSource, read_token
from exporter.config.values import INFO_LABELS, project_slug, read_duration, write_duration

__all__ = [
    "INFO_LABELS",
    "CircleCI",
    "Config",
    "Globs",
    "Jobs",
    "Organization",
    "Pipelines",
    "Project",
    "ProjectSettings",
    "RunnerSettings",
    "Runs",
    "Secret",
    "StateSettings",
    "TokenSource",
    "TopTests",
    "file_error",
    "json_schema",
    "load",
    "markdown",
    "mine",
    "owner",
    "parse",
    "project_slug",
    "read_document",
    "read_duration",
    "read_token",
    "write_duration",
]
