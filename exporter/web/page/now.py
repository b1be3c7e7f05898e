"""What happens now, in words: what runs, what waits for an executor, what is on hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from exporter.web.page import wording
from exporter.web.page.overview import Phase, RunView

_JOBS = (
    ("running", {"running"}),
    ("waiting", {"queued", "not_running"}),
    ("on hold", {"on_hold"}),
    ("blocked", {"blocked"}),
)
"""How the page sums the statuses of jobs. A blocked job waits for others, a waiting one for an executor."""


def by_phase(runs: Sequence[RunView]) -> list[tuple[Phase, list[RunView]]]:
    """Return the runs of each phase, in their order."""
    return [(phase, [run for run in runs if run.phase is phase]) for phase in Phase]


def longest_wait(runs: Sequence[RunView]) -> RunView | None:
    """Return the run whose job has waited longest; None where none waits."""
    waiting = [run for run in runs if run.waiting_since is not None]
    return min(waiting, key=lambda run: run.waiting_since or 0.0, default=None)


def status(run: RunView) -> str:
    """Write CircleCI's word for a run where its phase does not say it."""
    told = run.phase.value.replace(" ", "_")
    return "" if run.status in {told, "running"} else run.status.replace("_", " ")


def jobs(run: RunView, now: float) -> str:
    """Write how many jobs are in progress, and for how long one has waited: `1 running, 2 waiting for up to 4m`."""
    wait = wording.age(run.waiting_since, now)
    left = Counter(dict(run.jobs))
    words = []
    for word, statuses in _JOBS:
        number = sum(left.pop(status, 0) for status in statuses)
        waits = word == "waiting" and run.waiting_since is not None
        since = f" for {'up to ' if number > 1 else ''}{wait}" if waits else ""
        words += [f"{wording.count(number)} {word}{since}"] if number else []
    words += [f"{wording.count(left.total())} other"] if left.total() else []
    return ", ".join(words)
