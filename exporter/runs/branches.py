"""What the label `branch` of a run is: few branches have a name of their own."""

from __future__ import annotations

from collections.abc import Callable

from exporter.config import Globs, Project

OTHER_BRANCHES = "other branches"
"""Label `branch` of all branches that have no name of their own: no git branch can have a space."""
ALL_TAGS = "all tags"
"""Label `branch` of what a tag triggered."""


def labels_of(project: Project, default_branch: str) -> Callable[[str], str]:
    """What the label `branch` of a run is: the branch's name where it is asked for by name or glob."""
    names = {default_branch, *project.branch_names} - {""}
    globs = Globs(include=project.branch_globs)

    def label(branch: str) -> str:
        return branch if branch in names or (branch and globs.match(branch)) else OTHER_BRANCHES

    return label


def branch_label(branch: str, tag: str, label: Callable[[str], str]) -> str:
    """The label `branch` of what a pipeline ran; `label` says what that of a branch is."""
    if tag:
        return ALL_TAGS
    return label(branch) if branch else OTHER_BRANCHES


def is_single(label: str) -> bool:
    """Whether a label is the name of one branch."""
    return label not in {OTHER_BRANCHES, ALL_TAGS}


def is_named(branch: str, label: Callable[[str], str]) -> bool:
    """Whether a label is still one that runs can have."""
    return branch == ALL_TAGS or label(branch) == branch
