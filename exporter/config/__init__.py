"""The configuration file: from YAML to a complete, valid and frozen Config."""

from __future__ import annotations

from exporter.config.document import file_error
from exporter.config.file import CircleCI, Config, RunnerSettings, StateSettings
from exporter.config.load import load, parse
from exporter.config.schema import json_schema, markdown
from exporter.config.settings import Globs, Organization, Pipelines, Project, ProjectSettings, TopTests
from exporter.config.sharding import mine, owner
from exporter.config.slugs import project_slug
from exporter.config.token import Secret, TokenSource, read_token
from exporter.config.values import read_duration, write_duration

__all__ = [
    "CircleCI",
    "Config",
    "Globs",
    "Organization",
    "Pipelines",
    "Project",
    "ProjectSettings",
    "RunnerSettings",
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
    "read_duration",
    "read_token",
    "write_duration",
]
