"""What happens now in this process: a synthetic CircleCI, an engine on a state file, clocks that a test moves."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.insights.collector import PIPELINES_POLL, RUNS_POLL
from exporter.insights.collectors import PIPELINES
from exporter.knowledge import plan
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from exporter.publishing.scrape import scrape
from tests.circleci import Circle
from tests.running.skipping import Skipping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.system.logs import Logger

NOON = 1_790_000_000.0
SLUG = "gh/acme/web"


class Watching:
    """One project whose pipelines are watched. Its only pipelines are those that a test adds.

    `further` is more of the configuration, `others` are further projects, which are looked at too.
    """

    further = others = ""

    def __init__(self, path: Path | None = None, settings: str = "", collectors: str = PIPELINES) -> None:
        """`settings` stand on the project; a path of None keeps state in memory. Lists are walked every minute."""
        if "pipelines:" not in settings:
            settings = f"pipelines: {{idle_interval: 1m}}, {settings}"
        self.path, self.settings, self.collectors, self.now = path, settings, collectors, NOON
        self.circle = Circle(start=NOON, speed=0, quiet=True, refresh=1).start()
        self.circle.organization.roster.add(SLUG)
        self.log = CapturingLogger()
        self.open()

    def open(self) -> None:
        """Start the engine, as a restart does."""
        path = f"'{self.path}'" if self.path else "null"
        config = parse(
            f"circleci: {{url: '{self.circle.url}', requests_per_second: 1000, burst: 1000, timeout: 20s}}\n"
            f"state: {{path: {path}}}\n{self.further}"
            f"projects: [{{slug: {SLUG}, collectors: [{self.collectors}], {self.settings}}}{self.others}]"
        )
        self.config, self.project = config, config.projects[0]
        environ = {"CIRCLECI_TOKEN": self.circle.token}
        self.engine = engine = Engine(config, cast("Logger", self.log), environ=environ, clocks=self.clocks())
        known = {found.slug: found for found in engine.state.load()}
        for project in config.projects:
            snapshot = Snapshot(project)
            if found := known.get(project.slug):
                live = found.live if PIPELINES in project.collectors else None
                ledger = found.ledger and found.ledger.shown_anew(self.now)
                snapshot = Snapshot(project, found.facts, {}, found.outcomes, ledger=ledger, live=live)
            engine.store.publish([snapshot], self.now)

    def clocks(self) -> Clocks:
        """Nobody waits, and one question is asked after another."""
        waits = Skipping()
        return Clocks(lambda: self.now, waits.clock, waits)

    def switch(self, collectors: str) -> None:
        """Poll by other collectors from now on, as a reload does."""
        self.collectors = collectors
        config = parse(f"projects: [{{slug: {SLUG}, collectors: [{collectors}], {self.settings}}}]")
        before, self.project = self.engine.store.get(SLUG), config.projects[0]
        assert before is not None
        self.engine.store.publish([plan.pruned(replace(before, project=self.project)).snapshot], self.now)

    def close(self) -> None:
        """End the engine; what it has not committed is lost."""
        self.engine.close()

    def restart(self, **settings: Any) -> None:
        """End the engine and start it again, with other settings if some are given."""
        self.close()
        for name, value in settings.items():
            setattr(self, name, value)
        self.open()

    def pass_time(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.now += seconds
        self.circle.clock.advance(seconds)

    def look(self, after: float = 0.0) -> None:
        """Let time pass, and do what is due."""
        self.pass_time(after)
        for project in self.config.projects:
            kind = PIPELINES_POLL if PIPELINES in self.project.collectors else RUNS_POLL
            poll = self.engine.begin(project.slug, kind)
            while poll is not None and poll.step():
                pass

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

    def asked(self) -> list[str]:
        """The paths that were asked for since the last call."""
        seen = [request.path for request in self.circle.requests]
        self.circle.forget_requests()
        return seen

    def samples(self, name: str, **labels: str) -> dict[str, float]:
        """The samples of one name that have these labels, by their text in braces."""
        pieces, _ = scrape(self.engine.store, self.engine.telemetry, openmetrics=False, gzip=False)
        found = {}
        for line in b"".join(pieces).decode().splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                found[head.removeprefix(name)] = float(value)
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The only sample of one name with these labels; None where there is none."""
        found = self.samples(name, **labels)
        assert len(found) <= 1, found
        return next(iter(found.values()), None)

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


@contextmanager
def watching(path: Path | None = None, settings: str = "", collectors: str = PIPELINES) -> Iterator[Watching]:
    """A project whose pipelines are watched, before its first look."""
    running = Watching(path, settings, collectors)
    try:
        yield running
    finally:
        running.close()
        running.circle.stop()
