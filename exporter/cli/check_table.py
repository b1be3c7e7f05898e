"""What `check` found, for a person: a table on standard output, and the reasons below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.cli import sources_check
from exporter.cli.online_check import Finding
from exporter.cli.remedies import REMEDIES
from exporter.cli.telling import failure, line
from exporter.config import Config, ProjectSettings
from exporter.insights.collectors import counts

SHOWN = 5
"""How many names of a project's workflows or branches are shown."""
LONGEST_NAME = 40


def table(config: Config, findings: Sequence[Finding], sources: sources_check.Found, document: dict[str, Any]) -> None:
    """Print a row a project, what is wrong below it, and what all of it costs."""
    rows = Table(
        box=box.SIMPLE_HEAD, title=f"{config.file} checked against {config.circleci.url}", title_justify="left"
    )
    longest = max((len(finding.project.name) for finding in findings), default=0)
    rows.add_column("project", overflow="fold", no_wrap=longest <= LONGEST_NAME)
    rows.add_column("calls/h", justify="right", no_wrap=True)
    watches = any(finding.pipelines for finding in findings)
    if watches:
        rows.add_column("pipelines/day", justify="right")
    for heading in ("branches", "workflows", "result"):
        rows.add_column(heading, overflow="fold")
    for finding, entry in zip(findings, document["projects"], strict=True):
        calls = entry["calls_per_hour"]
        rows.add_row(
            line(finding.project.name),
            "" if finding.error else f"{calls['least']:.0f}–{calls['most']:.0f}",
            *([f"{finding.pipelines.day.a_day:.0f}" if finding.pipelines else ""] if watches else []),
            line(_names(scope.branch for scope in finding.scopes)),
            line(_names(name for scope in finding.scopes for name in scope.workflows)),
            _result(finding, kept=entry["counters_kept"]),
        )
    console = Console(highlight=False)
    if findings:
        console.print(rows)
    for finding in findings:
        _explain(console, finding)
    for finding in findings:
        _explain_webhook(console, finding)
    _explain_state(console, document["projects"])
    for entry in document["organizations"]:
        result = entry["error"] or f"{count(entry['projects'], 'project')} found"
        console.print(line(f"{entry['organization']}: {result}"))
    for entry in document["pipeline_lists"]:
        needed = entry["calls_per_hour"]["most"]
        console.print(line(f"{entry['organization']}: {needed:.0f} calls an hour for its list of newest pipelines"))
    sources_check.explain(console, sources)
    _explain_calls(console, document, watches=watches)


def _explain_calls(console: Console, document: dict[str, Any], *, watches: bool) -> None:
    """What all of it costs, and whether the rate allows that."""
    login, calls = document["token"]["login"], document["calls_per_hour"]
    console.print(line(f"Token accepted{f' (user {login})' if login else ''}."))
    verdict = "more than" if calls["most"] > calls["allowed"] else "within"
    needed = f"{_range(calls['least'], calls['most'])} an hour, {verdict} the {calls['allowed']:.0f}"
    console.print(line(f"{needed} that requests_per_second allows."))
    if calls["most"] <= calls["allowed"] < calls["busiest"]:
        busiest = f"The busiest hour needs {calls['busiest']:.0f}, more than that: pipelines will be read late then."
        console.print(line(busiest, style="yellow"))
    if watches:
        console.print(line(f"The first look at all pipelines needs about {document['first_look']} more, once."))


def _explain_state(console: Console, projects: Iterable[dict[str, Any]]) -> None:
    if lost := [entry["project"] for entry in projects if not entry["counters_kept"]]:
        console.print(line(without_state(lost), style="yellow"))


def _range(least: float, most: float) -> str:
    low, high = round(least), round(most)
    return count(high, "API call") if low == high else f"{low} to {count(high, 'API call')}"


def _explain_webhook(console: Console, finding: Finding) -> None:
    """What is wrong with a project's webhook, and what to do about it."""
    webhook, name = finding.webhook, finding.project.name
    if webhook is None:
        return
    match webhook.state:
        case "signed":
            console.print(line(f"{name}: webhook found, with a secret"))
        case "no secret":
            console.print(line(f"{name}: the webhook has no secret, so its events are rejected; set one", style="red"))
        case "missing":
            console.print(line(f"{name}: no webhook with this address. To make one:", style="red"))
            console.print(Text(webhook.make), soft_wrap=True)
        case "unknown":
            console.print(line(f"{name}: webhook not checked: {webhook.error}", style="yellow"))


def _names(all_names: Iterable[str]) -> str:
    """How many different ones there are where it is more than one, and the first of them."""
    names = list(dict.fromkeys(all_names))
    more = len(names) - SHOWN
    count = f"{len(names)}: " if len(names) > 1 else ""
    return f"{count}{', '.join(names[:SHOWN])}{f' and {more} more' if more > 0 else ''}"


def _result(finding: Finding, *, kept: bool) -> Text:
    """One word or two; the others follow below the table."""
    if finding.error:
        return line("fails", style="red")
    empty = sum(not scope.workflows for scope in finding.scopes)
    if not empty and not kept:
        return line("no state", style="yellow")
    if not empty:
        return line("good", style="green")
    return line("empty" if empty == len(finding.scopes) else "partly empty", style="yellow")


def _explain(console: Console, finding: Finding) -> None:
    """Why a project fails and what to do about it, or why it is empty."""
    name = finding.project.name
    if finding.error:
        failure(console, name, finding.error, REMEDIES.get(finding.reason, ""))
    for scope in finding.scopes:
        if scope.reason:
            console.print(line(f"{name} has no workflow: {scope.reason}", style="yellow"))


def counters_kept(config: Config, polled: ProjectSettings) -> bool:
    """Whether all that is counted outlasts a restart."""
    return not counts(polled.collectors) or (config.state.path or config.state.url) is not None


def without_state(names: Sequence[str]) -> str:
    """What happens to counters that are kept in memory alone, and the remedy."""
    return (
        f"There is no state, so at each start the counters of {_names(names)} begin at 0, and what ended while the "
        "exporter was down is never counted. Set state.path or state.url."
    )


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural where there is not one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
