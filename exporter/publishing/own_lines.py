"""What the exporter says of a project: who it is, for joins, and how its polls went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.formats.exposition import label_pattern, label_text, sample_line
from exporter.insights import own_families
from exporter.insights.collectors import COLLECTORS
from exporter.publishing.sections import FamilyText, of_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.config import Project
    from exporter.insights.family import Family
    from exporter.insights.payloads import Number
    from exporter.knowledge.snapshots import Facts, Outcome
    from exporter.publishing.sections import Rendered

    Times = tuple[str, float, float | None]


def poll_times(outcomes: Mapping[str, Outcome]) -> tuple[Times, ...]:
    """What each poll makes new: collector, duration, time of the last success."""
    return tuple([(name, each.duration, each.last_success) for name, each in sorted(outcomes.items())])


def poll_results(outcomes: Mapping[str, Outcome]) -> tuple[tuple[str, int], ...]:
    """Whether the newest poll of each collector succeeded."""
    return tuple([(name, int(each.success)) for name, each in sorted(outcomes.items())])


def times_section(project: str, times: Iterable[Times], _room: int) -> Rendered:
    """The lines of what each poll makes new."""
    durations, successes = dict[str, float](), dict[str, float]()
    pattern = label_pattern(("collector", "project"), {"project": project}, ("collector",))
    for name, duration, last_success in times:
        labels = pattern % name
        durations[labels] = duration
        if last_success is not None:
            successes[labels] = last_success
    return _written((own_families.COLLECTOR_DURATION, durations), (own_families.COLLECTOR_LAST_SUCCESS, successes))


def about_section(
    project: Project, facts: Facts | None, results: Iterable[tuple[str, int]], dropped: Mapping[str, int], _room: int
) -> Rendered:
    """The lines of what most polls leave as it is: who the project is, results and intervals, what was dropped."""
    name = project.name
    intervals = {_of(name, each): project.polled_every(each) for each, _ in results if each in COLLECTORS}
    by_reason = {label_text(("project", "reason"), (name, each)): count for each, count in sorted(dropped.items())}
    return _written(
        *_identity(project, facts),
        (own_families.COLLECTOR_SUCCESS, {_of(name, each): success for each, success in results}),
        (own_families.COLLECTOR_INTERVAL, intervals),
        (own_families.DROPPED_SERIES, by_reason),
    )


def _identity(project: Project, facts: Facts | None) -> Iterator[tuple[Family, Mapping[str, int]]]:
    """What is known of the project itself, for joins."""
    if facts is None:
        return
    info = {
        "project": project.name,
        "slug": project.slug,
        "project_name": facts.project_name,
        "organization": facts.organization,
        "provider": facts.provider,
        "default_branch": facts.default_branch,
        **dict(project.labels),
    }
    if project.metrics.match(own_families.PROJECT_INFO.name):
        names = sorted(info)
        yield own_families.PROJECT_INFO, {label_text(names, [info[each] for each in names]): 1}
    if project.metrics.match(own_families.DEFAULT_BRANCH.name) and facts.default_branch:
        labels = label_text(("branch", "project"), (facts.default_branch, project.name))
        yield own_families.DEFAULT_BRANCH, {labels: 1}


def _of(project: str, collector: str) -> str:
    return label_text(("collector", "project"), (collector, project))


def _written(*values: tuple[Family, Mapping[str, Number]]) -> Rendered:
    """The lines of numbers, by family and labels."""
    texts, series = {}, 0
    for family, numbers in values:
        if numbers:
            lines = "".join([sample_line(family.name, labels, value) for labels, value in numbers.items()]).encode()
            texts[family.name], series = FamilyText(lines, lines), series + len(numbers)
    return of_texts(texts, series)
