"""Self-hosted runners: a row for the dashboards about what waits now, and about the health of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.colors import BLUE, GRAY, VERMILLION, WELL
from deploy.grafana.frame import optional
from deploy.grafana.panels import Column, Line, chart, configured, listing

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from deploy.grafana.panels import Steps

NEEDED = configured("runners")
CLASS = "resource_class"
# A resource class without runners stands there with an empty version.
VERSIONED = ', version!=""'
UNCLAIMED, RUNNING = "circleci_runner_unclaimed_tasks", "circleci_runner_running_tasks"
WAITING_STEPS: Steps = [(None, WELL), (1, VERMILLION)]
LOST_STEPS: Steps = [(None, BLUE), (1, VERMILLION)]
CONNECTED_STEPS: Steps = [(None, VERMILLION), (1, WELL)]


def tasks(name: str) -> str:
    """Tasks of all resource classes; two exporters that read the same class count it once."""
    return f"sum(max by ({CLASS}) ({name}))"


def runners(state: str, by: str = "", more: str = "") -> str:
    """Runners in a state, by `by`."""
    grouped = f" by ({by})" if by else ""
    return f'sum{grouped} (max by ({CLASS}, version) (circleci_runners{{state="{state}"{more}}}))'


def self_hosted(board: Dashboard) -> None:
    """Add the row."""
    optional(
        board,
        "Self-hosted runners (runners)",
        listing(
            "Resource classes",
            "Tasks that wait and run, and runners by their last contact: connected within five minutes, otherwise "
            f"lost. Waiting tasks without a connected runner wait in vain. {NEEDED}",
            {CLASS: "Resource class"},
            [
                Column("Waiting", f"max by ({CLASS}) ({UNCLAIMED})", steps=WAITING_STEPS, width=90),
                Column("Running", f"max by ({CLASS}) ({RUNNING})", width=90),
                Column("Connected", runners("connected", CLASS), steps=CONNECTED_STEPS, width=100),
                Column("Lost", runners("lost", CLASS), steps=LOST_STEPS, width=80),
            ],
            sort="Waiting",
        ),
        listing(
            "Runner versions",
            f"Runners of all resource classes by the version of their agent. {NEEDED}",
            {"version": "Version"},
            [
                Column("Connected", runners("connected", "version", VERSIONED), width=100),
                Column("Lost", runners("lost", "version", VERSIONED), width=80),
            ],
            sort="Connected",
        ),
        chart(
            "Tasks for runners",
            f"Tasks of all resource classes: those that run, and those that no runner has taken yet. {NEEDED}",
            [Line(tasks(RUNNING), "running", WELL), Line(tasks(UNCLAIMED), "waiting", VERMILLION)],
            stacked=True,
            calculations=("lastNotNull", "max"),
        ),
        chart(
            "Runners",
            f"Runners of all resource classes by their last contact. {NEEDED}",
            [Line(runners("connected"), "connected", WELL), Line(runners("lost"), "lost", GRAY)],
            stacked=True,
            calculations=("lastNotNull", "max"),
        ),
    )
