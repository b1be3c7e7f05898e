"""What the exporter says of a project: who it is, for joins, and how its polls went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.formats.exposition import label_text, sample_line
from exporter.insights import own_families
from exporter.publishing.sections import FamilyLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.config import Project
    from exporter.insights.family import Family
    from exporter.insights.payloads import Number
    from exporter.knowledge.snapshots import Facts, Outcome


def about(project: Project, facts: Facts) -> Iterator[tuple[FamilyLines]]:
    """The lines of what is known of the project itself."""
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
        yield _row(own_families.PROJECT_INFO, info, 1)
    if project.metrics.match(own_families.DEFAULT_BRANCH.name) and facts.default_branch:
        yield _row(own_families.DEFAULT_BRANCH, {"branch": facts.default_branch, "project": project.name}, 1)


def polls(
    project: str, outcomes: Mapping[str, Outcome], intervals: Mapping[str, float], dropped: Mapping[str, int]
) -> Iterator[tuple[FamilyLines]]:
    """The lines of the newest outcomes and intervals by collector, and of what was dropped by reason."""
    for collector, outcome in sorted(outcomes.items()):
        labels = {"collector": collector, "project": project}
        yield _row(own_families.COLLECTOR_SUCCESS, labels, int(outcome.success))
        yield _row(own_families.COLLECTOR_DURATION, labels, outcome.duration)
        if outcome.last_success is not None:
            yield _row(own_families.COLLECTOR_LAST_SUCCESS, labels, outcome.last_success)
        if collector in intervals:
            yield _row(own_families.COLLECTOR_INTERVAL, labels, intervals[collector])
    for reason, count in sorted(dropped.items()):
        yield _row(own_families.DROPPED_SERIES, {"project": project, "reason": reason}, count)


def _row(family: Family, labels: Mapping[str, str], value: Number) -> tuple[FamilyLines]:
    names = sorted(labels)
    line = sample_line(family.name, label_text(names, [labels[name] for name in names]), value)
    return (FamilyLines(family.name, 1, line, line),)
