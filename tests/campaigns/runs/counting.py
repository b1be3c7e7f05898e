"""The counters of runs in this process: a synthetic CircleCI, an engine on a state file, clocks that a test moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from exporter.insights.collector import RUNS_POLL
from tests.circleci import Circle
from tests.running.engine import NOON, SLUG, Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from exporter.config import Project

Branch = tuple[str, str]


@dataclass
class Counted:
    """What was counted of one workflow and branch; `buckets` are cumulative, by their bounds."""

    statuses: Counter[str] = field(default_factory=Counter)
    buckets: dict[float, int] = field(default_factory=dict)
    seconds: float = 0
    observed: int = 0
    credits: float = 0


class Counting(Running):
    """One project whose runs are counted. Its only runs are those that a test adds."""

    def __init__(self, path: Path | None, settings: str = "", start: float = NOON) -> None:
        """`settings` stand on the project; a path of None keeps state in memory."""
        self.settings = settings
        circle = Circle(start=start, speed=0, quiet=True, refresh=1)
        circle.organization.roster.add(SLUG)
        super().__init__(circle, path=path, now=start)

    def projects(self) -> str:
        return f"projects: [{{slug: {SLUG}, collectors: [runs], {self.settings}}}]"

    @property
    def project(self) -> Project:
        """The project with its settings."""
        return self.config.projects[0]

    def run(self, branch: str = "main", status: str | None = "success", workflow: str = "build", **more: Any) -> str:
        """Let a run happen now; returns its id."""
        return self.circle.organization.add_run(SLUG, workflow, branch, status, **more).id

    def poll(
        self, slug: str = SLUG, kind: str = RUNS_POLL, *, after: float = 300.0, missing_only: bool = False
    ) -> bool:
        """Poll once, so many seconds later; returns whether it was good."""
        return super().poll(slug, kind, after=after, missing_only=missing_only)

    def counted(self) -> dict[Branch, Counted]:
        """What a scrape shows of runs."""
        return read_counters(self.text())

    def total(self, branch: str = "main", workflow: str = "build") -> int | None:
        """The runs of all statuses; None where the series are not there."""
        found = self.counted().get((workflow, branch))
        return None if found is None else sum(found.statuses.values())

    def dropped(self) -> float | None:
        """The series that the limit has left out so far."""
        return self.value("circleci_exporter_dropped_series_total", project=SLUG, reason="max_series")

    def failures(self) -> dict[str, float]:
        """Failed questions by reason."""
        return self.scrape().failures("runs")


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
