"""What this process counts and shows of itself. A new metric is one row in `Telemetry.__init__`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product

from exporter.errors import REASONS
from exporter.telemetry.families import Families
from exporter.telemetry.recent_requests import RecentRequests

BUILD_INFO = ("build_info", "Version of the exporter and of Python; always 1.", "version", "python_version")
LEADER = ("leader", "1 if this replica leads its shard, 0 if it stands by. Only with `state.url`.")
REQUEST_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DELAY_BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 21_600, 86_400)
SOURCES = ("insights", "pipelines", "webhook")
"""What can tell first that a workflow run has ended."""
RETRY_REASONS = ("connection", "timeout", "server", "truncated", "payload", "throttled", "unauthorized")


class Telemetry:
    """Counts and gauges of the process. Every method is cheap and safe from any thread."""

    def __init__(
        self,
        version: str,
        collectors: Iterable[str],
        shard: int = 0,
        total_shards: int = 1,
        *,
        fields: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Make every family; bounded label sets exist at 0 from the start.

        `fields` are the dotted paths that a collector reads, by its name.
        """
        self._collectors = tuple(collectors)
        self.recent = RecentRequests(time.monotonic)
        self.throttled_seconds = 0.0
        self._families = own = Families.of_process()
        self.registry = own.registry
        self._of_failures, self._of_requests = failures, requests = own.kept(), own.kept()
        own.gauge(*BUILD_INFO).labels(version, platform.python_version()).set(1)
        own.gauge("shard_ordinal", "Ordinal of this shard.").set(shard)
        own.gauge("total_shards", "Number of shards in the fleet.").set(total_shards)
        self.projects = own.gauge("projects", "Projects polled by this process.")
        self.watched = own.gauge("watched_pipelines", "Pipelines that are looked at again.")
        self.set_aside = own.gauge(
            "set_aside_pipelines",
            "Watched pipelines that CircleCI keeps failing to return; they are asked for rarely and fail no collector.",
        )
        self.discovered = own.gauge("discovered_projects", "Projects found in an organization.", "organization")
        self.up = own.late("up", "1 if the API answered the last request and accepted the token.")
        self.failures = failures.counter(
            "collector_failures_total", "Failed requests of polls, by collector and reason.", "collector", "reason"
        )
        self._delay = own.gauge(
            "poll_delay_seconds",
            "How late the last poll started, or for how long a poll or look has waited for its first answer.",
        )
        self._late_poll = self._late_look = 0.0
        self._requests = requests.counter(
            "api_requests_total",
            "Requests to CircleCI's API by path template and status code; code is error if there was no response.",
            "endpoint",
            "code",
        )
        self._durations = requests.histogram(
            "api_request_duration_seconds", "Duration of requests to CircleCI's API.", "endpoint", REQUEST_BUCKETS
        )
        self._requests_of, self._durations_of = cache(self._requests.labels), cache(self._durations.labels)
        self._retries = requests.counter("api_retries_total", "Retried requests, by reason.", "reason")
        self._run_delay = requests.histogram(
            "run_delay_seconds",
            "Time from the stop of a workflow run until it was published, by the source that reported it first.",
            "source",
            DELAY_BUCKETS,
        )
        self._throttled = own.counter(
            "api_throttled_seconds_total", "Seconds for which all requests were paused after CircleCI refused one."
        )
        self.remaining = own.late(
            "api_rate_limit_remaining", "Requests left in CircleCI's rate limit window, as last reported."
        )
        self.limit = own.late(
            "api_rate_limit_limit", "Requests allowed in CircleCI's rate limit window, as last reported."
        )
        self.series = own.gauge("series", "Series published, by collector.", "collector")
        self.unreadable = failures.counter(
            "unreadable_fields_total", "Payload fields that could not be read.", "collector", "field"
        )
        self._incidents = own.counter(
            "web_incidents_total", "Hostile or broken HTTP clients, and refused web configurations, by kind.", "kind"
        )
        self.state_writable = own.gauge("state_writable", "1 if the last write of the state succeeded.")
        self.state_moved_aside = own.counter(
            "state_moved_aside_total", "State files moved aside because they were corrupt or not ours."
        )
        self.state_older = own.counter(
            "state_older_total",
            "Times that the state lacked commits that were made, so that run counters restarted at 0.",
        )
        self.state_damaged = own.counter(
            "state_damaged_records_total", "Records of the state that could not be read, by kind.", "kind"
        )
        self._reload_successful = own.gauge("config_last_reload_successful", "1 if the last reload succeeded.")
        self._reload_time = own.gauge(
            "config_last_reload_success_timestamp_seconds", "Time of the last successful reload."
        )
        for name in self._collectors:
            self.fails_as(name, (fields or {}).get(name, ()))
        for reason in RETRY_REASONS:
            self._retries.labels(reason)
        for source in SOURCES:
            self._run_delay.labels(source)

    def request(self, endpoint: str, code: str, seconds: float, *, beside: bool = False) -> None:
        """Count one request; `code` is the status, or `error` where no answer came.

        One `beside` goes to another host: it says nothing about whether CircleCI's API is up.
        """
        if not beside:
            self.recent.add(code)
        self._requests_of(endpoint, code).inc()
        self._durations_of(endpoint).observe(seconds)
        self._of_requests.changed()

    def retry(self, reason: str) -> None:
        self._retries.labels(reason).inc()
        self._of_requests.changed()

    def poll_late(self, seconds: float) -> None:
        """Note how late the newest poll began."""
        self._late_poll = seconds
        self._delay.set(max(seconds, self._late_look))

    def look_late(self, seconds: float) -> None:
        """Note for how long the pipeline that waits longest for its look has waited."""
        self._late_look = seconds
        self._delay.set(max(seconds, self._late_poll))

    def throttled(self, seconds: float) -> None:
        self.throttled_seconds += seconds
        self._throttled.inc(seconds)

    def quota(self, remaining: float | None, limit: float | None) -> None:
        """Show the rate limit as CircleCI last sent it; what it did not send is left as it is."""
        if remaining is not None:
            self.remaining.value = remaining
        if limit is not None:
            self.limit.value = limit

    def api_up(self, up: bool) -> None:
        """Whether the API answered the newest request and took the token; absent before the first one."""
        self.up.value = float(up)

    def fails_as(self, collector: str, fields: Iterable[str] = ()) -> None:
        """Show the failures of a collector that is no project's, each at 0; `fields` are the paths that it reads."""
        for reason in REASONS:
            self.failures.labels(collector, reason)
        for path in fields:
            self.unreadable.labels(collector, path)
        self._of_failures.changed()

    def failed(self, collector: str, reason: str) -> None:
        self.failures.labels(collector, reason).inc()
        self._of_failures.changed()

    def unread(self, collector: str, fields: Mapping[str, int]) -> None:
        for field, count in fields.items():
            self.unreadable.labels(collector, field).inc(count)
        self._of_failures.changed()

    def run_counted(self, source: str, delay: float) -> None:
        """Note how many seconds after its stop a run was published, and who told of it first."""
        self._run_delay.labels(source).observe(delay)
        self._of_requests.changed()

    def leads(self) -> None:
        self._families.gauge(*LEADER).set(1)

    def webhooks(self, events: Iterable[str], results: Iterable[str]) -> Callable[[str, str, int], None]:
        """Show the family of the webhook route, each series at 0; return what counts a number of requests."""
        text = "Webhook requests, by event and what became of them."
        requests = self._families.counter("webhooks_total", text, "event", "result")
        for event, result in product(events, results):
            requests.labels(event, result)
        return lambda event, result, number: requests.labels(event, result).inc(number)

    def web_incident(self, kind: str, count: int = 1) -> None:
        self._incidents.labels(kind).inc(count)

    def reloaded(self, good: bool) -> None:
        """Note the end of a reload, or of the first load."""
        self._reload_successful.set(float(good))
        if good:
            self._reload_time.set(time.time())

    def show(self, projects: int, series: Mapping[str, int]) -> None:
        """Set what is only counted when somebody looks: projects, and series by collector."""
        self.projects.set(projects)
        for collector in self._collectors:
            self.series.labels(collector).set(series.get(collector, 0))

    def described(self) -> list[tuple[str, str, str, list[str]]]:
        """Every family of the exporter's own prefix: name, type, help and labels."""
        return self._families.described

    def render(self, *, openmetrics: bool) -> bytes:
        """All families in the format asked for, without OpenMetrics' closing line.

        Counts of failures and requests are most of the lines, and most scrapes find them as they were.
        """
        families = (self._families, self._of_requests, self._of_failures)
        return b"".join(each.encode(openmetrics=openmetrics) for each in families)


class StandbyTelemetry:
    """What a replica shows while it stands by: its process, and that it does not lead."""

    def __init__(self, version: str) -> None:
        self._families = Families.of_process()
        self._families.gauge(*BUILD_INFO).labels(version, platform.python_version()).set(1)
        self._families.gauge(*LEADER).set(0)

    def render(self, *, openmetrics: bool) -> bytes:
        return self._families.encode(openmetrics=openmetrics)
