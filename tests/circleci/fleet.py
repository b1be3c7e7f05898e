"""A fleet of alike projects of any size, for benchmarks and limits."""

from __future__ import annotations

from exporter.demo.draws import uuid_for
from exporter.demo.model import DemoJob, DemoProject, DemoWorkflow, Owner


def fleet(seed: int, projects: int, workflows: int, jobs: int) -> tuple[DemoProject, ...]:
    """Projects gh/fleet/project-00000 and so on, each with the same names of workflows and jobs.

    Every workflow runs once a day on the default branch, so that every window has a row for each of them.
    """
    of = Owner("gh", "fleet", "fleet", uuid_for(f"{seed}|owner|fleet"))
    each = tuple(DemoJob(f"job-{index:03}", (index % 9 + 1) / 10) for index in range(jobs))
    shared = tuple(
        DemoWorkflow(f"workflow-{index:03}", each, 1, 120 + 20 * (index % 20), on_default=1, steady=True)
        for index in range(workflows)
    )
    return tuple(
        DemoProject(of, name, name, uuid_for(f"{seed}|{name}"), workflows=shared)
        for name in (f"project-{index:05}" for index in range(projects))
    )
