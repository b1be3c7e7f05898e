"""The exporter's own metrics, except those about a single project.

What a project says of itself (`circleci_exporter_collector_success` and its kin) is rendered with that
project's publication instead: at 5,000 projects it would cost each scrape 40,000 lines.
"""

from __future__ import annotations

import platform
import threading
import time
from collections import Counter as Counts
from collections import deque
from itertools import chain, product
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from exporter.errors import REASONS
from exporter.formats.exposition import encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PREFIX = "circleci_exporter_"
REQUEST_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DELAY_BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 21_600, 86_400)
SOURCES = ("insights", "pipelines", "webhook")
"""What can tell first that a workflow run has ended."""
HOUR_OF_MINUTES = 60
RETRY_REASONS = ("connection", "timeout", "server", "truncated", "payload", "throttled", "unauthorized")

BUILD_INFO = ("build_info", "Version of the exporter and of Python; always 1.")
LEADER = ("leader", "1 if this replica leads its shard, 0 if it stands by. Only with `state.url`.")

disable_created_metrics()


class LateGauge(Collector):
    """A gauge that is absent until it has a value: what is not known is not 0."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry) -> None:
        """Register it without a sample."""
        self.name, self.text = name, text
        self.value: float | None = None
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the family, with its sample once there is one."""
        yield GaugeMetricFamily(self.name, self.text, value=self.value)


class Kept:
    """Families that are encoded again only after they have changed."""

    def __init__(self) -> None:
        """Start with none."""
        self.families: list[Collector] = []
        self._changes = 0
        self._encoded: dict[bool, tuple[int, bytes]] = {}

    def changed(self) -> None:
        """Call it after a change: what is encoded for a number of changes has at least those."""
        self._changes += 1

    def encode(self, *, openmetrics: bool) -> bytes:
        """Write them as they are, or as they were written last."""
        changes = self._changes
        known = self._encoded.get(openmetrics)
        if known is None or known[0] != changes:
            metrics = chain.from_iterable(family.collect() for family in self.families)
            known = self._encoded[openmetrics] = changes, encoded(metrics, openmetrics=openmetrics)
        return known[1]


class RecentRequests:
    """Requests of the last hour by status code, in buckets of a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty; `clock` gives seconds."""
        self._clock = clock
        self._minutes: deque[tuple[int, Counts[str]]] = deque(maxlen=HOUR_OF_MINUTES)
        self._lock = threading.Lock()
        self.newest = ""

    def add(self, code: str) -> None:
        """Count one request."""
        minute = int(self._clock() // 60)
        with self._lock:
            if not self._minutes or self._minutes[-1][0] != minute:
                self._minutes.append((minute, Counts()))
            self._minutes[-1][1][code] += 1
            self.newest = code

    def by_code(self) -> dict[str, int]:
        """Count the last hour's requests by code."""
        oldest = int(self._clock() // 60) - HOUR_OF_MINUTES
        with self._lock:
            return dict(sum((counts for minute, counts in self._minutes if minute > oldest), Counts[str]()))


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
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self._often: list[Collector] = []
        self._of_failures, self._of_requests = Kept(), Kept()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            self._often.append(collector(registry=registry))

        self._described: list[tuple[str, str, str, list[str]]] = []

        def late(name: str, text: str) -> LateGauge:
            self._described.append((PREFIX + name, "gauge", text, []))
            self._often.append(made := LateGauge(PREFIX + name, text, registry))
            return made

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            self._described.append((PREFIX + name, "gauge", text, list(labels)))
            self._often.append(made := Gauge(PREFIX + name, text, labels, registry=registry))
            return made

        def counter(name: str, text: str, *labels: str) -> Counter:
            self._described.append((PREFIX + name, "counter", text, list(labels)))
            self._often.append(made := Counter(PREFIX + name, text, labels, registry=registry))
            return made

        gauge(*BUILD_INFO, "version", "python_version").labels(version, platform.python_version()).set(1)
        gauge("shard_ordinal", "Ordinal of this shard.").set(shard)
        gauge("total_shards", "Number of shards in the fleet.").set(total_shards)
        self.projects = gauge("projects", "Projects polled by this process.")
        self.watched = gauge("watched_pipelines", "Pipelines that are looked at again.")
        self.discovered = gauge("discovered_projects", "Projects found in an organization.", "organization")
        self.up = late("up", "1 if the API answered the last request and accepted the token.")
        self.failures = counter(
            "collector_failures_total", "Failed requests of polls, by collector and reason.", "collector", "reason"
        )
        self._of_failures.families.append(self._often.pop())
        for name in self._collectors:
            for reason in REASONS:
                self.failures.labels(name, reason)
        self.poll_delay = gauge("poll_delay_seconds", "How late the last poll started.")
        self._requests = counter(
            "api_requests_total",
            "Requests to CircleCI's API by path template and status code; code is error if there was no response.",
            "endpoint",
            "code",
        )
        took = "Duration of requests to CircleCI's API."
        self._described.append((PREFIX + "api_request_duration_seconds", "histogram", took, ["endpoint"]))
        self._durations = Histogram(
            PREFIX + "api_request_duration_seconds",
            took,
            ("endpoint",),
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self._of_requests.families += (self._often.pop(), self._durations)
        self._retries = counter("api_retries_total", "Retried requests, by reason.", "reason")
        self._of_requests.families.append(self._often.pop())
        for reason in RETRY_REASONS:
            self._retries.labels(reason)
        self._run_delay = self._delays()
        self._throttled = counter(
            "api_throttled_seconds_total", "Seconds for which all requests were paused after CircleCI refused one."
        )
        self.remaining = late(
            "api_rate_limit_remaining", "Requests left in CircleCI's rate limit window, as last reported."
        )
        self.limit = late("api_rate_limit_limit", "Requests allowed in CircleCI's rate limit window, as last reported.")
        self.series = gauge("series", "Series published, by collector.", "collector")
        self.unreadable = counter(
            "unreadable_fields_total", "Payload fields that could not be read.", "collector", "field"
        )
        self._of_failures.families.append(self._often.pop())
        for name, paths in (fields or {}).items():
            for path in paths:
                self.unreadable.labels(name, path)
        self._incidents = counter(
            "web_incidents_total", "Hostile or broken HTTP clients, and refused web configurations, by kind.", "kind"
        )
        self.state_writable = gauge("state_writable", "1 if the last write to the state file succeeded.")
        self.state_moved_aside, self.state_damaged = (
            counter("state_moved_aside_total", "State files moved aside because they were corrupt or not ours."),
            counter(
                "state_damaged_records_total", "Records of the state file that could not be read, by kind.", "kind"
            ),
        )
        self._reload_successful = gauge("config_last_reload_successful", "1 if the last reload succeeded.")
        self._reload_time = gauge("config_last_reload_success_timestamp_seconds", "Time of the last successful reload.")

    def _delays(self) -> Histogram:
        text = "Time from the stop of a workflow run until it was published, by what told of it first."
        self._described.append((PREFIX + "run_delay_seconds", "histogram", text, ["source"]))
        delays = Histogram(
            PREFIX + "run_delay_seconds", text, ("source",), buckets=DELAY_BUCKETS, registry=self.registry
        )
        for source in SOURCES:
            delays.labels(source)
        self._of_requests.families.append(delays)
        return delays

    def request(self, endpoint: str, code: str, seconds: float, *, beside: bool = False) -> None:
        """Count one request; `code` is the status, or `error` where no answer came.

        One `beside` goes to another host: it says nothing about whether CircleCI's API is up.
        """
        if not beside:
            self.recent.add(code)
        self._requests.labels(endpoint, code).inc()
        self._durations.labels(endpoint).observe(seconds)
        self._of_requests.changed()

    def retry(self, reason: str) -> None:
        """Count a request that is asked again."""
        self._retries.labels(reason).inc()
        self._of_requests.changed()

    def throttled(self, seconds: float) -> None:
        """Add to the seconds for which everything was paused."""
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
        """Count one failed question."""
        self.failures.labels(collector, reason).inc()
        self._of_failures.changed()

    def unread(self, collector: str, fields: Mapping[str, int]) -> None:
        """Count fields that could not be read, by their dotted path."""
        for field, count in fields.items():
            self.unreadable.labels(collector, field).inc(count)
        self._of_failures.changed()

    def run_counted(self, source: str, delay: float) -> None:
        """Note how many seconds after its stop a run was published, and who told of it first."""
        self._run_delay.labels(source).observe(delay)
        self._of_requests.changed()

    def leads(self) -> None:
        """Show that this replica leads."""
        self._described.append((PREFIX + LEADER[0], "gauge", LEADER[1], []))
        leader = Gauge(PREFIX + LEADER[0], LEADER[1], registry=self.registry)
        leader.set(1)
        self._often.append(leader)

    def webhooks(self, events: Iterable[str], results: Iterable[str]) -> Callable[[str, str, int], None]:
        """Show the family of the webhook route, each series at 0; return what counts a number of requests."""
        text = "Webhook requests, by event and what became of them."
        self._described.append((PREFIX + "webhooks_total", "counter", text, ["event", "result"]))
        requests = Counter(PREFIX + "webhooks_total", text, ("event", "result"), registry=self.registry)
        self._often.append(requests)
        for event, result in product(events, results):
            requests.labels(event, result)
        return lambda event, result, number: requests.labels(event, result).inc(number)

    def web_incident(self, kind: str, count: int = 1) -> None:
        """Count what went wrong on the web side; the kinds are bounded."""
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
        return self._described

    def render(self, *, openmetrics: bool) -> bytes:
        """All families in the format asked for, without OpenMetrics' closing line.

        Counts of failures and requests are most of the lines, and most scrapes find them as they were.
        """
        often = chain.from_iterable(collector.collect() for collector in self._often)
        kept = (self._of_requests, self._of_failures)
        return b"".join(
            (encoded(often, openmetrics=openmetrics), *(each.encode(openmetrics=openmetrics) for each in kept))
        )


class StandbyTelemetry:
    """What a replica shows while it stands by: its process, and that it does not lead."""

    def __init__(self, version: str) -> None:
        """Make every family."""
        self._registry = registry = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        build = Gauge(PREFIX + BUILD_INFO[0], BUILD_INFO[1], ("version", "python_version"), registry=registry)
        build.labels(version, platform.python_version()).set(1)
        Gauge(PREFIX + LEADER[0], LEADER[1], registry=registry).set(0)

    def render(self, *, openmetrics: bool) -> bytes:
        """All families in the format asked for, without OpenMetrics' closing line."""
        return encoded(self._registry.collect(), openmetrics=openmetrics)
