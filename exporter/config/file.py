"""The whole configuration file: its sections, and those keys that belong to no project."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr

from exporter.config.database_url import SCALAR as DATABASE_URL
from exporter.config.section import Items, Section
from exporter.config.settings import OrganizationEntry, ProjectEntry, ProjectSettings
from exporter.config.values import (
    Burst,
    Concurrency,
    Duration,
    FilePath,
    Lease,
    Namespace,
    Once,
    OrganizationSlug,
    RequestRate,
    ResourceClass,
    Timeout,
    TokenFile,
    Url,
)

DatabaseUrl = Annotated[str, DATABASE_URL]
Auth = Literal["circle-token", "bearer", "basic"]


class CircleCI(Section):
    """How CircleCI is reached. `url` has no trailing slash and no `/api/v2`; `timeout` is in seconds."""

    url: Url = Field(
        "https://circleci.com",
        description="Address of CircleCI, or of your CircleCI server. `/api/v2` is added.",
        validate_default=True,
    )
    token_file: TokenFile | None = Field(
        None,
        description="File that holds the API token, read again when it changes. "
        "Default: the environment variable `CIRCLECI_TOKEN`.",
    )
    auth: Auth = Field(
        "circle-token",
        description="How to send the token: as header `Circle-Token`, as `Authorization: Bearer`, "
        "or as the user name of basic authentication.",
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file with the CA of a CircleCI server, trusted in addition to the system's CAs."
    )
    allow_insecure: bool = Field(
        False, description="Allow `http://` to a host that is not loopback. The token is then sent unencrypted."
    )
    timeout: Timeout = Field("30s", description="Time limit of a whole request.", validate_default=True)
    requests_per_second: RequestRate = Field(
        5.0, description="Sustained request rate. With shards, the rate of all of them together."
    )
    burst: Burst = Field(
        10, description="Requests allowed at once after a quiet time. With shards, of all of them together."
    )
    concurrency: Concurrency = Field(4, description="Maximum number of requests in flight.")

    @property
    def api_url(self) -> str:
        """The URL that API paths are added to, without a trailing slash."""
        return f"{self.url}/api/v2"

    def share(self, total_shards: int) -> Self:
        """Return what one of `total_shards` may use: rate and burst are those of all together."""
        rate, burst = self.requests_per_second / total_shards, max(1, self.burst // total_shards)
        return self.model_copy(update={"requests_per_second": rate, "burst": burst})


class StateSettings(Section):
    """What survives a restart."""

    path: FilePath | None = Field(
        None, description="SQLite file for what was polled. Default: memory only, so a restart begins with nothing."
    )
    url: DatabaseUrl | None = Field(
        None,
        description="PostgreSQL database that several replicas share, in place of `path`: "
        "`postgresql://USER@HOST/DATABASE`, with parameters of libpq such as `?sslmode=verify-full&sslrootcert=FILE`. "
        "The password comes from `password_file`, `PGPASSWORD` or `PGPASSFILE`.",
    )
    password_file: FilePath | None = Field(
        None, description="File with the password of `url`, read again at each connection."
    )
    lease: Lease = Field(
        "30s",
        description="How long a replica leads after its newest renewal. After a crash, another one takes over "
        "about this much later.",
        validate_default=True,
    )


class Webhooks(Section):
    """The route that CircleCI's webhooks are sent to; without a secret there is none."""

    secret_file: FilePath | None = Field(
        None,
        description="File with the secrets that webhooks are signed with, one per line, all of them valid; read again "
        "when it changes. Default: the environment variable `CIRCLECI_WEBHOOK_SECRET`. Without a secret there is no "
        "`/webhooks/circleci`.",
    )


class RunnerSettings(Section):
    """Whose self-hosted runners are counted. `url` has no trailing slash and no `/api/v3`; `interval` is in seconds."""

    url: Url = Field(
        "https://runner.circleci.com",
        description="Address of CircleCI's runner API. Required if `circleci.url` is a CircleCI server. "
        "`/api/v3/runner` is added.",
        validate_default=True,
    )
    namespaces: Annotated[Items[Namespace], Once] = Field(
        (), description="Namespaces. All their resource classes are found automatically."
    )
    resource_classes: Annotated[Items[ResourceClass], Once] = Field(
        (), description="Resource classes, such as `acme/linux`."
    )
    interval: Duration = Field(
        "30s",
        description="How often to ask. A value that cannot be updated disappears after 3 intervals.",
        validate_default=True,
    )

    @property
    def wanted(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self.namespaces or self.resource_classes)


class UsageSettings(Section):
    """Whose Usage export is read. `interval` is in seconds."""

    organizations: Annotated[Items[OrganizationSlug], Once] = Field(
        (),
        description="Organizations, such as `gh/acme`. Needs `state.path` or `state.url`: what was counted must "
        "outlast a restart.",
    )
    interval: Duration = Field(
        "6h",
        description="Time between two exports until yesterday's figures are in. CircleCI allows 10 an hour.",
        validate_default=True,
    )


class Config(Section):
    """A configuration. Once it is loaded, its projects and organizations have the `defaults` in them."""

    circleci: CircleCI = Field(default_factory=CircleCI, description="How CircleCI is reached.")
    state: StateSettings = Field(default_factory=StateSettings, description="What survives a restart.")
    webhooks: Webhooks = Field(default_factory=Webhooks, description="Events that CircleCI sends.")
    defaults: ProjectSettings = Field(default_factory=ProjectSettings, description="Settings of every project.")
    runners: RunnerSettings = Field(default_factory=RunnerSettings, description="Self-hosted runners.")
    usage: UsageSettings = Field(
        default_factory=UsageSettings, description="The Usage export: credits by job and resource class."
    )
    projects: Items[ProjectEntry] = Field((), description="Projects, by slug alone or with settings of their own.")
    organizations: Items[OrganizationEntry] = Field(
        (), description="Organizations. Their projects are found automatically."
    )
    _file: str = PrivateAttr("config.yaml")

    @property
    def file(self) -> str:
        return self._file
