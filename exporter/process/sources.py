"""What is read beside projects. Each source stands alone; this list is all that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.polling.source import Parts, Source
from exporter.runners import RunnerCounts
from exporter.usage import UsageExports
from exporter.usage.planning import start_of
from exporter.web.page.overview import ComparedView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.process.engine import Engine

SOURCES: tuple[type[Source[Any]], ...] = (RunnerCounts, UsageExports)


def parts(engine: Engine) -> Parts:
    """What the sources of a process may use."""
    return Parts(engine.attempts, engine.store, engine.state, engine.stop)


def compared(sources: Iterable[Source[Any]]) -> ComparedView | None:
    """What came of the newest day of the Usage export that was compared; None while none was."""
    found = [each for source in sources if isinstance(source, UsageExports) for each in source.reconciled()]
    newest = max((each.day for each in found), default=0)
    if not newest:
        return None
    projects = [project for each in found if each.day == newest for project in each.projects]
    return ComparedView(
        start_of(newest),
        len(projects),
        sum(each.both for each in projects),
        sum(each.export_only for each in projects),
        sum(each.here_only for each in projects),
    )
