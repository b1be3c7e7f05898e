"""What `check` finds out about runners: whether namespaces and resource classes can be read, and tasks counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from exporter.client import Client
from exporter.config import Config
from exporter.errors import PollError
from exporter.insights.payloads import Row
from exporter.insights.questions import Question
from exporter.polling.attempt import SYSTEM_CLOCKS
from exporter.runners import questions
from exporter.runners.answers import read
from exporter.runners.counts import CONCURRENCY, access, limiter


@dataclass(frozen=True, slots=True)
class Finding:
    """A namespace with its resource classes, or one listed class; with the error in words and its reason, if any."""

    subject: str
    is_namespace: bool
    classes: tuple[str, ...] = ()
    error: str = ""
    reason: str = ""


Ask = Callable[[Question], tuple[object, float | None]]


def examine(config: Config, client: Client, stop: threading.Event, environ: Mapping[str, str]) -> list[Finding]:
    """Ask about all that the configuration names. Raises ConfigError, StartError or Stopped."""
    settings = config.runners
    if not settings.wanted:
        return []
    api, by = access(config, client, environ), limiter(stop, SYSTEM_CLOCKS)

    def ask(question: Question) -> tuple[object, float | None]:
        return api.ask(question, by)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        of_namespaces = pool.map(lambda each: _namespace(ask, each), settings.namespaces)
        of_classes = pool.map(lambda each: _listed(ask, each), settings.resource_classes)
        return [*of_namespaces, *of_classes]


def _namespace(ask: Ask, namespace: str) -> Finding:
    found = Finding(namespace, is_namespace=True)
    try:
        labels = [labels for labels, _ in _rows(ask, questions.classes(namespace))]
        found = replace(found, classes=tuple(name for (name,) in labels))
        for each in found.classes[:1]:  # the counts of all classes come from the same place
            _count(ask, each)
    except PollError as error:
        return replace(found, error=str(error), reason=error.reason)
    return found


def _listed(ask: Ask, resource_class: str) -> Finding:
    try:
        _count(ask, resource_class)
    except PollError as error:
        return Finding(resource_class, is_namespace=False, error=str(error), reason=error.reason)
    return Finding(resource_class, is_namespace=False)


def _count(ask: Ask, resource_class: str) -> None:
    for question in (questions.unclaimed(resource_class), questions.running(resource_class)):
        _rows(ask, question)


def _rows(ask: Ask, question: Question) -> list[Row]:
    payload, _ = ask(question)
    return read(question, payload, time.time()).rows
