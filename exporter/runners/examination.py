"""What `check` finds out about runners: whether namespaces and resource classes can be read, and tasks counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from exporter.config import RunnerSettings
from exporter.errors import PollError
from exporter.insights.payloads import Row
from exporter.insights.questions import Question
from exporter.polling.source import Examined
from exporter.runners import questions
from exporter.runners.answers import read

REMEDIES = {
    "not_found": "It does not exist, or the token's user cannot see it. If every `/runner/tasks` fails so, CircleCI no "
    "longer counts tasks for anyone: do not scale by them. `circleci_runners` goes on.",
    "redirect": "`runners.url` redirects: it is not the final address. Use the address that it redirects to.",
}
Ask = Callable[[Question], object]


def examined(settings: RunnerSettings, ask: Ask, at_once: int) -> list[Examined]:
    """Ask about all that the settings name, so many at once. Raises Stopped."""
    with ThreadPoolExecutor(at_once) as pool:
        of_namespaces = pool.map(lambda each: _namespace(ask, each), settings.namespaces)
        of_classes = pool.map(lambda each: _listed(ask, each), settings.resource_classes)
        return [*of_namespaces, *of_classes]


def _namespace(ask: Ask, namespace: str) -> Examined:
    classes: list[str] = []
    failure = None
    try:
        classes = [name for (name,), _ in _rows(ask, questions.classes(namespace))]
        for each in classes[:1]:  # the counts of all classes come from the same place
            _count(ask, each)
    except PollError as error:
        failure = error
    told = f"Runners of {namespace}: {', '.join(classes) or 'no resource class'}"
    reading = f"Reading runners of {namespace}"
    return Examined({"namespace": namespace}, reading, {"resource_classes": classes}, told, failure)


def _listed(ask: Ask, resource_class: str) -> Examined:
    failure = None
    try:
        _count(ask, resource_class)
    except PollError as error:
        failure = error
    told, reading = f"Runners of {resource_class}: readable", f"Reading runners of {resource_class}"
    return Examined({"resource_class": resource_class}, reading, {}, told, failure)


def _count(ask: Ask, resource_class: str) -> None:
    for question in (questions.unclaimed(resource_class), questions.running(resource_class)):
        _rows(ask, question)


def _rows(ask: Ask, question: Question) -> list[Row]:
    return read(question, ask(question), time.time()).rows
