"""The configuration file as it is written: its keys, their kinds, defaults and meanings.

The editor's schema and the reference are made from these models, so a key is added here and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from exporter.config.values import (
    Branch,
    Burst,
    Concurrency,
    Duration,
    FilePath,
    Glob,
    LabelName,
    Lookback,
    Name,
    Once,
    OrganizationSlug,
    ProjectSlug,
    RequestRate,
    Rising,
    SeriesLimit,
    Timeout,
    TokenFile,
    Top,
    Url,
)

Auth = Literal["circle-token", "bearer", "basic"]
Window = Literal["last-24-hours", "last-7-days", "last-30-days", "last-60-days", "last-90-days"]
Collector = Literal["workflows", "jobs", "runs", "flaky_tests", "tests", "project", "job_trend", "workflow_summary"]

UNSCOPED: Final = frozenset({"flaky_tests", "project"})
"""The collectors that ask about a project as a whole, not about branches."""


class Section(BaseModel):
    """A mapping of the file. A key that it does not know and a value of another type are mistakes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class CircleCISection(Section):
    """How CircleCI is reached."""

    url: Url = Field(
        "https://circleci.com",
        description="Address of CircleCI, or of your CircleCI server. `/api/v2` is added.",
        validate_default=True,
    )
    token_file: TokenFile | None = Field(
        None,
        description="File that holds the API token. It is read again when it changes. "
        "Without it the environment variable `CIRCLECI_TOKEN` is used.",
    )
    auth: Auth = Field(
        "circle-token",
        description="How the token is sent: as header `Circle-Token`, as `Authorization: Bearer`, "
        "or as the user name of basic authentication.",
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file with the CA of a CircleCI server. It is added to the system's CAs."
    )
    allow_insecure: bool = Field(
        False, description="Allow `http://` to a host that is not loopback. The token is then sent in the clear."
    )
    timeout: Timeout = Field("30s", description="Limit of one whole request.", validate_default=True)
    requests_per_second: RequestRate = Field(
        5.0, description="Sustained rate of requests. With shards it is the rate of all of them together."
    )
    burst: Burst = Field(
        10, description="Requests that may be made at once after a quiet time. With shards: of all of them together."
    )
    concurrency: Concurrency = Field(4, description="Requests under way at the same time.")


class StateSection(Section):
    """What survives a restart."""

    path: FilePath | None = Field(
        None, description="SQLite file for what was polled. Without it a restart begins with nothing."
    )


class GlobsSection(Section):
    """A choice of names: those that match `include` and do not match `exclude`."""

    include: list[Glob] = Field(["*"], description="Globs on names; a name must match one of them.")
    exclude: list[Glob] = Field([], description="Globs on names; a name that matches one of them is left out.")


class JobsSection(GlobsSection):
    """Which jobs."""

    max_age: Duration = Field(
        "1d",
        description="While the figures of a workflow stay the same, its jobs are asked for again only after this time.",
        validate_default=True,
    )


class RunsSection(Section):
    """Collector `runs`: each run of a workflow, counted once."""

    interval: Duration = Field("5m", description="Time between two polls for new runs.", validate_default=True)
    lookback: Lookback = Field(
        "3d",
        description="How far back runs are looked for. A run that takes longer is not counted.",
        validate_default=True,
    )
    sweep: Duration = Field(
        "1h",
        description="Time between two looks at the whole lookback, for runs that ended late.",
        validate_default=True,
    )
    buckets: Annotated[list[Duration], Rising] = Field(
        ["30s", "1m", "2m", "5m", "10m", "20m", "40m", "1h", "2h", "4h"],
        description="Upper bounds of the histogram of run durations.",
        min_length=1,
        max_length=50,
        validate_default=True,
    )


class TopSection(Section):
    """How many tests are exposed by name."""

    top: Top = Field(0, description="How many tests are exposed by name, the worst first.")


class Settings(Section):
    """What is asked about a project. Each key may stand in `defaults` and on a project, where it wins."""

    interval: Duration = Field("1h", description="Time between two polls.", validate_default=True)
    stale_after: Duration | None = Field(
        None,
        description="Age at which values that could not be renewed are dropped. "
        "Without it: 3 intervals of the collector.",
    )
    windows: Annotated[list[Window], Once] = Field(
        ["last-7-days"], description="Reporting windows of CircleCI.", min_length=1
    )
    default_branch: bool = Field(True, description="Ask for the project's default branch.")
    all_branches: bool = Field(False, description='Ask for all branches together, as `branch="all branches"`.')
    branches: Annotated[list[Branch], Once] = Field(
        [],
        description="Further branches. A glob such as `release/*` is expanded from the branches that Insights knows.",
    )
    collectors: Annotated[list[Collector], Once] = Field(["workflows", "jobs"], description="What is collected.")
    workflows: GlobsSection = Field(default_factory=GlobsSection, description="Which workflows, by name.")
    jobs: JobsSection = Field(default_factory=JobsSection, description="Which jobs, by name.")
    metrics: GlobsSection = Field(default_factory=GlobsSection, description="Which metrics, by the name of the family.")
    runs: RunsSection = Field(default_factory=RunsSection, description="Collector `runs`.")
    flaky_tests: TopSection = Field(default_factory=TopSection, description="Collector `flaky_tests`.")
    tests: TopSection = Field(default_factory=TopSection, description="Collector `tests`.")
    labels: dict[LabelName, str] = Field(
        {},
        description="Labels of `circleci_insights_project_info`, for joins and the routing of alerts.",
        json_schema_extra={"additionalProperties": False},
    )
    max_series: SeriesLimit = Field(
        20_000, description="Limit of series a project. What exceeds it is left out, counted and logged."
    )


class ProjectSection(Settings):
    """One project. Its mappings are merged with those of `defaults` key by key; its lists replace theirs."""

    slug: ProjectSlug = Field(
        description="`gh/ORGANIZATION/REPOSITORY`, or `circleci/ORGANIZATION-ID/PROJECT-ID` for GitHub App and GitLab."
    )
    name: Name | None = Field(None, description="Value of the label `project`. Without it: the slug.")


class OrganizationSection(Settings):
    """One organization, whose projects are found by asking CircleCI. What is set here holds for each of them."""

    slug: OrganizationSlug = Field(description="`gh/ORGANIZATION` or `circleci/ORGANIZATION-ID`.")
    include: list[Glob] = Field(["*"], description="Globs on project names; a project must match one of them.")
    exclude: list[Glob] = Field(
        [], description="Globs on project names; a project that matches one of them is left out."
    )
    discovery_interval: Duration = Field(
        "1h", description="Time between two searches for projects.", validate_default=True
    )


def _long_form(value: object) -> object:
    return {"slug": value} if isinstance(value, str) else value


ProjectEntry = Annotated[
    ProjectSection, BeforeValidator(_long_form, json_schema_input_type=ProjectSlug | ProjectSection)
]
OrganizationEntry = Annotated[
    OrganizationSection, BeforeValidator(_long_form, json_schema_input_type=OrganizationSlug | OrganizationSection)
]


class File(Section):
    """The whole file."""

    circleci: CircleCISection = Field(default_factory=CircleCISection, description="How CircleCI is reached.")
    state: StateSection = Field(default_factory=StateSection, description="What survives a restart.")
    defaults: Settings = Field(default_factory=Settings, description="What every project has unless it says otherwise.")
    projects: list[ProjectEntry] = Field([], description="Projects, by slug alone or with settings of their own.")
    organizations: list[OrganizationEntry] = Field(
        [], description="Organizations whose projects are found by themselves."
    )
