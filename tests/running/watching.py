"""What happens now in one project: pipelines that a test starts and ends, and what is counted of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.insights.collector import PIPELINES_POLL, RUNS_POLL
from exporter.insights.collectors import PIPELINES
from tests.circleci import Circle
from tests.running.engine import NOON, SLUG, Running

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.config import Project
    from tests.running.skipping import Skipping


class Watching(Running):
    """One project whose pipelines are watched. Its only pipelines are those that a test adds.

    `further` is more of the configuration, `others` are further projects, which are looked at too.
    """

    further = others = ""

    def __init__(
        self,
        path: Path | None = None,
        settings: str = "",
        collectors: str = PIPELINES,
        *,
        circle: Circle | None = None,
        waits: Skipping | None = None,
    ) -> None:
        """`settings` stand on the project; a path of None keeps state in memory. Lists are walked every minute."""
        if "pipelines:" not in settings:
            settings = f"pipelines: {{idle_interval: 1m}}, {settings}"
        self.settings, self.collectors = settings, collectors
        circle = circle or Circle(start=NOON, speed=0, quiet=True, refresh=1)
        circle.organization.roster.add(SLUG)
        super().__init__(circle, path=path, waits=waits)

    def projects(self) -> str:
        return (
            f"{self.further}projects: [{{slug: {SLUG}, collectors: [{self.collectors}], {self.settings}}}{self.others}]"
        )

    @property
    def project(self) -> Project:
        """The project with its settings."""
        return self.config.projects[0]

    def switch(self, collectors: str) -> None:
        """Poll by other collectors from now on, as a reload does."""
        self.reload(collectors=collectors)

    def look(self, after: float = 0.0) -> None:
        """Let time pass, and do what is due."""
        self.pass_time(after)
        for project in self.config.projects:
            self.poll(project.slug, PIPELINES_POLL if PIPELINES in project.collectors else RUNS_POLL)

    def begin(self) -> None:
        """Have the first look, before anything happens."""
        self.look()
        self.pass_time(1)

    def looks(self, times: int, every: float = 60.0) -> None:
        """Look again and again."""
        for _ in range(times):
            self.look(every)

    def start(self, branch: str | None = "main", **more: Any) -> str:
        """Start a pipeline with one workflow of two jobs, the second of which runs on; returns the workflow's id."""
        jobs = [
            {"name": "build", "status": "success", "started": self.now + 5, "stopped": self.now + 60},
            {"name": "test", "status": "running", "started": self.now + 70, "dependencies": ["build"]},
        ]
        pipeline = self.circle.pipelines.add(SLUG, branch, **more)
        return self.circle.pipelines.add_workflow(pipeline.id, "build", jobs=jobs).id

    def end(self, workflow: str, status: str = "success", at: float | None = None, **more: Any) -> None:
        """End a workflow's second job, and the workflow."""
        stopped = self.now if at is None else at
        self.circle.pipelines.change_job(workflow, "test", status=status, stopped=stopped)
        self.circle.pipelines.change_workflow(workflow, status=status, stopped=stopped, **more)

    def pipeline(self, workflow: str) -> str:
        """The id of the pipeline of a workflow run."""
        (found,) = (
            each["id"] for each in self.circle.pipelines.truth() if workflow in {one["id"] for one in each["workflows"]}
        )
        return str(found)

    def runs(self, status: str = "success", branch: str = "main") -> float | None:
        """How many runs of the workflow are counted."""
        return self.value("circleci_workflow_runs_total", workflow="build", status=status, branch=branch)

    def job_runs(self, name: str, status: str = "success") -> float | None:
        """How many runs of a job are counted, on all branches."""
        found = self.samples("circleci_job_runs_total", job_name=name, status=status)
        return sum(found.values()) if found else None

    def credits(self, branch: str = "main") -> float | None:
        """The credits that are counted."""
        return self.value("circleci_workflow_run_credits_total", workflow="build", branch=branch)

    def in_progress(self) -> dict[str, float]:
        """The workflow runs in progress by status, but for those at 0."""
        found = self.samples("circleci_workflow_runs_in_progress", workflow="build")
        return {head.split('status="')[1].split('"')[0]: value for head, value in found.items() if value}
