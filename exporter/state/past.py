"""Stored times, none of them later than now: the clock by which they were stored may have been ahead. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from exporter.counting.ledger import Ledger
from exporter.knowledge.snapshots import Snapshot
from exporter.runs.live import Live
from exporter.state.records import Stored

KnownT = TypeVar("KnownT", "Stored", "Snapshot")


def no_later(stored: KnownT, now: float) -> KnownT:
    """The same with no time later than now: the clock by which it was stored may have been ahead."""
    return replace(
        stored,
        facts=stored.facts and past(stored.facts, now, "asked_at", "branches_asked_at"),
        parts={question: past(part, now, "checked_at", "answered_at") for question, part in stored.parts.items()},
        outcomes={
            name: past(outcome, now, "finished_at", "last_success", "absent_since")
            for name, outcome in stored.outcomes.items()
        },
        polled_at=None if stored.polled_at is None else min(stored.polled_at, now),
        ledger=stored.ledger and past_ledger(stored.ledger, now),
        live=stored.live and past_live(stored.live, now),
    )


def past_ledger(ledger: Ledger, now: float) -> Ledger:
    """A ledger with no time later than now, but those that CircleCI told."""
    times = ("since", "floor", "polled_at", "swept_at", "unlisted_at")
    workflows = {name: past(workflow, now, *times) for name, workflow in ledger.workflows.items()}
    earlier: Ledger = past(ledger, now, "began", "names_at")
    cells = {key: past(cell, now, "born", "grown_at") for key, cell in ledger.cells.values.items()}
    return replace(earlier, workflows=workflows, cells=replace(ledger.cells, values=cells))


def past(facts: Any, now: float, *times: str) -> Any:  # noqa: ANN401  the same kind of facts
    """Facts whose fields named `times` are no later than now; None stays None."""
    later = {name: type(found)(now) for name in times if (found := getattr(facts, name)) is not None and found > now}
    return replace(facts, **later) if later else facts


def past_live(live: Live, now: float) -> Live:
    """The same with no time of this machine later than now."""
    pipelines = {
        id_: past(
            replace(pipeline, runs=tuple(past(run, now, "ended_seen_at", "unlisted_at") for run in pipeline.runs)),
            now,
            "looked_at",
            "wanted_at",
            "failed_at",
            "settled_at",
        )
        for id_, pipeline in live.pipelines.items()
    }
    earlier: Live = past(live, now, "listed_at", "covered_at")
    return replace(earlier, pipelines=pipelines)
