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


def whole_path(url: str) -> tuple[float, int]:
    """Poll each project once, everything being new: CPU seconds a request, and samples published."""
    engine = engine_for(url, PROJECTS)
    before, began = asked(url), time.process_time()
    for slug in engine.store.published:
        poll = engine.begin(slug)
        while poll is not None and poll.step():
            pass
    used, answered = time.process_time() - began, asked(url) - before
    samples = sum(engine.store.series.values())
    engine.close()
    return used / answered, samples


def bare_loop(url: str) -> float:
    """The same pages by `session.get(url).json()`: CPU seconds a request."""
    session = requests.Session()
    session.headers["Circle-Token"] = TOKEN
    pages = []
    for index in range(PROJECTS):
        insights, scope = (
            f"{url}/api/v2/insights/{fleet.slug(index)}/workflows",
            "branch=main&reporting-window=last-7-days",
        )
        pages += [f"{url}/api/v2/project/{fleet.slug(index)}", f"{insights}?{scope}"]
        pages += [f"{insights}/{workflow}/jobs?{scope}" for workflow in fleet.WORKFLOWS]
    began = time.process_time()
    for each in pages:
        session.get(each).json()
    return (time.process_time() - began) / len(pages)


def main() -> None:
    """Measure in turns, and print each turn as JSON."""
    url = sys.argv[1]
    whole_path(url), bare_loop(url)
    turns = [(whole_path(url), bare_loop(url)) for _ in range(ROUNDS)]
    whole, bare = [cost for (cost, _), _ in turns], [cost for _, cost in turns]
    ratios = [cost / other for cost, other in zip(whole, bare, strict=True)]
    print(json.dumps({"whole": whole, "bare": bare, "ratio": ratios, "samples": turns[0][0][1]}))


if __name__ == "__main__":
    main()
