"""What an exact exporter shows of attempts, red and feedback, worked out plainly from what is known at the end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.exactly_once.pipelines.truth import branch_of, has_ended, stop_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.exactly_once.pipelines.truth import Facts, Labels, Samples

RED = ("circleci_workflow_failures_in_a_row", "circleci_workflow_red_since_timestamp_seconds")
FAILED = ("failed", "error")
MANY = ("all tags", "other branches")


def red(pipelines: Iterable[Facts], named: Sequence[str], began: Mapping[str, float]) -> Samples:
    """How many pipelines failed in a row, newest first, and since when; nothing where a branch is green."""
    runs: defaultdict[Labels, list[tuple[tuple[float, str], list[Facts]]]] = defaultdict(list)
    appeared: set[Labels] = set()
    for pipeline in pipelines:
        branch = branch_of(pipeline, named)
        if pipeline["slug"] not in began or branch in MANY:
            continue
        for name in {each["name"] for each in pipeline["workflows"]}:
            key: Labels = (("branch", branch), ("project", pipeline["slug"]), ("workflow", name))
            of = {"pipeline_created": pipeline["created"]}
            attempts = [each | of for each in attempts_of(pipeline) if each["name"] == name]
            judged = [each for each in attempts if has_ended(each) and each["status"] in ("success", *FAILED)]
            if judged:
                runs[key].append(((pipeline["created"], pipeline["id"]), judged))
            if any(is_counted(each, began[pipeline["slug"]]) or not has_ended(each) for each in attempts):
                appeared.add(key)
    found: Samples = {}
    for key in appeared:
        failures, since = 0, 0.0
        for _, judged in sorted(runs[key], key=lambda each: each[0], reverse=True):
            if judged[-1]["status"] == "success":
                break
            failures += 1
            before = [number for number, each in enumerate(judged) if each["status"] == "success"]
            first = judged[before[-1] + 1 if before else 0]
            since = first["stopped"] if first["dated"] else float(int(first["pipeline_created"]))
        if failures:
            found |= {(RED[0], key): failures, (RED[1], key): since}
    return found


def attempts_of(pipeline: Facts) -> list[Facts]:
    """The runs of a pipeline in the order of their creation."""
    return sorted(pipeline["workflows"], key=lambda run: (shown_creation(pipeline, run), run["id"]))


def shown_creation(pipeline: Facts, run: Facts) -> float:
    """When a run was created; without a creation in CircleCI's answer that is its pipeline's."""
    return float(run["created"] if run["dated"] else int(pipeline["created"]))


def is_counted(run: Facts, began: float) -> bool:
    """Whether a run is counted: it ended after the first look."""
    return has_ended(run) and run["status"] != "not_run" and stop_of(run) > began
