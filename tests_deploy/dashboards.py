"""The committed dashboards: their panels, queries and variables, and the views in which they are tried."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).parent.parent / "deploy" / "grafana" / "dashboards"
NAMES = ("overview", "now", "workflow", "delivery", "cost", "exporter")
HOUR, DAY = 3600, 86_400
# A workflow of many jobs, and one with flaky tests.
BUSY, FLAKY = ("gh/acme/web", "build-and-test"), ("gh/acme/api", "test")


@dataclass(frozen=True, slots=True)
class View:
    """A time range and values for the variables; times in Unix seconds, the step and rate interval in seconds."""

    start: int
    end: int
    step: int
    rate_interval: int
    variables: dict[str, str]

    def settings(self) -> dict[str, Any]:
        """For the page that draws."""
        return {
            "start": self.start,
            "end": self.end,
            "step": self.step,
            "rateInterval": f"{self.rate_interval}s",
            "variables": self.variables,
        }

    def filled(self, expression: str) -> str:
        """An expression with the variables' values put in."""
        values = {"__rate_interval": f"{self.rate_interval}s", **self.variables}
        for name, value in values.items():
            expression = expression.replace(f"${{{name}}}", value).replace(f"${name}", value)
        return expression


def view(name: str, end: int, instance: str, workflow: tuple[str, str] = BUSY) -> View:
    """How a dashboard is tried: six hours of what changes in minutes, two weeks of everything else."""
    start = end - 14 * 24 * HOUR
    variables = {"cluster": ".*", "project": ".*", "workflow": ".*", "branch": ".*", "window": "last-7-days"}
    if name in {"exporter", "now"}:
        here = {"job": "circleci-insights-exporter", "cluster": ".*", "instance": instance, "project": ".*"}
        return View(end - 6 * HOUR, end, 900, 3600, here)
    if name == "delivery":
        return View(start, end, 8 * HOUR, 24 * HOUR, variables)
    if name == "cost":
        # At whole steps, as Grafana asks.
        return View((end // DAY - 7) * DAY, end, DAY, 4 * HOUR, {"cluster": ".*", "project": ".*", "price": "0.0006"})
    if name == "workflow":
        variables = {
            **variables,
            "project": workflow[0],
            "workflow": workflow[1],
            "branch": "main",
            "slug": workflow[0],
        }
    return View(start, end, 8 * HOUR, 16 * HOUR, variables)


def read(name: str) -> dict[str, Any]:
    """A dashboard's document."""
    document: dict[str, Any] = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def panels(name: str) -> list[dict[str, Any]]:
    """Its panels, without the rows' headings."""
    return [panel for panel in unfolded(read(name))["panels"] if panel["type"] != "row"]


def unfolded(document: dict[str, Any]) -> dict[str, Any]:
    """The same dashboard with all rows open."""
    opened = [each for panel in document["panels"] for each in (panel, *panel.get("panels", ()))]
    return {**document, "panels": opened}
