"""What is asked of the runner API."""

from __future__ import annotations

from exporter.config import RunnerSettings
from exporter.runners.questions import known_classes, questions


def asked(settings: RunnerSettings, found: dict[str, tuple[str, ...]]) -> list[tuple[str, str, str]]:
    return [(each.path, *each.params[0]) for each in questions(settings, found)]


def test_a_listed_class_is_asked_for_both_counts_and_its_own_runners() -> None:
    assert asked(RunnerSettings(resource_classes=("acme/linux",)), {}) == [
        ("/runner/tasks", "resource-class", "acme/linux"),
        ("/runner/tasks/running", "resource-class", "acme/linux"),
        ("/runner", "resource-class", "acme/linux"),
    ]


def test_a_namespace_is_asked_for_its_classes_and_once_for_the_runners_of_all_of_them() -> None:
    settings = RunnerSettings(namespaces=("acme",))
    assert asked(settings, {}) == [("/runner/resource", "namespace", "acme")]
    assert asked(settings, {"acme": ("acme/a", "acme/b")}) == [
        ("/runner/resource", "namespace", "acme"),
        ("/runner/tasks", "resource-class", "acme/a"),
        ("/runner/tasks/running", "resource-class", "acme/a"),
        ("/runner", "namespace", "acme"),
        ("/runner/tasks", "resource-class", "acme/b"),
        ("/runner/tasks/running", "resource-class", "acme/b"),
    ]


def test_a_class_that_is_listed_and_found_is_asked_once() -> None:
    settings = RunnerSettings(namespaces=("acme",), resource_classes=("acme/a", "other/x"))
    found = questions(settings, {"acme": ("acme/a",)})
    assert len(found) == len(set(found)) == 1 + 2 + 1 + 3
    assert known_classes(settings, {"acme": ("acme/a",)}) == ["acme/a", "other/x"]
