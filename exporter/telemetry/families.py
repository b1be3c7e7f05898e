"""Making families of the exporter's own prefix, and encoding those that seldom change only then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Self, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from exporter.formats.exposition import encoded

Made = TypeVar("Made", bound=Collector)
PREFIX = "circleci_exporter_"
OF_THE_PROCESS = (ProcessCollector, PlatformCollector, GCCollector)

disable_created_metrics()


class LateGauge(Collector):
    """A gauge that is absent until it has a value: what is not known is not 0."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry) -> None:
        self.name, self.text = name, text
        self.value: float | None = None
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self.name, self.text, value=self.value)


class Families:
    """Families that are encoded at each scrape."""

    def __init__(self, registry: CollectorRegistry, described: list[tuple[str, str, str, list[str]]]) -> None:
        """Start with none; `described` takes name, type, help and labels of each."""
        self.registry, self.described = registry, described
        self._collectors: list[Collector] = []

    @classmethod
    def of_process(cls) -> Self:
        """Start with those of the process and of Python."""
        families = cls(CollectorRegistry(auto_describe=False), [])
        families._collectors += [collector(registry=families.registry) for collector in OF_THE_PROCESS]
        return families

    def kept(self) -> Kept:
        """A group of the same process that is encoded again only after a change."""
        return Kept(self.registry, self.described)

    def late(self, name: str, text: str) -> LateGauge:
        return self._made("gauge", LateGauge(PREFIX + name, text, self.registry), name, text)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return self._made("gauge", Gauge(PREFIX + name, text, labels, registry=self.registry), name, text, labels)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter; its name ends in `_total`."""
        return self._made("counter", Counter(PREFIX + name, text, labels, registry=self.registry), name, text, labels)

    def histogram(self, name: str, text: str, label: str, buckets: Sequence[float]) -> Histogram:
        made = Histogram(PREFIX + name, text, (label,), buckets=buckets, registry=self.registry)
        return self._made("histogram", made, name, text, (label,))

    def encode(self, *, openmetrics: bool) -> bytes:
        """Write all of them, without OpenMetrics' closing line."""
        return encoded(chain.from_iterable(family.collect() for family in self._collectors), openmetrics=openmetrics)

    def _made(self, kind: str, made: Made, name: str, text: str, labels: Sequence[str] = ()) -> Made:
        self.described.append((PREFIX + name, kind, text, list(labels)))
        self._collectors.append(made)
        return made


class Kept(Families):
    """Families that are encoded again only after they have changed."""

    def __init__(self, registry: CollectorRegistry, described: list[tuple[str, str, str, list[str]]]) -> None:
        super().__init__(registry, described)
        self._changes = 0
        self._kept: dict[bool, tuple[int, bytes]] = {}

    def changed(self) -> None:
        """Call it after a change: what is encoded for a number of changes has at least those."""
        self._changes += 1

    def encode(self, *, openmetrics: bool) -> bytes:
        changes = self._changes
        known = self._kept.get(openmetrics)
        if known is None or known[0] != changes:
            known = self._kept[openmetrics] = changes, super().encode(openmetrics=openmetrics)
        return known[1]
