"""The counters of runs in this process: a synthetic CircleCI, an engine on a state file, clocks that a test moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.insights.collector import RUNS_POLL
from exporter.knowledge.snapshots import Snapshot
from exporter.polling.attempt import Clocks
from exporter.process.engine import Engine
from exporter.publishing.scrape import scrape
from tests.circleci import Circle
from tests.running.skipping import Skipping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from exporter.system.logs import Logger

NOON = 1_790_000_000.0
SLUG = "gh/acme/web"
Branch = tuple[str, str]


@dataclass
class Counted:
    """What was counted of one workflow and branch; `buckets` are cumulative, by their bounds."""

    statuses: Counter[str] = field(default_factory=Counter)
    buckets: dict[float, int] = field(default_factory=dict)
    seconds: float = 0
    observed: int = 0
    credits: float = 0


class Counting:
    """One project whose runs are counted. Its only runs are those that a test adds."""

    def __init__(self, path: Path | None, settings: str = "", start: float = NOON) -> None:
        """`settings` stand on the project; a path of None keeps state in memory."""
        self.path, self.settings, self.now = path, settings, start
        self.circle = Circle(start=start, speed=0, quiet=True, refresh=1).start()
        self.circle.organization.roster.add(SLUG)
        self.log = CapturingLogger()
        self.open()

    def open(self) -> None:
        """Start the engine, as a restart does."""
        path = f"'{self.path}'" if self.path else "null"
        config = parse(
            f"circleci: {{url: '{self.circle.url}', requests_per_second: 1000, burst: 1000, timeout: 2s}}\n"
            f"state: {{path: {path}}}\n"
            f"projects: [{{slug: {SLUG}, collectors: [runs], {self.settings}}}]"
        )
        self.project = config.projects[0]
        waits, environ = Skipping(), {"CIRCLECI_TOKEN": self.circle.token}
        clocks = Clocks(lambda: self.now, waits.clock, waits)
        self.engine = engine = Engine(config, cast("Logger", self.log), environ=environ, clocks=clocks)
        stored = {found.slug: found for found in engine.state.load()}
        snapshot = Snapshot(self.project)
        if found := stored.get(SLUG):
            ledger = found.ledger and found.ledger.shown_anew(self.now)
            snapshot = Snapshot(self.project, found.facts, {}, found.outcomes, ledger=ledger)
        engine.store.publish([snapshot], self.now)

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

    def run(self, branch: str = "main", status: str | None = "success", workflow: str = "build", **more: Any) -> str:
        """Let a run happen now; returns its id."""
        return self.circle.organization.add_run(SLUG, workflow, branch, status, **more).id

    def poll(self, *, after: float = 300.0) -> bool:
        """Poll once, so many seconds later; returns whether it was good."""
        self.pass_time(after)
        poll = self.engine.begin(SLUG, RUNS_POLL)
        assert poll is not None
        assert not poll.step()
        snapshot = self.engine.store.get(SLUG)
        assert snapshot is not None
        return snapshot.outcomes["runs"].success

    def asked(self) -> list[str]:
        """Paths and queries that were asked for since the last call."""
        seen = [f"{request.path}?{request.query}" for request in self.circle.requests]
        self.circle.forget_requests()
        return seen

    def text(self) -> str:
        """One scrape."""
        pieces, _ = scrape(self.engine.store, self.engine.telemetry, openmetrics=False, gzip=False)
        return b"".join(pieces).decode()

    def counted(self) -> dict[Branch, Counted]:
        """What a scrape shows of runs."""
        return read_counters(self.text())

    def total(self, branch: str = "main", workflow: str = "build") -> int | None:
        """The runs of all statuses; None where the series are not there."""
        found = self.counted().get((workflow, branch))
        return None if found is None else sum(found.statuses.values())

    def dropped(self) -> float:
        """The series that the limit has left out so far."""
        mark = 'circleci_exporter_dropped_series_total{project="gh/acme/web",reason="max_series"} '
        (value,) = [line.removeprefix(mark) for line in self.text().splitlines() if line.startswith(mark)]
        return float(value)

    def failures(self) -> dict[str, float]:
        """Failed questions by reason."""
        return {
            sample.labels["reason"]: sample.value
            for family in self.engine.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == "circleci_exporter_collector_failures_total"
            and sample.labels["collector"] == "runs"
            and sample.value
        }


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The samples of a text whose label values hold neither quotes nor commas."""
    for line in text.splitlines():
        if not line.startswith("#") and line.startswith("circleci_workflow_"):
            name, _, rest = line.partition("{")
            inside, _, value = rest.rpartition("} ")
            labels = dict(pair.split("=", 1) for pair in inside.split(","))
            yield name, {key: quoted.strip('"') for key, quoted in labels.items()}, float(value)


def read_counters(text: str, project: str = SLUG) -> dict[Branch, Counted]:
    """The counters of runs of one project in a scrape."""
    found: dict[Branch, Counted] = {}
    for name, labels, value in samples(text):
        if labels["project"] != project:
            continue
        one = found.setdefault((labels["workflow"], labels["branch"]), Counted())
        match name.removeprefix("circleci_workflow_"):
            case "runs_total":
                one.statuses[labels["status"]] = int(value)
            case "run_duration_seconds_bucket":
                one.buckets[float(labels["le"])] = int(value)
            case "run_duration_seconds_sum":
                one.seconds = value
            case "run_duration_seconds_count":
                one.observed = int(value)
            case "run_credits_total":
                one.credits = value
    return {
        branch: Counted(+one.statuses, one.buckets, one.seconds, one.observed, one.credits)
        for branch, one in found.items()
    }


def true_counters(
    tallies: Iterable[Mapping[str, Any]], bounds: Iterable[float], named: Iterable[str] = ("main",), slug: str = SLUG
) -> dict[Branch, Counted]:
    """What an exact exporter shows, of the synthetic CircleCI's own tallies."""
    limits, names = [*bounds, float("inf")], set(named)
    found: dict[Branch, Counted] = {}
    for tally in tallies:
        if tally["slug"] != slug:
            continue
        branch = tally["branch"] if tally["branch"] in names else "other branches"
        one = found.setdefault((tally["workflow"], branch), Counted(buckets=dict.fromkeys(limits, 0)))
        one.statuses[tally["status"]] += tally["runs"]
        one.credits += tally["credits"]
        one.seconds += sum(tally["durations"])
        one.observed += len(tally["durations"])
        for limit in limits:
            one.buckets[limit] += sum(duration <= limit for duration in tally["durations"])
    return found
