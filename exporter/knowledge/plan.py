"""What to ask next, from a project's settings and what is known about it. Pure.

A project's branches are its scopes; the rows of its workflows name the workflows whose jobs are asked for.
What is no longer asked is no longer shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from exporter.config import Globs, Project
from exporter.errors import PayloadError
from exporter.insights.collector import PROJECT_POLL, Collector
from exporter.insights.collectors import COLLECTORS, LISTING, PIPELINES, counts
from exporter.insights.questions import ALL_BRANCHES, Question, reachable
from exporter.knowledge.facts import default_branch
from exporter.knowledge.packing import unpack_texts
from exporter.knowledge.snapshots import Facts, Snapshot, kept

GLOB_BRANCHES = 100
"""How many branches a project's globs may add; what they match beyond is counted and left out."""


def matched_branches(project: Project, facts: Facts | None) -> list[str]:
    """The branches known to Insights that the project's globs match, sorted, without a limit."""
    if facts is None or not project.branch_globs:
        return []
    globs = Globs(include=project.branch_globs)
    return sorted(branch for branch in facts.branches if globs.match(branch))


def left_out(project: Project, facts: Facts | None) -> int:
    """How many branches the globs match that are not asked for."""
    return max(0, len(matched_branches(project, facts)) - GLOB_BRANCHES)


def branches(project: Project, facts: Facts | None) -> list[str]:
    """The scopes of a project as values of the label `branch`, each once.

    Raises PayloadError when the default branch is wanted and CircleCI names none.
    """
    scopes = []
    if project.default_branch:
        scopes.append(default_branch(project, facts))
    scopes += project.branch_names
    scopes += matched_branches(project, facts)[:GLOB_BRANCHES]
    if project.all_branches:
        scopes.append(ALL_BRANCHES)
    return list(dict.fromkeys(scopes))


@lru_cache
def collectors(names: tuple[str, ...]) -> tuple[Collector, ...]:
    """What a project with these collectors polls at its interval, in the order of the table.

    The workflows are asked for whenever another collector repeats over them.
    """
    own = [collector for collector in COLLECTORS.values() if collector.poll == PROJECT_POLL]
    wanted = [collector for collector in own if collector.name in names]
    if any("workflow" in collector.over for collector in wanted) and LISTING not in wanted:
        wanted.insert(0, LISTING)
    return tuple(wanted)


def questions(collector: Collector, snapshot: Snapshot) -> Iterator[Question]:
    """All questions of one collector about a project, from what is known now. Raises PayloadError like `branches`."""
    project = snapshot.project
    scopes = branches(project, snapshot.facts) if "branch" in collector.over else [""]
    if "workflow" not in collector.over:
        for branch in scopes:
            yield from collector.questions(project.slug, branch=branch, windows=project.windows)
        return
    for (branch, window), names in workflows(snapshot, scopes, per_window="window" in collector.over).items():
        for name in names:
            yield from collector.questions(project.slug, workflow=name, branch=branch, windows=(window,))


def workflows(snapshot: Snapshot, scopes: Sequence[str], *, per_window: bool) -> Mapping[tuple[str, str], list[str]]:
    """The wanted workflows by branch and window, or by branch alone (with an empty window)."""
    project = snapshot.project
    found: dict[tuple[str, str], dict[str, None]] = {}
    for branch in scopes:
        for question in LISTING.questions(project.slug, branch=branch, windows=project.windows):
            part = snapshot.parts.get(question)
            if part is None:
                continue
            names = found.setdefault((branch, question.window if per_window else ""), {})
            for name in _listed(part.rows):
                if reachable(name) and project.workflows.match(name):
                    names[name] = None
    return {scope: sorted(names) for scope, names in found.items()}


@lru_cache(maxsize=64)
def _listed(rows: bytes) -> tuple[str, ...]:
    """The workflows in a packed list; a poll needs the same lists some times."""
    (table,) = LISTING.tables
    return tuple([name for (name,), _ in unpack_texts(rows, table)])


def asked(snapshot: Snapshot) -> tuple[set[Question], set[str]]:
    """All questions about a project, from what is known now, and the collectors whose questions are not known yet."""
    known: set[Question] = set()
    unknown: set[str] = set()
    for collector in collectors(snapshot.project.collectors):
        try:
            known.update(questions(collector, snapshot))
        except PayloadError:
            unknown.add(collector.name)
    return known, unknown


class Pruned(NamedTuple):
    """A snapshot without what is no longer asked, the questions that went, and whether one has no answer yet."""

    snapshot: Snapshot
    gone: list[Question]
    lacks: bool


def pruned(snapshot: Snapshot) -> Pruned:
    """Take out what is no longer asked."""
    wanted = snapshot.project.collectors
    polled = {*wanted, *(collector.name for collector in collectors(wanted))}
    known, unknown = asked(snapshot)
    snapshot = replace(
        snapshot,
        outcomes={name: outcome for name, outcome in snapshot.outcomes.items() if name in polled},
        ledger=snapshot.ledger if counts(wanted) else None,
        live=snapshot.live if PIPELINES in wanted else None,
    )
    left, gone = kept(snapshot, lambda question: question in known or question.collector in unknown)
    return Pruned(left, gone, snapshot.facts is None or not known <= snapshot.parts.keys())


def counters_limit(snapshot: Snapshot) -> int:
    """How many series the counters of a project may have, beside what else is shown.

    Gauges that could not be read have a half kept for them: they would find no room when they come.
    """
    limit, found = snapshot.project.max_series, snapshot.outcomes
    gauges = [each.name for each in collectors(snapshot.project.collectors)]
    known = all(name in found and found[name].success for name in gauges)
    return min(limit - snapshot.beside, limit if known else limit // 2)


def missing(snapshot: Snapshot) -> bool:
    """Whether a question has no answer yet."""
    return snapshot.facts is None or not asked(snapshot)[0] <= snapshot.parts.keys()
