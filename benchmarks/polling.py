"""CPU a request: the whole poll path beside a bare loop of requests' own over the same pages."""

from __future__ import annotations

import json
import sys
import time

import requests

from benchmarks import fleet
from benchmarks.circleci import asked
from exporter.config import parse
from exporter.knowledge.snapshots import Snapshot
from exporter.process.engine import Engine
from exporter.system.logs import configure

ROUNDS = 7
PROJECTS = 40
TOKEN = "benchmark-token"  # noqa: S105  opens nothing


def engine_for(url: str, count: int) -> Engine:
    """All of the exporter but the schedule, without limits that would make it wait."""
    lines = "".join(f"  - {fleet.slug(index)}\n" for index in range(count))
    config = parse(
        f"circleci: {{url: '{url}', requests_per_second: 1000, burst: 10000, concurrency: 16}}\nprojects:\n{lines}"
    )
    engine = Engine(config, configure("error", "logfmt"), environ={"CIRCLECI_TOKEN": TOKEN})
    engine.store.publish([Snapshot(project) for project in config.projects], time.time())
    return engine


def turn(url: str) -> tuple[float, float, int]:
    """Poll each project once, everything being new, and after each get the same pages by `session.get(url).json()`.

    CPU seconds a request of both, and samples published. Both are measured within the same few milliseconds, since a
    core may be twice as fast in the next second.
    """
    engine, session = engine_for(url, PROJECTS), requests.Session()
    session.headers["Circle-Token"] = TOKEN
    before, whole, bare, got = asked(url), 0.0, 0.0, 0
    for slug in engine.store.published:
        began = time.process_time()
        poll = engine.begin(slug)
        while poll is not None and poll.step():
            pass
        polled = time.process_time()
        for page in pages(url, slug):
            session.get(page).json()
            got += 1
        whole, bare = whole + polled - began, bare + time.process_time() - polled
    answered = asked(url) - before - got
    samples = sum(engine.store.series.values())
    engine.close()
    return whole / answered, bare / got, samples


def pages(url: str, slug: str) -> list[str]:
    """The pages that a poll of a project asks for."""
    insights, scope = f"{url}/api/v2/insights/{slug}/workflows", "branch=main&reporting-window=last-7-days"
    jobs = [f"{insights}/{workflow}/jobs?{scope}" for workflow in fleet.WORKFLOWS]
    return [f"{url}/api/v2/project/{slug}", f"{insights}?{scope}", *jobs]


def main() -> None:
    """Measure in turns, and print each turn as JSON."""
    url = sys.argv[1]
    turn(url)
    turns = [turn(url) for _ in range(ROUNDS)]
    whole, bare = [cost for cost, _, _ in turns], [cost for _, cost, _ in turns]
    ratios = [cost / other for cost, other in zip(whole, bare, strict=True)]
    print(json.dumps({"whole": whole, "bare": bare, "ratio": ratios, "samples": turns[0][2]}))


if __name__ == "__main__":
    main()
