"""prometheus_client as its documentation says: a custom collector that makes its families at each scrape, over WSGI."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from benchmarks.peers import families

if TYPE_CHECKING:
    from collections.abc import Iterator


class Custom(Collector):
    """Plain tuples, made into families when they are collected."""

    def __init__(self, file: Path) -> None:
        """Read the file once."""
        self._families = list(families.read(file))

    def collect(self) -> Iterator[Metric]:
        """Make the families."""
        for family in self._families:
            made = GaugeMetricFamily(family.name, "Peer.", labels=family.names)
            for labels, value in family.values:
                made.add_metric(labels, value)
            yield made


class Quiet(WSGIRequestHandler):
    """Keeps connections, logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Custom(Path(sys.argv[2])))
    make_server("127.0.0.1", int(sys.argv[1]), make_wsgi_app(registry), handler_class=Quiet).serve_forever()


if __name__ == "__main__":
    main()
