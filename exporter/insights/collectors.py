"""THE COLLECTOR TABLE: which question is asked, what it repeats over, and how its answer becomes rows.

One row is one endpoint. `tables` say which rows of the answer become samples of which families. What the
rest of the program does for a collector is a column here: no other module knows one by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from exporter.insights import families, readers, run_families
from exporter.insights.collector import (
    ORGANIZATION_POLL,
    PIPELINES_POLL,
    PROJECT_POLL,
    RUNS_POLL,
    Collector,
    PageColumns,
    Table,
    recent_buckets,
)
from exporter.insights.family import Family
from exporter.insights.readers import plain

ORGANIZATIONS = "organizations"
"""The one collector that no project has: it is asked of the organizations whose projects are searched for."""
RUNS = "runs"
"""The collector that counts single runs."""
PIPELINES = "pipelines"
"""The collector that knows what runs now."""


def _tables(families: Iterable[Family]) -> tuple[Table, ...]:
    """What is shown of counted families, each with labels of its own."""
    return tuple(Table(family.name, (family,), family.labels) for family in families)


COLLECTORS: Mapping[str, Collector] = {
    collector.name: collector
    for collector in (
        Collector(
            "workflows",
            "/insights/{slug}/workflows",
            (
                Table(
                    "workflow", families.WORKFLOW, ("branch", "project", "window", "workflow"), own={"workflow": "name"}
                ),
            ),
            over=("branch", "window"),
            paged=True,
            lists=True,
            alternates=True,
            page=PageColumns(
                success_ratio="metrics.success_rate",
                median="metrics.duration_metrics.median",
                p95="metrics.duration_metrics.p95",
                runs="metrics.total_runs",
            ),
        ),
        Collector(
            "jobs",
            "/insights/{slug}/workflows/{workflow}/jobs",
            (
                Table(
                    "job",
                    families.JOB,
                    ("branch", "job_name", "project", "window", "workflow"),
                    own={"job_name": "name"},
                ),
            ),
            over=("workflow", "branch", "window"),
            paged=True,
            max_age="jobs.max_age",
        ),
        Collector(
            "project",
            "/insights/pages/{slug}/summary",
            (
                Table("project", families.PROJECT_TOTALS, ("project", "window"), rows=""),
                Table(
                    "workflow",
                    families.PROJECT_WORKFLOW,
                    ("project", "window", "workflow"),
                    rows="?project_workflow_data",
                    own={"workflow": "workflow_name"},
                ),
            ),
            over=("window",),
            alternates=True,
        ),
        Collector(
            "workflow_summary",
            "/insights/{slug}/workflows/{workflow}/summary",
            (Table("summary", families.WORKFLOW_SUMMARY, ("branch", "project", "workflow"), rows=""),),
            over=("workflow", "branch"),
        ),
        Collector(
            "job_trend",
            "/insights/time-series/{slug}/workflows/{workflow}/jobs",
            (
                Table(
                    "bucket",
                    families.JOB_BUCKET,
                    ("branch", "granularity", "job_name", "project", "workflow"),
                    own={"job_name": "name"},
                    read=readers.newest_bucket,
                ),
            ),
            over=("workflow", "branch", "granularity"),
            paged=True,
            period=recent_buckets,
        ),
        Collector(
            "flaky_tests",
            "/insights/{slug}/flaky-tests",
            (
                Table("project", families.FLAKY_TOTAL, ("project",), rows="", read=readers.snake_case(plain)),
                Table(
                    "job",
                    families.FLAKY_JOB,
                    ("job_name", "project", "workflow"),
                    rows="flaky_tests",
                    own={"job_name": "job_name", "workflow": "workflow_name"},
                    read=readers.snake_case(readers.flakes),
                ),
                Table(
                    "top",
                    families.FLAKY_TOP,
                    ("class_name", "job_name", "project", "test_name", "workflow"),
                    rows="flaky_tests",
                    own={
                        "class_name": "?classname",
                        "job_name": "job_name",
                        "test_name": "test_name",
                        "workflow": "workflow_name",
                    },
                    read=readers.snake_case(readers.worst(readers.flakes)),
                    top="flaky_tests.top",
                ),
            ),
        ),
        Collector(
            "tests",
            "/insights/{slug}/workflows/{workflow}/test-metrics",
            (
                Table("workflow", families.TESTS, ("branch", "project", "workflow"), rows=""),
                Table(
                    "test",
                    families.TEST,
                    ("branch", "class_name", "job_name", "project", "test_name", "workflow"),
                    own={"class_name": "?classname", "job_name": "job_name", "test_name": "test_name"},
                    read=readers.tests,
                    top="tests.top",
                ),
            ),
            over=("workflow", "branch"),
        ),
        Collector(
            ORGANIZATIONS,
            "/insights/{slug}/summary",
            (
                Table("totals", families.ORGANIZATION, ("organization", "window"), rows=""),
                Table("names", (), (), rows="?all_projects", own={"name": ""}, read=readers.distinct),
            ),
            over=("window",),
            poll=ORGANIZATION_POLL,
        ),
        Collector(
            RUNS,
            "/insights/{slug}/workflows/{workflow}",
            (),
            over=("workflow",),
            paged=True,
            poll=RUNS_POLL,
            interval="runs.interval",
            interval_replaced="runs.longest_sweep",
            counted=_tables(run_families.RUNS),
            reads=("id", "branch", "created_at", "status", "stopped_at", "duration", "credits_used", "is_approval"),
        ),
        Collector(
            PIPELINES,
            "/project/{slug}/pipeline",
            (),
            paged=True,
            poll=PIPELINES_POLL,
            interval="pipelines.longest",
            counted=_tables(run_families.LIVE),
            reads=(
                "id",
                "project_slug",
                "number",
                "state",
                "created_at",
                "trigger.type",
                "vcs.branch",
                "vcs.tag",
                "trigger_parameters.git.branch",
                "trigger_parameters.git.tag",
                "pipeline_id",
                "name",
                "type",
                "status",
                "started_at",
                "stopped_at",
                "dependencies",
                "items",
            ),
            replaces=RUNS_POLL,
        ),
    )
}

(LISTING,) = (collector for collector in COLLECTORS.values() if collector.lists)
"""The one whose rows are the workflows that others repeat over."""
NAMES = tuple(COLLECTORS)
OF_PROJECTS = tuple(collector.name for collector in COLLECTORS.values() if not collector.of_organization)
"""Those that a configuration may name."""


def polls(names: Iterable[str]) -> tuple[str, ...]:
    """The kinds of polls that a project with these collectors needs, each once; its gauges' poll is always one."""
    asked = tuple(names)
    found = dict.fromkeys((PROJECT_POLL, *(COLLECTORS[name].poll for name in asked)))
    return tuple(poll for poll in found if poll not in replaced(asked))


@lru_cache
def replaced(names: tuple[str, ...]) -> frozenset[str]:
    """The kinds of polls whose work others do that a project with these collectors needs too."""
    return frozenset([COLLECTORS[name].replaces for name in names]) - {""}


def completed(names: tuple[str, ...]) -> tuple[str, ...]:
    """These collectors with those whose work their polls do too."""
    done = replaced(names)
    return (*names, *(each.name for each in COLLECTORS.values() if each.poll in done and each.name not in names))


@lru_cache
def of_organization(names: tuple[str, ...]) -> bool:
    """Whether one of these collectors asks about an organization, not a project."""
    return any(COLLECTORS[name].of_organization for name in names)


@lru_cache
def counts(names: tuple[str, ...]) -> bool:
    """Whether one of these collectors counts into a project's ledger."""
    return any(COLLECTORS[name].counted for name in names)


def interval(name: str, project: object, names: tuple[str, ...]) -> float:
    """The seconds between two polls of a collector, by the settings of a project with these collectors."""
    return COLLECTORS[name].polled_every(project, replaced(names))
