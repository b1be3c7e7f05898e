"""What only a restart can change: the flags of the command line, and some of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exporter.config import Config
from exporter.errors import Problem


@dataclass(frozen=True, slots=True)
class Options:
    """Flags of `run`."""

    config_file: Path | None = None
    listen: tuple[str, ...] = (":10115",)
    telemetry_path: str = "/metrics"
    web_config: Path | None = None
    lifecycle: bool = False
    shard: int = 0
    total_shards: int = 1


def changes(before: Config, after: Config) -> tuple[Problem, ...]:
    """A problem for each setting that is fixed and differs between two configurations."""
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
