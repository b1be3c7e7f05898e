"""Runs that only webhooks tell of: a sender that signs, repeats, reorders, forges, and an exporter that is killed."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Self

from tests.circleci import RemoteCircle
from tests.circleci.webhooks import job_completed, send, workflow_completed
from tests.running.ports import free_port
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running.program import Scrape

TOKEN, SECRET = "CCIPAT_hinted_must-be-seen-nowhere", "the-secret-of-webhooks"
SLUGS = ("gh/acme/web", "gh/acme/api", "gh/acme/docs")
WORKFLOWS, BRANCHES, JOBS = ("build", "deploy to production"), ("main", "develop"), ("compile", "test")
STATUSES = ("success", "success", "failed", "canceled", "error", "unauthorized")
RUNS, JOB_RUNS = "circleci_workflow_runs_total", "circleci_job_runs_total"
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 2s}}
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
HELD_FOR = 62.0


@dataclass
class Hinted:
    """What happened. The polls come once an hour, so that nothing but a hint leads to a run."""

    folder: Path
    seed: int
    kills: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  nothing secret hangs on it
        self.address = f"127.0.0.1:{free_port()}"
        self._lock = threading.Lock()
        self.asked_before = 0

    def __enter__(self) -> Self:
        self.circle = RemoteCircle.spawn("--quiet", "--refresh", "1", token=TOKEN)
        self.circle.change_projects(add=[{"slug": slug} for slug in SLUGS])
        self.exporter = self.start("1s")
        self._let_series_be_born()
        born = time.monotonic()
        assert self.exporter.stop()[0] == 0
        self.exporter = self.start("1h")
        # With a long interval, a series is shown at 0 for a minute before it rises.
        wait_until(lambda: time.monotonic() - born > HELD_FOR, 2 * HELD_FOR, 0.5)
        return self

    def __exit__(self, *_: object) -> None:
        self.exporter.end()
        self.circle.stop()

    def start(self, interval: str = "1h") -> Exporter:
        """Start the exporter on the state that there is."""
        configuration = CONFIGURATION.format(
            url=self.circle.url, state=self.folder / "state.db", interval=interval, slugs=", ".join(SLUGS)
        )
        environ = {"CIRCLECI_WEBHOOK_SECRET": SECRET}
        exporter = Exporter(self.folder, configuration, token=TOKEN, environ=environ, address=self.address)
        exporter.secrets.append(SECRET)
        exporter.wait_for_start()
        return exporter

    def _let_series_be_born(self) -> None:
        """Let each series rise once, while polls are frequent: from then on none is held at 0 before it rises."""

        def polled(scrape: Scrape) -> bool:
            return all(scrape.get("collector_success", project=slug, collector="pipelines") == 1 for slug in SLUGS)

        self.exporter.until(polled, "the first polls")
        self.circle.advance(120)  # and these begin after it
        for slug in SLUGS:
            for branch in BRANCHES:
                for workflow in WORKFLOWS:
                    for status in dict.fromkeys(STATUSES):
                        self.run(slug, branch, workflow, status)
        self.exporter.until(lambda scrape: counted(scrape) == self.truth(), "the first runs")

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
        slug = self.random.choice(SLUGS)
        choice = self.random.choice
        return slug, *self.run(slug, choice(BRANCHES), choice(WORKFLOWS), choice(STATUSES))

    def tell(self, body: bytes, event: str = "workflow-completed", secret: str | None = SECRET) -> int:
        """Send a body until it is answered, as one does that repeats what was not taken; returns the status."""

        def answered() -> int | None:
            with self._lock:
                try:
                    status, _ = send(self.address, body, secret, event=event, timeout=5)
                except OSError:
                    self.refused += 1
                    return None
            self.refused += status == 503
            return None if status == 503 else status

        status = wait_until(answered, PATIENCE, 0.05, why="an answer")
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

    def kill_it(self) -> None:
        """Kill the exporter and start it again."""
        with self._lock:
            self.exporter.kill()
            self.exporter = self.start()
            self.kills += 1

    def let_it_fail(self) -> None:
        """Set a fault that some of the next answers meet."""
        kind, options = self.random.choice(FAULTS)
        self.circle.fail(kind, ASKED, times=self.random.randint(1, 4), **options)

    # ---- what is true

    def truth(self) -> Counter[tuple[str, ...]]:
        """How often each run and job has ended, by its labels."""
        found: Counter[tuple[str, ...]] = Counter()
        for pipeline in self.circle.pipelines():
            for run in pipeline["workflows"]:
                found[pipeline["slug"], run["name"], pipeline["branch"], run["status"]] += 1
                for job in run["jobs"]:
                    found[pipeline["slug"], run["name"], pipeline["branch"], job["name"], job["status"]] += 1
        return found

    def calls(self) -> Counter[str]:
        """How often each run was asked about since the last time: itself, its pipeline, its jobs."""
        of = {each["id"]: run["id"] for each in self.circle.pipelines() for run in each["workflows"]}
        requests = self.circle.requests(self.asked_before)
        self.asked_before += len(requests)
        asked: Counter[str] = Counter()
        for request in requests:
            parts = request["path"].partition("?")[0].strip("/").split("/")
            if "workflow" in parts[:-1] or "pipeline" in parts[:-1]:
                kind = "workflow" if "workflow" in parts[:-1] else "pipeline"
                ident = parts[parts.index(kind) + 1]
                asked[of.get(ident, ident)] += 1
        return asked

    def end(self) -> None:
        """No more faults; all that was told of is counted, once."""
        self.circle.heal()
        self.exporter.until(
            lambda scrape: counted(scrape) == self.truth(), "the counters to be those of the truth", 120
        )
        time.sleep(3)  # whatever else waits changes nothing
        assert counted(self.exporter.scrape()) == self.truth()


def counted(scrape: Scrape) -> Counter[tuple[str, ...]]:
    """What the counters say, in the form of `Hinted.truth`."""
    found: Counter[tuple[str, ...]] = Counter()
    for slug in SLUGS:
        for branch in BRANCHES:
            for workflow in WORKFLOWS:
                of = {"project": slug, "workflow": workflow, "branch": branch}
                for status in dict.fromkeys(STATUSES):
                    found[slug, workflow, branch, status] = int(scrape.get(RUNS, status=status, **of) or 0)
                for job in JOBS:
                    for status in ("success", "failed", "canceled"):
                        value = scrape.get(JOB_RUNS, job_name=job, status=status, **of)
                        found[slug, workflow, branch, job, status] = int(value or 0)
    return +found


def total(scrape: Scrape) -> int:
    """All runs that are counted."""
    return int(sum(value for name, value in scrape.values.items() if name.startswith(RUNS + "{")))


def delays(campaign: Hinted, *, a_second: int, seconds: float) -> list[float]:
    """Send events at a rate; seconds from each answer to the scrape that shows as many runs as were told of, sorted."""
    before, done = total(campaign.exporter.scrape()), threading.Event()
    told: list[float] = []
    shown: list[float] = []

    def scrape() -> None:
        while not done.wait(0.05):
            seen = total(campaign.exporter.scrape())
            shown.extend([time.monotonic()] * (seen - before - len(shown)))

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    began = time.monotonic()
    for number in range(int(a_second * seconds)):
        time.sleep(max(began + number / a_second - time.monotonic(), 0.0))
        slug, workflow, pipeline = campaign.any_run()
        told.append(time.monotonic())
        for _ in range(campaign.random.choice((1, 1, 3))):
            campaign.tell(workflow_completed(workflow, slug, pipeline))
    wait_until(lambda: len(shown) >= len(told), why="all to be counted")
    done.set()
    thread.join(PATIENCE)
    assert len(shown) == len(told)
    return sorted(at - sent for sent, at in zip(told, shown, strict=True))


def quantile(values: list[float], share: float) -> float:
    """A quantile of sorted values."""
    return values[min(int(share * len(values)), len(values) - 1)]
