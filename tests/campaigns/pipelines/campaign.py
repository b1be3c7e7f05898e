"""Pipelines of three projects happen, of every kind that CircleCI knows; all that is shown of them meets the truth."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

from tests.campaigns.frame import TOKEN, Campaign
from tests.campaigns.pipelines import attempts
from tests.campaigns.pipelines.faults import ENDPOINTS, FORMS, LISTS, WIRE
from tests.campaigns.pipelines.producer import NAMED, SLUGS, Producer
from tests.campaigns.pipelines.reading import COUNTERS, GAUGES
from tests.campaigns.pipelines.truth import Rules, gauges, has_ended
from tests.campaigns.samples import differences, of
from tests.circleci import RemoteCircle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.pipelines.truth import Facts
    from tests.campaigns.samples import Samples

BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0)
WAITS = (1.0, 2.0, 5.0)
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 2s}}
state: {{path: "{state}"}}
defaults:
  collectors: [pipelines]
  branches: [develop, "release/*"]
  stale_after: 1h
  max_series: 100000
  runs: {{lookback: 1h, sweep: 1s, buckets: [1s, 2s, 5s, 10s, 20s]}}
  pipelines: {{interval: {interval}, idle_interval: 3s, wait_buckets: [1s, 2s, 5s]}}
projects: [{projects}]
"""


class PipelineCampaign(Campaign):
    """Three projects of one organization."""

    counters = COUNTERS
    asked = f"{LISTS}|{ENDPOINTS[-1]}"

    def __init__(self, folder: Path, seed: int, *, skew: float = 7200.0, at_once: int = 1, interval: int = 1) -> None:
        """`at_once` pipelines begin at a time; `interval` seconds are between two looks, and a new series is at 0."""
        self.held = float(interval)
        super().__init__(folder, seed)
        self.skew, self.at_once, self.interval = skew, at_once, interval

    def begin(self) -> None:
        """Some pipelines end and others are on hold before the first look."""
        self.circle = RemoteCircle.spawn(
            *("--quiet", "--refresh", "1", "--delay", "2", "--seed", str(self.seed)),
            *("--start", str(time.time() + self.skew)),
            token=TOKEN,
        )
        self.circle.change_projects(add=[{"slug": slug} for slug in SLUGS])
        chance = Random(self.seed + 1)  # noqa: S311  nothing secret hangs on it
        self.pipelines = Producer(self.circle.change_pipelines, chance, unit=1, hidden_again=False, errs_late=False)
        self.pipelines.some(self.now(), 40)
        self.let_pass()
        self.began = self.now()

    def begun(self) -> None:
        self.exporter.until(
            lambda scrape: all(
                scrape.get("collector_success", project=slug, collector="pipelines") == 1 for slug in SLUGS
            ),
            "the first look at all projects",
        )
        self.circle.advance(2)  # times are whole seconds: what happens next must not look as if it had ended before

    def configuration(self) -> str:
        return CONFIGURATION.format(
            url=self.circle.url, state=self.folder / "state.db", projects=", ".join(SLUGS), interval=f"{self.interval}s"
        )

    def now(self) -> float:
        """CircleCI's clock."""
        return self.circle.advance(0.0)

    def let_pass(self) -> None:
        """Let CircleCI's time pass until nothing happens by itself any more."""
        while not self._is_quiet():
            self.circle.advance(5.0)

    def _is_quiet(self) -> bool:
        now = self.now()
        held = {workflow for workflow, _, _ in self.pipelines.held}
        later = self.facts(now + 3600)
        return all(
            run["id"] in held or (has_ended(run) and _over(run) < now - 1)
            for each in later
            for run in each["workflows"]
        ) and all(until < now - 1 for each in later for _, until in each["before"])

    # ---- what happens

    def some(self) -> None:
        self.pipelines.some(self.now(), self.at_once)

    def let_it_fail(self) -> None:
        """Set a fault that some of the next answers meet; now and then pages shift instead."""
        if self.random.random() < 0.2:
            self.circle.fail("as_is", LISTS, times=1, steps=self.pipelines.unexpected(self.now(), 25))
        else:
            kind, options = self.random.choice(WIRE + FORMS)
            times, after = self.random.randint(1, 3), self.random.randrange(4)
            self.circle.fail(kind, self.random.choice(ENDPOINTS), times=times, after=after, **options)

    # ---- how it ends

    def let_all_end(self) -> None:
        """Some runs are held at first: what is in progress is shown as it is."""
        self._let_pass_unseen()
        self.settle()
        for _ in range(2):
            self.pipelines.release(self.now())
        self._let_pass_unseen()

    def _let_pass_unseen(self) -> None:
        """Let time pass while no exporter runs: it would take an answer from before the leap for one of now."""
        self.exporter.kill()
        self.let_pass()
        self.exporter = self.start()

    def differences(self, shown: Samples) -> list[str]:
        facts = self.facts()
        now = gauges(facts, NAMED, SLUGS) | attempts.red(facts, NAMED, dict.fromkeys(SLUGS, self.began))
        counted = differences(of(shown, self.counters), self.counted(facts))
        return counted + differences(of(shown, GAUGES), now)

    def truth(self) -> Samples:
        return self.counted(self.facts())

    def counted(self, facts: list[Facts]) -> Samples:
        """What is to be counted by now."""
        return attempts.whole(Rules(dict.fromkeys(SLUGS, self.began), NAMED, BUCKETS, WAITS), facts)

    def facts(self, at: float | None = None) -> list[Facts]:
        """Everything, as it looks at a time of CircleCI's clock."""
        return self.circle.pipelines(at)

    def swept_again(self) -> None:
        """What the list of all projects and looks at single pipelines have told is shown when they come again."""

        def swept(requests: list[dict[str, Any]]) -> bool:
            return [each["path"] for each in requests].count("/pipeline") >= 3

        self.ask_again(swept, "the list of all projects")


def _over(run: Facts) -> float:
    ends = [job["stopped"] or job["ended"] or 0.0 for job in run["jobs"]]
    return float(max([run["stopped"] or run["created"], *ends]))
