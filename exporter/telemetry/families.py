"""Making families of the exporter's own prefix, and encoding those that seldom change only then."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from exporter.formats.exposition import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Made = TypeVar("Made", bound=Collector)
PREFIX = "circleci_exporter_"
OF_THE_PROCESS = (ProcessCollector, PlatformCollector, GCCollector)

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


class Families:
    """All families of a process. Those that are `kept` are encoded again only after a change, the others each time."""

    def __init__(self) -> None:
        """Start with those of the process and of Python."""
        self.registry = CollectorRegistry(auto_describe=False)
        self.described: list[tuple[str, str, str, list[str]]] = []
        self._often: list[Collector] = [collector(registry=self.registry) for collector in OF_THE_PROCESS]

    def late(self, name: str, text: str) -> LateGauge:
        """A gauge that is absent until it has a value."""
        return self._made("gauge", LateGauge(PREFIX + name, text, self.registry), name, text)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return self._made("gauge", Gauge(PREFIX + name, text, labels, registry=self.registry), name, text, labels)

    def counter(self, name: str, text: str, *labels: str, kept: Kept | None = None) -> Counter:
        """A counter; its name ends in `_total`."""
        made = Counter(PREFIX + name, text, labels, registry=self.registry)
        return self._made("counter", made, name, text, labels, kept)

    def histogram(self, name: str, text: str, label: str, buckets: Sequence[float], kept: Kept) -> Histogram:
        made = Histogram(PREFIX + name, text, (label,), buckets=buckets, registry=self.registry)
        return self._made("histogram", made, name, text, (label,), kept)

    def encode(self, *, openmetrics: bool) -> bytes:
        """Write those that are not kept."""
        return encoded(chain.from_iterable(family.collect() for family in self._often), openmetrics=openmetrics)

    def _made(  # noqa: PLR0917  a family and what describes it
        self, kind: str, made: Made, name: str, text: str, labels: Sequence[str] = (), kept: Kept | None = None
    ) -> Made:
        self.described.append((PREFIX + name, kind, text, list(labels)))
        (self._often if kept is None else kept.families).append(made)
        return made
