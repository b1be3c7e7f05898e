"""What `check` finds out about runners: one call for each namespace and each listed resource class."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from exporter.client import Limiter
from exporter.config import Config
from exporter.errors import PollError
from exporter.insights.questions import Question
from exporter.runners import questions
from exporter.runners.answers import read
from exporter.runners.api import BURST, CONCURRENCY, RATE, RunnerApi
from exporter.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Finding:
    """A namespace with its resource classes, or one listed class; or the error in words and its reason."""

    subject: str
    is_namespace: bool
    classes: tuple[str, ...] = ()
    error: str = ""
    reason: str = ""


def examine(config: Config, telemetry: Telemetry, stop: threading.Event, environ: Mapping[str, str]) -> list[Finding]:
    """Ask about all that the configuration names. Raises ConfigError, StartError or Stopped."""
    settings = config.runners
    if not settings.wanted:
        return []
    api = RunnerApi(config, environ, Limiter(RATE, BURST, CONCURRENCY, stop=stop), telemetry, stop)
    asked = [*map(questions.classes, settings.namespaces), *map(questions.unclaimed, settings.resource_classes)]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(lambda question: _finding(api, question), asked))


def _finding(api: RunnerApi, question: Question) -> Finding:
    is_namespace = question.endpoint == questions.CLASSES_PATH
    try:
        payload, _ = api.ask(question)
        rows = read(question, payload, time.time()).rows
    except PollError as error:
        return Finding(question.slug, is_namespace, error=str(error), reason=error.reason)
    return Finding(question.slug, is_namespace, tuple(labels[0] for labels, _ in rows) if is_namespace else ())
