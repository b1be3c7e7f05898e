"""The card that shows what happens now, in words: what runs, what waits for an executor, what is on hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.web.page import wording
from exporter.web.page.overview import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.web.page.overview import NowView, RunView

RUNS_A_GROUP = 5
_TITLES = {Phase.RUNNING: "Running", Phase.WAITING: "Waiting", Phase.ON_HOLD: "On hold"}
_JOBS = (
    ("running", {"running"}),
    ("waiting", {"queued", "not_running"}),
    ("on hold", {"on_hold"}),
    ("blocked", {"blocked"}),
)
"""How the page sums the statuses of jobs. A blocked job waits for others, a waiting one for an executor."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One workflow run in progress."""

    project: str
    workflow: str
    branch: str
    link: str | None
    status: str
    age: str
    since: str
    jobs: str
    wait: str
    """For how long the job that has waited longest has waited; empty where none waits."""


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one phase: how many, the oldest of them, and how many more there are."""

    title: str
    total: str
    lines: tuple[RunLine, ...]
    more: str


@dataclass(frozen=True, slots=True)
class NowCard:
    """The card. `longest_wait` is the run whose job has waited longest; `unknown` and `pending` are empty for none."""

    total: str
    groups: tuple[Group, ...]
    longest_wait: RunLine | None
    unknown: str
    pending: str


def now_card(view: NowView, runs: Sequence[RunView], now: float) -> NowCard:
    """Describe the runs of a view that are asked for, oldest first."""
    waiting = [run for run in runs if run.waiting_since is not None]
    longest = min(waiting, key=lambda run: run.waiting_since or now, default=None)
    return NowCard(
        wording.count(len(runs)),
        tuple(_group(phase, [run for run in runs if run.phase is phase], now) for phase in Phase),
        None if longest is None else _line(longest, now),
        wording.count(view.unknown) if view.unknown else "",
        wording.count(view.pending) if view.pending else "",
    )


def _group(phase: Phase, runs: Sequence[RunView], now: float) -> Group:
    more = len(runs) - RUNS_A_GROUP
    return Group(
        _TITLES[phase],
        wording.count(len(runs)),
        tuple(_line(run, now) for run in runs[:RUNS_A_GROUP]),
        wording.count(more) if more > 0 else "",
    )


def _line(run: RunView, now: float) -> RunLine:
    told = run.phase.value.replace(" ", "_")
    wait = "" if run.waiting_since is None else _age(run.waiting_since, now)
    return RunLine(
        project=run.project,
        workflow=run.workflow,
        branch=run.branch,
        link=run.link,
        status="" if run.status in {told, "running"} else run.status.replace("_", " "),
        age=_age(run.created_at, now),
        since=wording.instant(run.created_at),
        jobs=_jobs(run.jobs, wait),
        wait=wait,
    )


def _jobs(counts: Iterable[tuple[str, int]], wait: str) -> str:
    left = Counter(dict(counts))
    words = []
    for word, statuses in _JOBS:
        number = sum(left.pop(status, 0) for status in statuses)
        since = f" for {'up to ' if number > 1 else ''}{wait}" if wait and word == "waiting" else ""
        words += [f"{wording.count(number)} {word}{since}"] if number else []
    words += [f"{wording.count(left.total())} other"] if left.total() else []
    return ", ".join(words)


def _age(moment: float, now: float) -> str:
    return wording.rough(round(max(0.0, now - moment)))
