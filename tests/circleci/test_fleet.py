from __future__ import annotations

from itertools import pairwise

from exporter.demo.clock import Clock
from exporter.demo.organization import WINDOWS, Organization
from tests.circleci.fleet import fleet
from tests.demo.asking import DAY, NOON


def test_every_window_of_a_fleet_has_a_row_for_every_workflow_and_job() -> None:
    organization = Organization(fleet(1, 3, 2, 4), clock=Clock(NOON, speed=0))
    for project in organization.projects:
        for workflow in project.workflows:
            for window, seconds in WINDOWS.items():
                metrics = organization.workflow_metrics(project.slug, workflow.name, None, window)
                assert metrics is not None
                assert metrics["total_runs"] == seconds // DAY
                at = organization.aggregated_at()
                assert len(organization.jobs(project.slug, workflow.name, None, window, at)) == 4


def test_projects_of_a_fleet_are_in_order_and_share_their_workflows() -> None:
    projects = fleet(1, 12, 2, 2)
    assert all(one.slug < other.slug for one, other in pairwise(projects))
    assert projects[0].workflows is projects[11].workflows
