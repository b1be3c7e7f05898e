"""What is read beside projects. Each source stands alone; this list is all that names them."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.config import Config
from exporter.process.engine import Engine
from exporter.runners import RunnerCounts
from exporter.usage import UsageExports

Source = RunnerCounts | UsageExports
"""Asks nothing, and runs no thread, unless the configuration turns it on."""


def sources(config: Config, engine: Engine, shard: int, environ: Mapping[str, str]) -> tuple[Source, ...]:
    """Every source of a process; only the first shard has some. Raises ConfigError or StartError."""
    if shard:
        return ()
    return (
        RunnerCounts(config, engine.attempts, engine.stop, environ),
        UsageExports(config, engine.attempts, engine.store, engine.state.usage, engine.stop),
    )
