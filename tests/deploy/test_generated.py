"""What is made from something else in deploy/ is as it would be made now."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import jsonschema
import pytest

from exporter import __version__
from tests.deploy.exporter_metrics import DEPLOY, ROOT, documents

CHART = DEPLOY / "helm" / "circleci-insights-exporter"


def test_rules_readme_and_schema_of_the_chart_and_of_kustomize_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.sync_deploy", "--check"], check=False, cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, f"make dashboards would change {done.stdout}"


def leaves(values: object, path: str = "") -> list[str]:
    if isinstance(values, dict) and values and path not in FREE:
        return [leaf for key, value in values.items() for leaf in leaves(value, f"{path}.{key}".lstrip("."))]
    return [path]


# Their keys are Kubernetes' own.
FREE = {"resources", "livenessProbe", "readinessProbe", "podSecurityContext", "securityContext"}
FREE |= {"dashboards.labels", "dashboards.annotations", "strategy"}


@pytest.mark.parametrize("value", leaves(documents(CHART / "values.yaml")))
def test_every_value_of_the_chart_is_explained_in_its_readme(value: str) -> None:
    assert f"| `{value}` |" in (CHART / "README.md").read_text(encoding="utf-8")


def test_the_charts_schema_takes_its_own_values_with_every_threshold_of_a_project() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = documents(CHART / "values.yaml")
    table = (
        (DEPLOY / "prometheus" / "README.md").read_text(encoding="utf-8").partition("A project can have its own:")[2]
    )
    own = re.findall(r"^\| `(\w+)` \|", table.partition("So can an organization")[0], re.MULTILINE)
    thresholds = values["prometheusRule"]["thresholds"]
    values["prometheusRule"]["projectThresholds"] = {"gh/acme/web": {name: thresholds[name] for name in own}}

    jsonschema.validate(values, schema)
    assert own


def test_the_chart_has_the_version_of_the_exporter() -> None:
    assert documents(CHART / "Chart.yaml")["appVersion"] == __version__
    assert documents(CHART / "Chart.yaml")["version"] == __version__


def test_kustomize_takes_the_image_of_the_exporters_version() -> None:
    (image,) = documents(DEPLOY / "kubernetes" / "base" / "kustomization.yaml")["images"]

    assert image["newTag"] == __version__
