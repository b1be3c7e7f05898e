"""The KEDA scaler of the documents: read as YAML, run by Prometheus, and an error where a count is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporter.runners.families import FAMILIES
from tests.deploy.promql import selectors
from tests.repository.test_docs import fences

if TYPE_CHECKING:
    from exporter.demo.messages import Json

PAGE = Path(__file__).parents[2] / "docs" / "runners.md"
SCALER = ("serverAddress", "query", "threshold", "activationThreshold", "ignoreNullValues")


@pytest.fixture(name="scaled")
def read() -> dict[str, Json]:
    (block,) = [block for block in fences(PAGE, "yaml") if "kind: ScaledObject" in block]
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def test_it_is_a_scaled_object_with_one_prometheus_trigger(scaled: dict[str, Json]) -> None:
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = scaled["spec"]
    assert spec["scaleTargetRef"] == {"name": scaled["metadata"]["name"]}
    assert 0 <= spec["minReplicaCount"] < spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "prometheus"
    assert tuple(trigger["metadata"]) == SCALER
    assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA reads text alone"
    assert float(trigger["metadata"]["threshold"]) == 1


def test_a_lost_target_is_an_error_and_not_zero(scaled: dict[str, Json]) -> None:
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    assert metadata["ignoreNullValues"] == "false"
    assert "vector(0)" not in metadata["query"]
    assert " or " not in metadata["query"]


def test_its_query_names_families_and_labels_that_there_are(scaled: dict[str, Json]) -> None:
    exposed = {family.name: family.labels for family in FAMILIES}
    found = dict(selectors(scaled["spec"]["triggers"][0]["metadata"]["query"]))
    assert found == {
        "circleci_runner_unclaimed_tasks": ("resource_class",),
        "circleci_runner_running_tasks": ("resource_class",),
    }
    assert all(set(labels) <= set(exposed[name]) for name, labels in found.items())
