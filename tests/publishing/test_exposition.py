"""Families of no project, in a scrape with all others."""

from __future__ import annotations

import gzip

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.insights.collectors import NAMES
from exporter.insights.family import Family
from exporter.publishing.exposition import Beside, beside
from exporter.publishing.scrape import scrape
from exporter.publishing.store import SnapshotStore
from exporter.telemetry import Telemetry
from tests.knowledge.samples import NOW, snapshot

GAUGE = Family("", "circleci_things", "Things.")
COUNTER = Family("", "circleci_events_total", "Events.", kind="counter")
SHOWN = beside([(GAUGE, 'circleci_things{a="ö"} 3.0\n'.encode()), (COUNTER, b"circleci_events_total 4.0\n")])


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_they_stand_once_in_every_form_of_a_scrape(openmetrics: bool, compressed: bool) -> None:
    store = SnapshotStore()
    store.publish([snapshot()], NOW)
    pieces, length = scrape(
        store, Telemetry("1", NAMES), openmetrics=openmetrics, gzip=compressed, beside=[Beside(), SHOWN]
    )
    sent = b"".join(pieces)
    assert len(sent) == length
    text = (gzip.decompress(sent) if compressed else sent).decode()
    found = list((parse_openmetrics if openmetrics else parse_text)(text))
    samples = [sample for family in found for sample in family.samples]
    assert [sample.value for sample in samples if sample.name == "circleci_things"] == [3]
    assert [sample.value for sample in samples if sample.name == "circleci_events_total"] == [4]
    assert any(sample.name == "circleci_insights_workflow_runs" for sample in samples)
    assert any(sample.name == "circleci_exporter_build_info" for sample in samples)


def test_nothing_is_published_without_a_family() -> None:
    assert beside([]) == Beside()
