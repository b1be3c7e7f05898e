"""Jobs are asked for only when their workflow has changed: no change of theirs stays unseen longer than is documented.

A CircleCI on loopback refreshes workflows and, some time later, their jobs. The exporter's clock and its own
are one clock that a test moves on, so that days pass between two requests.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from exporter.publishing.scrape import scrape
from tests.knowledge.samples import workflow_row
from tests.running.skipping import Skipping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.system.logs import Logger

MIDNIGHT = 1_790_035_200.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
SLUG = "gh/acme/web"
WORKFLOWS, JOBS = ("build", "deploy", "nightly", "release"), ("lint", "test")
RUNS = "circleci_insights_job_runs{"


@dataclass
class Refreshing:
    """What CircleCI says at a moment: how often a workflow's figures, and those of its jobs, were refreshed until then.

    `refreshes` are the moments at which each workflow is; its jobs follow `lag` seconds later, which may differ.
    """

    refreshes: Mapping[str, tuple[float, ...]]
    lag: float | Mapping[str, float]
    now: float = MIDNIGHT
    calls: list[str] = field(default_factory=list)

    def late(self, workflow: str) -> float:
        """By how many seconds its jobs follow."""
        return self.lag if isinstance(self.lag, float) else self.lag.get(workflow, 0.0)

    def version(self, workflow: str, lag: float = 0.0) -> int:
        """How often it was refreshed."""
        return sum(self.now >= moment + lag for moment in self.refreshes.get(workflow, ()))

    def answer(self, path: str) -> dict[str, Any]:
        """The body for a path below the project's."""
        path = path.partition("?")[0]
        if path.startswith("/api/v2/project/"):
            return {"name": "web", "organization_name": "acme", "vcs_info": {"default_branch": "main"}}
        workflow = path.rpartition("/workflows/")[2].removesuffix("/jobs")
        self.calls.append(workflow if path.endswith("/jobs") else "")
        if path.endswith("/jobs"):
            rows = [workflow_row(job, total_runs=1000 + self.version(workflow, self.late(workflow))) for job in JOBS]
        else:
            rows = [workflow_row(name, total_runs=10 + self.version(name)) for name in WORKFLOWS]
        return {"items": rows, "next_page_token": None}


@contextmanager
def served(api: Refreshing) -> Iterator[str]:
    """A server that says it; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: the second of two would wait for 40 ms

        def do_GET(self) -> None:
            body = json.dumps(api.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def unseen(api: Refreshing, every: float, until: float, settings: str = "") -> dict[str, float]:
    """Poll each `every` seconds; of each workflow, the longest time for which its jobs were shown as they had been."""
    longest = dict.fromkeys(WORKFLOWS, 0.0)
    old: dict[str, float] = {}
    with served(api) as url:
        config = parse(
            f"circleci: {{url: '{url}', requests_per_second: 1000, burst: 10000}}\n"
            f"projects: [{{slug: {SLUG}, interval: {every:.0f}s, {settings}}}]"
        )
        log, waits = cast("Logger", CapturingLogger()), Skipping()
        clocks = Clocks(lambda: api.now, waits.clock, waits)
        engine = Engine(config, log, environ={"CIRCLECI_TOKEN": "token"}, clocks=clocks)
        engine.store.publish(map(Snapshot, config.projects), api.now)
        try:
            while api.now <= MIDNIGHT + until:
                poll = engine.begin(SLUG)
                while poll is not None and poll.step():
                    pass
                shown = jobs_shown(engine)
                for workflow in WORKFLOWS:
                    lag = api.late(workflow)
                    refreshed = [at + lag for at in api.refreshes.get(workflow, ()) if at + lag <= api.now]
                    assert len(shown[workflow]) == 1, "the jobs of one answer are of one time"
                    if shown[workflow] == {1000 + api.version(workflow, lag)}:
                        if workflow in old:
                            longest[workflow] = max(longest[workflow], api.now - old.pop(workflow))
                    else:
                        old.setdefault(workflow, refreshed[-1])
                api.now += every
        finally:
            engine.close()
    assert not old, f"never seen: {old}"
    return longest


def jobs_shown(engine: Engine) -> dict[str, set[float]]:
    pieces, _ = scrape(engine.store, engine.telemetry, openmetrics=False, gzip=False)
    found: dict[str, set[float]] = {workflow: set() for workflow in WORKFLOWS}
    for line in b"".join(pieces).decode().splitlines():
        if line.startswith(RUNS):
            labels, _, value = line.rpartition(" ")
            found[labels.rpartition('workflow="')[2].removesuffix('"}')].add(float(value))
    return found


NIGHTLY = {
    "build": (MIDNIGHT + 3 * HOUR + 10 * MINUTE, MIDNIGHT + 27 * HOUR + 10 * MINUTE),
    "deploy": (MIDNIGHT + 3 * HOUR + 10 * MINUTE,),
    "nightly": (MIDNIGHT + 27 * HOUR + 10 * MINUTE,),
}


@pytest.mark.parametrize("lag", [0.0, HOUR, 110 * MINUTE])
def test_jobs_that_are_refreshed_an_hour_after_their_workflows_are_seen_at_the_first_poll_after_it(lag: float) -> None:
    api = Refreshing(NIGHTLY, lag)
    assert unseen(api, HOUR, 30 * HOUR) == dict.fromkeys(WORKFLOWS, 0.0)


def test_jobs_that_are_refreshed_later_than_the_polls_after_a_change_are_seen_within_their_greatest_age() -> None:
    api = Refreshing(NIGHTLY, lag=6 * HOUR)
    longest = unseen(api, HOUR, 2 * DAY + 10 * HOUR)
    assert 0 < max(longest.values()) <= DAY
    assert longest["release"] == 0


def test_a_smaller_greatest_age_bounds_it_however_often_is_polled() -> None:
    api = Refreshing({"build": (MIDNIGHT + HOUR,), "deploy": (MIDNIGHT + 3 * HOUR,)}, lag=HOUR)
    longest = unseen(api, 10 * MINUTE, 7 * HOUR, "jobs: {max_age: 2h}")
    assert max(longest.values()) <= 2 * HOUR


@pytest.mark.parametrize("lags", [(0, 110), (110, 0), (50, 110), (110, 50), (70, 20), (20, 70)])
def test_jobs_that_are_not_refreshed_together_are_seen_one_poll_later_at_most(lags: tuple[int, int]) -> None:
    build, deploy = lags
    api = Refreshing(NIGHTLY, {"build": build * MINUTE, "deploy": deploy * MINUTE})
    assert max(unseen(api, HOUR, 30 * HOUR).values()) < 2 * HOUR


def test_a_project_that_becomes_known_between_a_refresh_and_that_of_its_jobs_shows_them_within_two_polls() -> None:
    api = Refreshing(dict.fromkeys(WORKFLOWS, (MIDNIGHT - MINUTE,)), lag=30 * MINUTE)
    assert max(unseen(api, HOUR, 5 * HOUR).values()) < 2 * HOUR


def test_most_polls_ask_for_no_jobs() -> None:
    api = Refreshing(NIGHTLY, lag=HOUR)
    unseen(api, HOUR, DAY - HOUR)
    first_round = len(WORKFLOWS) + 1  # one of them once more, two polls later
    assert api.calls.count("") == 24
    assert len(api.calls) - 24 == first_round + 3 * 2  # build and deploy, at the change and at two polls after it


def test_jobs_of_a_workflow_that_never_changes_are_asked_for_once_in_their_greatest_age() -> None:
    api = Refreshing({}, lag=0.0)
    unseen(api, HOUR, 3 * DAY)
    asked = api.calls.count("release")
    assert asked == 1 + 3  # the first poll, then one, two and three days after it
