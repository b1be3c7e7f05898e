"""What a scrape is given."""

from __future__ import annotations

import gzip

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.insights.collectors import NAMES
from exporter.publishing.scrape import scrape
from exporter.publishing.store import SnapshotStore
from exporter.telemetry import Telemetry
from tests.knowledge.samples import NOW, snapshot


def body(store: SnapshotStore, *, openmetrics: bool, compressed: bool) -> str:
    pieces, length = scrape(store, Telemetry("1", NAMES), openmetrics=openmetrics, gzip=compressed)
    sent = b"".join(pieces)
    assert len(sent) == length
    return (gzip.decompress(sent) if compressed else sent).decode()


@pytest.mark.parametrize("compressed", [False, True])
def test_both_formats_are_read_by_their_parsers(compressed: bool) -> None:
    store = SnapshotStore()
    store.publish([snapshot(workflows=('say "hi" \\ {now}\n', "<script>"))], NOW)
    text = body(store, openmetrics=False, compressed=compressed)
    openmetrics = body(store, openmetrics=True, compressed=compressed)
    assert openmetrics.endswith("# EOF\n")
    assert openmetrics.count("# EOF") == 1
    for families in (list(parse_text(text)), list(parse_openmetrics(openmetrics))):
        (runs,) = [family for family in families if family.name == "circleci_insights_workflow_runs"]
        assert {sample.labels["workflow"] for sample in runs.samples} == {'say "hi" \\ {now}\n', "<script>"}


def test_no_family_comes_twice() -> None:
    store = SnapshotStore()
    store.publish([snapshot()], NOW)
    headers = [line for line in body(store, openmetrics=False, compressed=False).splitlines() if "# TYPE" in line]
    assert len(headers) == len(set(headers))


def test_a_plain_scrape_inflates_a_piece_when_it_is_sent() -> None:
    store = SnapshotStore()
    store.publish([snapshot()], NOW)
    pieces, _ = scrape(store, Telemetry("1", NAMES), openmetrics=False, gzip=False)
    assert pieces[0].startswith(b"# HELP circleci_insights_project_info")
    assert b"".join(pieces[:2]) == pieces[0] + pieces[1]
