"""The settings that only a restart can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.errors import Problem

if TYPE_CHECKING:
    from exporter.config import Config


def changes(before: Config, after: Config) -> tuple[Problem, ...]:
    """A problem for each of them that differs between two configurations."""
    fixed = (
        ("circleci.url", before.circleci.url, after.circleci.url),
        ("state.path", before.state.path, after.state.path),
        ("state.url", before.state.url, after.state.url),
        ("state.password_file", before.state.password_file, after.state.password_file),
        ("state.lease", before.state.lease, after.state.lease),
        ("webhooks.secret_file", before.webhooks.secret_file, after.webhooks.secret_file),
    )
    return tuple(
        Problem(after.file, path, f"cannot change from {old} to {new} while running", "restart the exporter")
        for path, old, new in fixed
        if old != new
    )
