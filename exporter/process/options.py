"""The flags of the command line that concern the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
