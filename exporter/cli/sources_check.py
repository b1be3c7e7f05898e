"""The parts of `check` beside projects: what each source, such as self-hosted runners, could read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from exporter.cli.remedies import REMEDIES
from exporter.cli.telling import failure, line
from exporter.config import Config
from exporter.polling.source import Examined
from exporter.process.engine import Engine
from exporter.process.sources import SOURCES, parts

Found = Mapping[str, Sequence[Examined]]
"""By the sources' collectors."""


def examine(config: Config, engine: Engine) -> Found:
    """Try each source. Raises ConfigError, StartError or Stopped."""
    return {source.collector: [*source.examine(config, parts(engine))] for source in SOURCES}


def documents(found: Iterable[Examined]) -> list[dict[str, Any]]:
    """What was found, for a program."""
    return [
        {
            **each.subject,
            "ok": each.failure is None,
            "error": str(each.failure or ""),
            "reason": each.failure.reason if each.failure else "",
            **each.found,
        }
        for each in found
    ]


def explain(console: Console, found: Found) -> None:
    """The same for a person: a line each, and what to do where it fails."""
    for source in SOURCES:
        for each in found[source.collector]:
            if each.failure is None:
                console.print(line(each.told))
            else:
                remedies = {**REMEDIES, **source.remedies}
                failure(console, each.reading, str(each.failure), remedies[each.failure.reason])
