"""Asks about a project itself: its default branch, its name, and the branches that globs may match."""

from __future__ import annotations

from exporter.config import Project
from exporter.errors import PollError
from exporter.insights.questions import Question
from exporter.knowledge.facts import BRANCH_LIST, PROJECT, branches_due, due, of_project, with_branches
from exporter.knowledge.snapshots import Facts
from exporter.polling.attempt import Attempt


def refresh(
    attempt: Attempt, project: Project, facts: Facts | None, *, branches: bool
) -> tuple[Facts | None, PollError | None]:
    """Ask for what is due: the project once a day, its branches once an hour where globs need them.

    Returns the facts and the failure. The last known facts are used while asking fails.
    """
    now = attempt.now()

    def ask(endpoint: str) -> object:
        return attempt.document(Question(attempt.collector, endpoint, project.slug))

    try:
        nameless = facts is not None and project.default_branch and not facts.default_branch
        if facts is None or nameless or due(facts, now):
            facts = of_project(ask(PROJECT), facts, now)
        if branches and project.branch_globs and branches_due(facts, now):
            facts = with_branches(facts, ask(BRANCH_LIST), now)
    except PollError as error:
        return facts, error
    return facts, None
