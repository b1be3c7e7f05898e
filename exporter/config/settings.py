"""What is asked about a project: each key with its type, default and meaning. Times are in seconds.

The reader, the merge with `defaults`, the editor's schema and the reference all follow these declarations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from exporter.config.globs import is_glob, matches
from exporter.config.section import Items, Labels, Section
from exporter.config.slugs import project_slug
from exporter.config.values import (
    Branch,
    Duration,
    Glob,
    Lookback,
    NameOrSlug,
    Once,
    OrganizationSlug,
    ProjectSlug,
    Rising,
    SeriesLimit,
    TestCount,
)
from exporter.insights.collectors import OF_PROJECTS, completed, interval

Window = Literal["last-24-hours", "last-7-days", "last-30-days", "last-60-days", "last-90-days"]
if TYPE_CHECKING:
    CollectorName = str
else:
    CollectorName = Literal[OF_PROJECTS]

INTERVALS_UNTIL_STALE: Final = 3
TIMEOUTS_UNTIL_STALE: Final = 3
MARGIN: Final = 10.0
"""Seconds more: so one request that hangs drops no value, however short the interval."""
SWEEP_DOUBLINGS: Final = 3
"""How often the time between two sweeps doubles while they bring nothing, where pipelines are watched."""

DURATION_BUCKETS: Final = (
    *("30s", "90s", "2m", "3m", "4m", "7m", "10m", "12m"),
    *("18m", "25m", "35m", "50m", "70m", "100m", "150m", "4h"),
)
"""Chosen so that quantiles of usual durations are off by 12 % at most; scripts/bucket_errors.py computes it."""


class Globs(Section):
    """A choice of names: those that match one of `include` and none of `exclude`."""

    include: Items[Glob] = Field(("*",), description="Globs; a name must match at least one of them.")
    exclude: Items[Glob] = Field((), description="Globs; a name that matches any of them is left out.")

    @property
    def all(self) -> bool:
        """Whether each name matches."""
        return "*" in self.include and not self.exclude

    def match(self, name: str) -> bool:
        return matches(name, self.include) and not matches(name, self.exclude)


class Jobs(Globs):
    """Which jobs, and how long their numbers are believed while their workflow does not change."""

    max_age: Duration = Field(
        "1d",
        description="Longest time before the jobs of a workflow are read again while the workflow's own numbers "
        "stay the same.",
        validate_default=True,
    )


class Runs(Section):
    """Collector `runs`: each run of a workflow, counted once."""

    interval: Duration = Field("5m", description="Time between two polls for new runs.", validate_default=True)
    lookback: Lookback = Field(
        "3d",
        description="How far back to look for runs. A run that takes longer than this is not counted.",
        validate_default=True,
    )
    sweep: Duration = Field(
        "1h",
        description="Time between two reads of the whole lookback, which find the runs that ended late.",
        validate_default=True,
    )
    buckets: Annotated[Items[Duration], Rising] = Field(
        DURATION_BUCKETS,
        description="Upper bounds of the buckets of the duration histogram.",
        min_length=1,
        max_length=50,
        validate_default=True,
    )

    @property
    def longest_sweep(self) -> float:
        """The longest time between two sweeps of one workflow, where pipelines are watched."""
        return self.sweep * 2**SWEEP_DOUBLINGS


class Pipelines(Section):
    """Collector `pipelines`: what runs now, and each run and job counted within seconds to minutes of its end."""

    interval: Duration = Field("1m", description="Time between two looks at what is under way.", validate_default=True)
    idle_interval: Duration = Field(
        "15m",
        description="Longest time between two looks: at the list of a quiet project, or at a pipeline on hold.",
        validate_default=True,
    )
    jobs: bool = Field(True, description="Read the jobs of workflow runs too. Costs a call per run and look.")
    wait_buckets: Annotated[Items[Duration], Rising] = Field(
        ("5s", "15s", "30s", "1m", "2m", "5m", "10m", "30m", "1h"),
        description="Upper bounds of the buckets of the histogram of job wait times.",
        min_length=1,
        max_length=50,
        validate_default=True,
    )

    @property
    def longest(self) -> float:
        """The longest time between two looks."""
        return max(self.interval, self.idle_interval)


class TopTests(Section):
    """How many tests are exposed by name."""

    top: TestCount = Field(0, description="Number of tests to expose by name, worst first.")


class ProjectSettings(Section):
    """What is asked about a project. Each key can be set in `defaults` and on a project, where it wins."""

    interval: Duration = Field("1h", description="Time between two polls.", validate_default=True)
    stale_after: Duration | None = Field(
        None,
        description="Age at which values that could not be renewed are dropped. Default: 3 intervals of the collector, "
        "at least 3 times `circleci.timeout` and 10 s more.",
    )
    windows: Annotated[Items[Window], Once] = Field(
        ("last-7-days",), description="CircleCI's reporting windows to read.", min_length=1
    )
    default_branch: bool = Field(True, description="Read the project's default branch.")
    all_branches: bool = Field(False, description='Read all branches together, as `branch="all branches"`.')
    branches: Annotated[Items[Branch], Once] = Field(
        (),
        description="More branches. A glob such as `release/*` stands for the matching branches that Insights knows.",
    )
    collectors: Annotated[Items[CollectorName], Once, AfterValidator(completed)] = Field(
        ("workflows", "jobs"), description="What to collect. `pipelines` includes `runs`."
    )
    workflows: Globs = Field(default_factory=Globs.unset, description="Which workflows, by name.")
    jobs: Jobs = Field(default_factory=Jobs.unset, description="Which jobs, by name.")
    metrics: Globs = Field(default_factory=Globs.unset, description="Which metrics, by name of the metric family.")
    runs: Runs = Field(default_factory=Runs.unset, description="Collector `runs`.")
    pipelines: Pipelines = Field(default_factory=Pipelines.unset, description="Collector `pipelines`.")
    flaky_tests: TopTests = Field(default_factory=TopTests.unset, description="Collector `flaky_tests`.")
    tests: TopTests = Field(default_factory=TopTests.unset, description="Collector `tests`.")
    labels: Labels = Field(
        {},
        description="Labels of `circleci_insights_project_info`, for joins and alert routing.",
        json_schema_extra={"additionalProperties": False},
        validate_default=True,
    )
    project_label: Literal["auto", "slug", "name"] = Field(
        "auto",
        description="Value of the label `project` if no `name` is given: the `slug`, or the `name`, which is "
        "`ORGANIZATION/PROJECT` as CircleCI knows them. `auto` is the slug for `gh/` and `bb/`, whose slugs are names, "
        "and the name for `circleci/`.",
    )
    max_series: SeriesLimit = Field(
        20_000,
        description="Maximum number of series per project. The rest is left out, counted and logged. A counter that is "
        "shown stays shown as long as it lives, whatever comes later.",
    )

    _timeout: float = PrivateAttr(0.0)

    def within(self, timeout: float) -> Self:
        """Return these settings for requests that may take `timeout` seconds."""
        changed = self.model_copy()
        changed._timeout = timeout  # noqa: SLF001  its own
        return changed

    def _stale_after(self, interval: float) -> float:
        return self.stale_after or max(INTERVALS_UNTIL_STALE * interval, TIMEOUTS_UNTIL_STALE * self._timeout + MARGIN)

    @property
    def branch_names(self) -> tuple[str, ...]:
        """The configured branches that are plain names."""
        return tuple(branch for branch in self.branches if not is_glob(branch))

    @property
    def branch_globs(self) -> tuple[str, ...]:
        """The configured branches that are globs."""
        return tuple(branch for branch in self.branches if is_glob(branch))


class Project(ProjectSettings):
    """One project. Its mappings merge with those of `defaults` key by key; its lists replace theirs."""

    slug: ProjectSlug = Field(
        description="`gh/ORGANIZATION/REPOSITORY`, or `circleci/ORGANIZATION-ID/PROJECT-ID` for GitHub App and GitLab."
    )
    name: NameOrSlug = Field(
        None,
        description="Value of the label `project`. Default: as `project_label` says.",
        validate_default=True,
    )

    def polled_every(self, collector: str) -> float:
        """Return the seconds between two polls of the collector."""
        return interval(collector, self, self.collectors)

    def staleness(self, collector: str) -> float:
        """Return the age in seconds at which the collector's values are dropped unless they were renewed."""
        return self._stale_after(self.polled_every(collector))


class Organization(ProjectSettings):
    """One organization whose projects are found by asking CircleCI. Its settings hold for each of them."""

    slug: OrganizationSlug = Field(description="`gh/ORGANIZATION` or `circleci/ORGANIZATION-ID`.")
    include: Items[Glob] = Field(("*",), description="Globs; a project's name must match at least one of them.")
    exclude: Items[Glob] = Field((), description="Globs; a project whose name matches any of them is left out.")
    discovery_interval: Duration = Field(
        "1h", description="Time between two searches for projects.", validate_default=True
    )

    @property
    def names(self) -> Globs:
        """Which of its projects are polled, by name."""
        return Globs.model_construct(include=self.include, exclude=self.exclude)

    @property
    def template(self) -> Project:
        """The settings of its projects, without a slug and a name."""
        settings: dict[str, Any] = {key: getattr(self, key) for key in ProjectSettings.model_fields}
        return Project.model_construct(slug="", name="", **settings).within(self._timeout)

    @property
    def staleness(self) -> float:
        """The age in seconds at which the organization's own totals are dropped unless they were renewed."""
        return self._stale_after(self.discovery_interval)

    def project(self, slug: str, name: str | None = None) -> Project:
        """Return a found project with the organization's settings. Raise ValueError for what is no project's slug."""
        slug = project_slug(slug)
        return self.template.model_copy(update={"slug": slug, "name": name or slug})


def _long_form(value: object) -> object:
    return {"slug": value} if isinstance(value, str) else value


ProjectEntry = Annotated[Project, BeforeValidator(_long_form, json_schema_input_type=ProjectSlug | Project)]
"""A project in the file: its slug alone, or a mapping."""

OrganizationEntry = Annotated[
    Organization, BeforeValidator(_long_form, json_schema_input_type=OrganizationSlug | Organization)
]
"""An organization in the file: its slug alone, or a mapping."""
