"""What the exporter says of a project: who it is, for joins, and how its polls went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.insights import own_families
from exporter.insights.collectors import COLLECTORS
from exporter.publishing.sections import of_rows, sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.config import Project
    from exporter.insights.family import Family
    from exporter.knowledge.snapshots import Facts, Outcome
    from exporter.publishing.sections import FamilyLines, Rendered

    Times = tuple[str, float, float | None]
    Result = tuple[str, int, str]


def poll_times(outcomes: Mapping[str, Outcome]) -> tuple[Times, ...]:
    """What each poll makes new: collector, duration, time of the last success."""
    return tuple([(name, each.duration, each.last_success) for name, each in sorted(outcomes.items())])


def poll_results(outcomes: Mapping[str, Outcome]) -> tuple[Result, ...]:
    """Whether the newest poll of each collector succeeded, or why not."""
    return tuple([(name, int(each.success), each.reason) for name, each in sorted(outcomes.items())])


def times_section(project: str, times: Iterable[Times], room: int) -> Rendered:
    """The lines of what each poll makes new."""
    rows = []
    for name, duration, last_success in times:
        rows.append([_of(own_families.COLLECTOR_DURATION, project, name, duration)])
        if last_success is not None:
            rows.append([_of(own_families.COLLECTOR_LAST_SUCCESS, project, name, last_success)])
    return of_rows(rows, room)


def about_section(
    project: Project, facts: Facts | None, results: Iterable[Result], dropped: Mapping[str, int], room: int
) -> Rendered:
    """The lines of what most polls leave as it is: who the project is, results and intervals, what was dropped."""
    rows = [[line] for line in _identity(project, facts)]
    for name, success, reason in results:
        rows.append([_of(own_families.COLLECTOR_SUCCESS, project.name, name, success)])
        if reason:
            failing = own_families.COLLECTOR_FAILING
            rows.append([sample(failing.name, failing.labels, (name, project.name, reason), 1)])
        if name in COLLECTORS:
            rows.append([_of(own_families.COLLECTOR_INTERVAL, project.name, name, project.polled_every(name))])
    family, names = own_families.DROPPED_SERIES.name, own_families.DROPPED_SERIES.labels
    rows += [[sample(family, names, (project.name, reason), count)] for reason, count in sorted(dropped.items())]
    return of_rows(rows, room)


def _identity(project: Project, facts: Facts | None) -> Iterator[FamilyLines]:
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
        yield sample(own_families.PROJECT_INFO.name, names, [info[name] for name in names], 1)
    if project.metrics.match(own_families.DEFAULT_BRANCH.name) and facts.default_branch:
        labels = facts.default_branch, project.name
        yield sample(own_families.DEFAULT_BRANCH.name, ("branch", "project"), labels, 1)


def _of(family: Family, project: str, collector: str, value: float) -> FamilyLines:
    return sample(family.name, ("collector", "project"), (collector, project), value)
