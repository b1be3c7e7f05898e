"""Runs that only webhooks tell of: a sender that signs, repeats, reorders, forges, and an exporter that is killed."""

from __future__ import annotations

import uuid
from collections import Counter
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from tests.campaigns.frame import EVERY, TOKEN, Campaign
from tests.campaigns.samples import labels
from tests.circleci import RemoteCircle
from tests.circleci.webhooks import job_completed, send, workflow_completed
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.samples import Samples

SECRET = "the-secret-of-webhooks"
SLUGS = ("gh/acme/web", "gh/acme/api", "gh/acme/docs")
WORKFLOWS, BRANCHES, JOBS = ("build", "deploy to production"), ("main", "develop"), ("compile", "test")
STATUSES = ("success", "success", "failed", "canceled", "error", "unauthorized")
RUNS, JOB_RUNS = "circleci_workflow_runs_total", "circleci_job_runs_total"
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 20s}}
state: {{path: "{state}"}}
defaults:
  collectors: [pipelines]
  branches: [develop]
  pipelines: {{interval: {interval}, idle_interval: {interval}}}
  runs: {{sweep: 1d, lookback: 3d}}
projects: [{slugs}]
"""
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("throttle", {"retry_after": 1}),
    ("server_error", {}),
    ("unavailable", {}),
    ("unauthorized", {}),
    ("forbidden", {}),
    ("cdn_block", {}),
    ("redirect", {"to": "https://example.com/"}),
    ("html_200", {}),
    ("empty", {}),
    ("invalid_json", {}),
    ("invalid_utf8", {}),
    ("truncated", {}),
    ("reset", {}),
    ("close", {}),
    ("delay", {"seconds": 0.4}),
)
"""Faults of single answers. A 404 is none of them: after it a hint is dropped, and the polls find its run."""
ASKED = r"/workflow/|/pipeline/"


class HintedCampaign(Campaign):
    """Three projects whose polls come once an hour, so that nothing but a hint leads to a run."""

    counters = (RUNS, JOB_RUNS)
    asked = ASKED
    patience = 300.0
    """With polls so seldom, a new series is held at 0 for a minute."""
    environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}  # noqa: RUF012  as in the frame
    interval = "1s"

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.sent: Counter[str] = Counter()
        self.refused = 0
        self.asked_before = 0

    def begin(self) -> None:
        self.circle = RemoteCircle.spawn("--quiet", "--refresh", "1", token=TOKEN)
        self.circle.change_projects(add=[{"slug": slug} for slug in SLUGS])

    def configuration(self) -> str:
        return CONFIGURATION.format(
            url=self.circle.url, state=self.folder / "state.db", interval=self.interval, slugs=", ".join(SLUGS)
        )

    def begun(self) -> None:
        """Each series rises once while polls are frequent; then they become seldom."""
        self.exporter.until(
            lambda scrape: all(
                scrape.get("collector_success", project=slug, collector="pipelines") == 1 for slug in SLUGS
            ),
            "the first polls",
        )
        self.circle.advance(120)  # and these begin after it
        for slug in SLUGS:
            for branch in BRANCHES:
                for workflow in WORKFLOWS:
                    for status in dict.fromkeys(STATUSES):
                        self.run(slug, branch, workflow, status)
        self.settle()
        assert self.exporter.stop()[0] == 0
        self.interval = "1h"
        self.exporter = self.start()
        self.calls()

    # ---- what happens

    def run(self, slug: str, branch: str, workflow: str, status: str) -> tuple[str, str]:
        """Let a run of two jobs happen that has just ended; returns its id and that of its pipeline."""
        now = self.circle.advance(0.0)
        ended = status if status in {"success", "failed", "canceled"} else "failed"
        jobs = [
            {"name": JOBS[0], "status": "success", "started": now - 50, "stopped": now - 30},
            {"name": JOBS[1], "status": ended, "started": now - 20, "stopped": now, "dependencies": [JOBS[0]]},
        ]
        made = {
            "name": workflow,
            "status": status,
            "created": now - 60,
            "stopped": now,
            "jobs": jobs,
            "insights": False,
        }
        given = {"slug": slug, "branch": branch, "created": now - 60, "workflows": [made]}
        (pipeline,) = self.circle.change_pipelines(("add", given))
        return pipeline["workflows"][0]["id"], pipeline["id"]

    def any_run(self) -> tuple[str, str, str]:
        """Let a run happen somewhere; returns its project, its id and that of its pipeline."""
        choice = self.random.choice
        slug = choice(SLUGS)
        return slug, *self.run(slug, choice(BRANCHES), choice(WORKFLOWS), choice(STATUSES))

    def some(self) -> None:
        self.storm(*self.any_run())

    def tell(self, body: bytes, event: str = "workflow-completed", secret: str | None = SECRET) -> int:
        """Send a body until it is answered, as one does that repeats what was not taken; returns the status."""

        def answered() -> int | None:
            try:
                status, _ = send(self.address, body, secret, event=event)
            except (OSError, HTTPException):
                self.refused += 1
                return None
            self.refused += status == 503
            return None if status == 503 else status

        status = wait_until(answered, interval=EVERY, why="an answer")
        assert status is not None
        self.sent[f"{event} {status}"] += 1
        return status

    def storm(self, slug: str, workflow: str, pipeline: str) -> None:
        """Send what CircleCI and others may send of one run: once at least its end, with much else around it."""
        end = workflow_completed(workflow, slug, pipeline)
        bodies: list[tuple[str, bytes, str | None]] = [("workflow-completed", end, SECRET)]
        bodies += self.random.choices(
            [
                ("workflow-completed", workflow_completed(workflow, slug, pipeline), SECRET),
                ("job-completed", job_completed(workflow, slug, pipeline), SECRET),
                ("workflow-completed", workflow_completed(workflow, self.random.choice(SLUGS), pipeline), SECRET),
                ("workflow-completed", workflow_completed(str(uuid.uuid4()), slug), SECRET),
                ("workflow-completed", workflow_completed(workflow, "gh/acme/unknown"), SECRET),
                ("workflow-completed", workflow_completed(workflow, slug, pipeline, status="failed"), "forged"),
                ("workflow-completed", workflow_completed(workflow, slug, pipeline), None),
                ("workflow-completed", b'{"workflow": {"id": "../me"}}', SECRET),
                ("ping", b"{}", SECRET),
            ],
            k=self.random.randrange(8),
        )
        self.random.shuffle(bodies)
        for event, body, secret in bodies:
            expected = 200 if secret == SECRET else 401
            assert self.tell(body, event, secret) == expected

    def let_it_fail(self) -> None:
        """Set a fault that some of the next answers meet."""
        kind, options = self.random.choice(FAULTS)
        self.circle.fail(kind, ASKED, times=self.random.randint(1, 4), **options)

    # ---- what is true

    def truth(self) -> Samples:
        found: Counter[Any] = Counter()
        for pipeline in self.circle.pipelines():
            for run in pipeline["workflows"]:
                where = {"project": pipeline["slug"], "workflow": run["name"], "branch": pipeline["branch"]}
                found[RUNS, labels(status=run["status"], **where)] += 1
                for job in run["jobs"]:
                    found[JOB_RUNS, labels(job_name=job["name"], status=job["status"], **where)] += 1
        return {each: float(number) for each, number in found.items()}

    def calls(self) -> Counter[str]:
        """How often each run was asked about since the last time: itself, its pipeline, its jobs."""
        of_run = {each["id"]: run["id"] for each in self.circle.pipelines() for run in each["workflows"]}
        requests = self.circle.requests(self.asked_before)
        self.asked_before += len(requests)
        asked: Counter[str] = Counter()
        for request in requests:
            parts = request["path"].partition("?")[0].strip("/").split("/")
            if "workflow" in parts[:-1] or "pipeline" in parts[:-1]:
                kind = "workflow" if "workflow" in parts[:-1] else "pipeline"
                ident = parts[parts.index(kind) + 1]
                asked[of_run.get(ident, ident)] += 1
        return asked

    # ---- how it ends

    def let_all_end(self) -> None:
        """What happens has ended when it is told of."""

    def swept_again(self) -> None:
        """A hint that comes after all others is followed: whatever else waited was followed before."""
        slug, workflow, pipeline = self.any_run()
        assert self.tell(workflow_completed(workflow, slug, pipeline)) == 200
        self.settle()
