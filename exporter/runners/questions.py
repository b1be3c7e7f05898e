"""What is asked about runners: two counts per resource class, its runners, and the classes of a namespace. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.config import RunnerSettings
from exporter.insights.questions import Question

COLLECTOR = "runners"
"""Label `collector` of everything that fails here."""
NAMESPACE, RESOURCE_CLASS = "namespace", "resource-class"
CLASSES_PATH = "/runner/resource"
UNCLAIMED_PATH = "/runner/tasks"
RUNNING_PATH = "/runner/tasks/running"
RUNNERS_PATH = "/runner"


def classes(namespace: str) -> Question:
    """The resource classes of a namespace."""
    return _question(CLASSES_PATH, NAMESPACE, namespace)


def unclaimed(resource_class: str) -> Question:
    """How many tasks wait for a runner."""
    return _question(UNCLAIMED_PATH, RESOURCE_CLASS, resource_class)


def running(resource_class: str) -> Question:
    """How many tasks run."""
    return _question(RUNNING_PATH, RESOURCE_CLASS, resource_class)


def runners(resource_class: str, namespaces: Iterable[str]) -> Question:
    """The list that has a class's runners: its namespace's, if that is read, since one call tells of all classes."""
    namespace = resource_class.partition("/")[0]
    if namespace in namespaces:
        return _question(RUNNERS_PATH, NAMESPACE, namespace)
    return _question(RUNNERS_PATH, RESOURCE_CLASS, resource_class)


def known_classes(settings: RunnerSettings, found: Mapping[str, Iterable[str]]) -> list[str]:
    """All resource classes, each once, in order; `found` are those of each namespace."""
    return sorted({*settings.resource_classes, *(each for namespace in found.values() for each in namespace)})


def questions(settings: RunnerSettings, found: Mapping[str, Iterable[str]]) -> list[Question]:
    """Everything to ask, each question once; `found` are the classes that each namespace is known to have."""
    asked = [classes(namespace) for namespace in settings.namespaces]
    for each in known_classes(settings, found):
        asked += (unclaimed(each), running(each), runners(each, settings.namespaces))
    return list(dict.fromkeys(asked))


def _question(path: str, parameter: str, subject: str) -> Question:
    return Question(COLLECTOR, path, subject, params=((parameter, subject),))
