"""Runs of one project happen by the hundred; its counters meet the truth."""

from __future__ import annotations

import time
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.campaigns.frame import EVERY, TOKEN, Campaign
from tests.campaigns.runs.producer import SLUG, WORKFLOWS, Producer
from tests.campaigns.runs.truth import COUNTERS, durations, true_samples
from tests.campaigns.samples import less
from tests.circleci import RemoteCircle
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.samples import Labels, Samples

RUNS = r"workflows/.*start-date"
CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, timeout: 2s}}
state: {{path: "{state}"}}
projects:
  - slug: {slug}
    collectors: [runs]
    branches: [develop, "release/*"]
    stale_after: 1h
    runs: {{interval: 1s, lookback: 1h, sweep: 3s}}
"""
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("throttle", {"retry_after": 1}),
    ("server_error", {}),
    ("bad_gateway", {}),
    ("unavailable", {}),
    ("unauthorized", {}),
    ("cdn_block", {}),
    ("not_found", {}),
    ("redirect", {"to": "https://example.com/"}),
    ("html_200", {}),
    ("empty", {}),
    ("invalid_json", {}),
    ("invalid_utf8", {}),
    ("missing_items", {}),
    ("items_object", {}),
    ("deep", {}),
    ("row_is_text", {}),
    ("surrogate", {"path": "items.0.branch"}),
    ("put", {"path": "items.0.created_at", "value": "yesterday"}),
    ("put", {"path": "items.0.id"}),
    ("put", {"path": "items.0.status", "value": 7}),
    ("duplicate_rows", {}),
    ("repeated_token", {}),
    ("bad_token", {}),
    ("truncated", {}),
    ("cut_chunk", {}),
    ("gzip", {}),
    ("chunked", {}),
    ("gzip_garbage", {}),
    ("reset", {}),
    ("close", {}),
    ("hang", {"seconds": 3}),
    ("drip_body", {"interval": 0.5}),
    ("drip_headers", {"interval": 0.5}),
    ("delay", {"seconds": 0.4}),
)
"""Faults of single answers. None of them lies about a run that it lets through."""
ENOUGH = 1200


class RunCampaign(Campaign):
    """One project of three workflows and six branches."""

    counters = COUNTERS
    asked = RUNS

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        skew: float = 7200.0,
        more_faults: tuple[tuple[str, dict[str, Any]], ...] = (),
        at_once: int = 20,
    ) -> None:
        """CircleCI's clock is `skew` seconds ahead of the exporter's; `at_once` runs begin each tenth of a second."""
        super().__init__(folder, seed)
        self.skew, self.at_once, self.kinds = skew, at_once, FAULTS + more_faults

    def begin(self) -> None:
        self.circle = RemoteCircle.spawn(
            *("--quiet", "--refresh", "1", "--start", str(time.time() + self.skew), "--seed", str(self.seed)),
            token=TOKEN,
        )
        self.producer = Producer(self.circle, Random(self.seed + 1))  # noqa: S311  nothing secret hangs on it
        self.producer.first()
        self.circle.advance(1.1)  # the next aggregation lists the workflows
        self.before: list[dict[str, Any]] = self.circle.truth()

    def begun(self) -> None:
        first = true_samples(self.before)
        self.until(lambda shown: first.keys() <= shown.keys(), "all series at 0")

    def configuration(self) -> str:
        return CONFIGURATION.format(url=self.circle.url, state=self.folder / "state.db", slug=SLUG)

    def some(self) -> None:
        self.producer.some(self.at_once)

    def let_it_fail(self) -> None:
        """Set a fault that some of the next answers meet; now and then pages shift instead."""
        if self.random.random() < 0.2:
            now = self.circle.advance(0.0)
            more = [run for run in (self.producer.run(now) for _ in range(30)) if run["status"] is not None]
            self.circle.fail("as_is", RUNS, times=1, runs=more)
        else:
            kind, options = self.random.choice(self.kinds)
            self.circle.fail(kind, RUNS, times=self.random.randint(1, 3), **options)

    def end(self) -> None:
        """End when the runs of each workflow fill more than a page."""
        wait_until(lambda: self.producer.made >= ENOUGH, interval=EVERY, why=f"{ENOUGH} runs")
        super().end()

    def let_all_end(self) -> None:
        self.producer.release()
        self.circle.advance(4.0)  # the last run has stopped, and is shown

    def truth(self) -> Samples:
        return less(true_samples(self.circle.truth()), true_samples(self.before))

    def durations(self) -> dict[Labels, list[int]]:
        """What the histogram has observed since the first good poll, sorted, by workflow and branch."""
        return durations(self.circle.truth(), self.before)

    def swept_again(self) -> None:
        """A sweep reads all pages of a workflow; the question after it comes when what it brought is shown."""

        def swept(requests: list[dict[str, Any]]) -> bool:
            return all(_sweeps(requests, name) >= 2 for name in WORKFLOWS)

        self.ask_again(swept, "two sweeps of each workflow")


def _sweeps(requests: list[dict[str, Any]], workflow: str) -> int:
    """How often further pages of a workflow were read, and then the first again."""
    further = [
        "page-token" in each["query"]
        for each in requests
        if each["path"].endswith("/" + quote(workflow, safe="")) and "start-date" in each["query"]
    ]
    return sum(earlier and not later for earlier, later in pairwise(further))
