"""What an exact exporter shows of runs, worked out from the synthetic CircleCI's own tallies."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.campaigns.runs.producer import NAMED, SLUG
from tests.campaigns.samples import bound_text, labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.campaigns.samples import Labels, Samples

COUNTERS = ("circleci_workflow_runs_total", "circleci_workflow_run_")
BOUNDS = (30, 90, 120, 180, 240, 420, 600, 720, 1080, 1500, 2100, 3000, 4200, 6000, 9000, 14400)


def true_samples(
    tallies: Iterable[Mapping[str, Any]],
    *,
    bounds: Sequence[float] = BOUNDS,
    named: Sequence[str] = NAMED,
    slug: str = SLUG,
) -> Samples:
    """All samples of a project; `named` are the branches that have series of their own."""
    found: defaultdict[tuple[str, Labels], float] = defaultdict(float)
    for tally in tallies:
        if tally["slug"] != slug:
            continue
        of = {"project": slug, "workflow": tally["workflow"], "branch": branch_of(tally, named)}
        found["circleci_workflow_runs_total", labels(status=tally["status"], **of)] += tally["runs"]
        found["circleci_workflow_run_credits_total", labels(**of)] += tally["credits"]
        family = "circleci_workflow_run_duration_seconds"
        found[f"{family}_sum", labels(**of)] += sum(tally["durations"])
        found[f"{family}_count", labels(**of)] += len(tally["durations"])
        for bound in (*bounds, float("inf")):
            number = sum(duration <= bound for duration in tally["durations"])
            found[f"{family}_bucket", labels(le=bound_text(bound), **of)] += number
    return dict(found)


def durations(tallies: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> dict[Labels, list[int]]:
    """All durations but those of before, sorted, by workflow and branch."""
    found: dict[Labels, list[int]] = {}
    for tally in tallies:
        found.setdefault(_key(tally), []).extend(tally["durations"])
    for tally in before:
        for duration in tally["durations"]:
            found[_key(tally)].remove(duration)
    return {key: sorted(each) for key, each in found.items()}


def _key(tally: Mapping[str, Any]) -> Labels:
    return labels(project=tally["slug"], workflow=tally["workflow"], branch=branch_of(tally, NAMED))


def branch_of(tally: Mapping[str, Any], named: Sequence[str]) -> str:
    """The label of a branch."""
    return str(tally["branch"]) if tally["branch"] in named else "other branches"
