"""The way for another process to drive the synthetic CircleCI: routes below /_control, JSON in and out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from exporter.demo.bodies import run_row
from exporter.demo.messages import Reply, Request, json_reply, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.circleci.circle import Circle

PREFIX = "/_control/"


def answer(circle: Circle, request: Request) -> Reply:
    """Reply to a control request: 400 with the reason for what cannot be done."""
    action = _ACTIONS.get((request.method, request.path.removeprefix(PREFIX)))
    if action is None:
        return message(404, "no such control")
    try:
        given = json.loads(request.body) if request.body else {}
        given |= {name: values[-1] for name, values in parse_qs(request.query).items()}
        return json_reply(action(circle, **given))
    except (KeyError, TypeError, ValueError) as error:
        return message(400, f"{type(error).__name__}: {error}")


def _set_faults(circle: Circle, *, faults: list[dict[str, Any]]) -> dict[str, Any]:
    made = [circle.fail(**each) for each in faults]
    circle.controlled += made
    return {"faults": list(range(len(circle.controlled) - len(made), len(circle.controlled)))}


def _hits(circle: Circle, *, fault: str) -> dict[str, Any]:
    return {"hits": circle.controlled[int(fault)].hits}


def _release(circle: Circle, *, fault: int) -> dict[str, Any]:
    circle.controlled[fault].release()
    return {}


def _limit(circle: Circle, *, rate: float, burst: int) -> dict[str, Any]:
    circle.limit(rate, burst)
    return {"rate": rate, "burst": burst}


def _heal(circle: Circle) -> dict[str, Any]:
    violations = circle.bucket.violations if circle.bucket else 0
    circle.heal()
    return {"violations": violations}


def _reset(circle: Circle) -> dict[str, Any]:
    circle.forget_requests()
    circle.accept(circle.token)
    return _heal(circle)


def _log(circle: Circle, *, after: str = "0") -> dict[str, Any]:
    seen = circle.requests
    return {"requests": [asdict(each) for each in seen[int(after) :]], "total": len(seen)}


def _clock(circle: Circle, *, advance: float = 0.0) -> dict[str, Any]:
    return {"now": circle.clock.advance(advance), "aggregated_at": circle.organization.aggregated_at()}


def _tokens(circle: Circle, *, tokens: list[str]) -> dict[str, Any]:
    circle.accept(*tokens)
    return {"tokens": len(tokens)}


def _add_runs(circle: Circle, *, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"runs": [run_row(circle.organization.add_run(**each)) for each in runs]}


def _projects(circle: Circle, **changes: list[dict[str, Any]]) -> dict[str, Any]:
    roster = circle.organization.roster
    actions: dict[str, Callable[..., object]] = {
        "hide": roster.hide,
        "show": roster.show,
        "follow": roster.follow,
        "unfollow": roster.unfollow,
        "add": roster.add,
        "default_branch": roster.rename_default_branch,
    }
    for action, each in changes.items():
        for given in each:
            actions[action](**given)
    return {"projects": [each.slug for each in circle.organization.projects]}


def _finish_runs(circle: Circle, *, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"runs": [run_row(circle.organization.finish_run(**each)) for each in runs]}


def _truth(circle: Circle, *, generated: str = "false", at: str | None = None) -> dict[str, Any]:
    now = circle.clock.now() if at is None else float(at)
    tallies = circle.organization.truth(now, generated=generated == "true")
    return {"at": now, "tallies": [asdict(each) for each in tallies]}


def _metrics(
    circle: Circle, *, project: str, workflow: str, window: str, job: str | None = None, branch: str | None = None
) -> dict[str, Any]:
    organization = circle.organization
    if job is None:
        return {"metrics": organization.workflow_metrics(project, workflow, branch, window)}
    return {"metrics": organization.job_metrics(project, workflow, job, branch, window)}


def _change_pipelines(circle: Circle, *, steps: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return {"made": [circle.pipelines.step(action, given) for action, given in steps]}


def _pipelines(circle: Circle, *, at: str | None = None) -> dict[str, Any]:
    now = circle.clock.now() if at is None else float(at)
    return {"at": now, "pipelines": circle.pipelines.truth(now)}


def _drop_connections(circle: Circle) -> dict[str, Any]:
    circle.server.drop_connections()
    return {}


_ACTIONS: dict[tuple[str, str], Callable[..., dict[str, Any]]] = {
    ("POST", "faults"): _set_faults,
    ("GET", "hits"): _hits,
    ("POST", "release"): _release,
    ("POST", "limit"): _limit,
    ("POST", "heal"): _heal,
    ("POST", "reset"): _reset,
    ("GET", "log"): _log,
    ("POST", "clock"): _clock,
    ("POST", "tokens"): _tokens,
    ("POST", "runs"): _add_runs,
    ("POST", "finish"): _finish_runs,
    ("POST", "projects"): _projects,
    ("POST", "pipelines"): _change_pipelines,
    ("GET", "pipelines"): _pipelines,
    ("GET", "truth"): _truth,
    ("GET", "metrics"): _metrics,
    ("POST", "drop-connections"): _drop_connections,
}
