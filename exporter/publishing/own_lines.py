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
    values: dict[Family, list[tuple[str, Number]]] = {family: [] for family in own_families.OWN}
    for collector, outcome in sorted(outcomes.items()):
        labels = label_text(("collector", "project"), (collector, project))
        values[own_families.COLLECTOR_SUCCESS].append((labels, int(outcome.success)))
        values[own_families.COLLECTOR_DURATION].append((labels, outcome.duration))
        if outcome.last_success is not None:
            values[own_families.COLLECTOR_LAST_SUCCESS].append((labels, outcome.last_success))
        if collector in intervals:
            values[own_families.COLLECTOR_INTERVAL].append((labels, intervals[collector]))
    for reason, count in sorted(dropped.items()):
        values[own_families.DROPPED_SERIES].append((label_text(("project", "reason"), (project, reason)), count))
    for family, each in values.items():
        if each:
            lines = "".join([sample_line(family.name, labels, value) for labels, value in each])
            yield (FamilyLines(family.name, len(each), lines, lines),)


def _row(family: Family, labels: Mapping[str, str], value: Number) -> tuple[FamilyLines]:
    names = sorted(labels)
    line = sample_line(family.name, label_text(names, [labels[name] for name in names]), value)
    return (FamilyLines(family.name, 1, line, line),)
