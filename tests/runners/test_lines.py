"""The sample lines of runners, against an independent reader of the text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from exporter.formats import deflate
from exporter.publishing.exposition import Beside, beside
from exporter.runners import questions
from exporter.runners.lines import sample_lines

if TYPE_CHECKING:
    from exporter.insights.family import Family

A, B, ODD = "acme/a", "acme/b", 'other/"x" \\ y'


def exposed(lines: tuple[list[tuple[Family, bytes]], int]) -> dict[tuple[str, tuple[str, ...]], float]:
    text = deflate.inflate(beside(lines[0]).text.deflated).decode()
    return {
        (sample.name.removeprefix("circleci_runner"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_class_without_runners_has_both_states_of_no_version_at_zero() -> None:
    rows = {questions.unclaimed(A): [((A,), (4,))], questions.runners(A, ()): []}
    assert exposed(sample_lines([A], (), rows, 100)) == {
        ("_unclaimed_tasks", (A,)): 4,
        ("s", (A, "connected", "")): 0,
        ("s", (A, "lost", "")): 0,
    }


def test_what_has_no_answer_has_no_line() -> None:
    assert sample_lines([A, B], (), {}, 100) == ([], 0)
    assert beside([]) == Beside(), "not even a header"


def test_runners_of_a_namespace_are_shown_for_its_known_classes_alone() -> None:
    listing = questions.runners(A, ("acme",))
    rows = {listing: [((A, "connected", "3"), (2,)), ((A, "lost", "3"), (0,)), (("acme/new", "lost", "3"), (1,))]}
    assert exposed(sample_lines([A, B], ("acme",), rows, 100)) == {
        ("s", (A, "connected", "3")): 2,
        ("s", (A, "lost", "3")): 0,
        ("s", (B, "connected", "")): 0,
        ("s", (B, "lost", "")): 0,
    }


def test_names_that_need_escapes_are_read_back_as_they_were() -> None:
    assert exposed(sample_lines([ODD], (), {questions.running(ODD): [((ODD,), (1,))]}, 100)) == {
        ("_running_tasks", (ODD,)): 1
    }


def test_a_namespace_has_room_for_so_many_samples_and_the_rest_is_told() -> None:
    classes = [f"{namespace}/{number}" for namespace in ("acme", "other") for number in range(5)]
    rows = {
        question(each): [((each,), (1,))] for each in classes for question in (questions.unclaimed, questions.running)
    }
    lines = sample_lines(classes, (), rows, 7)
    assert lines[1] == 2 * 3
    kept = exposed(lines)
    assert len(kept) == 2 * 7
    assert ("_unclaimed_tasks", ("other/3",)) in kept
    assert ("_running_tasks", ("other/3",)) not in kept
