"""What is read beside projects. Each source stands alone; this list is all that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.polling.source import Parts, Source
from exporter.runners import RunnerCounts
from exporter.usage import UsageExports

if TYPE_CHECKING:
    from exporter.process.engine import Engine

SOURCES: tuple[type[Source[Any]], ...] = (RunnerCounts, UsageExports)


def parts(engine: Engine) -> Parts:
    """What the sources of a process may use."""
    return Parts(engine.attempts, engine.store, engine.state, engine.stop)
