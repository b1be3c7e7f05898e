"""A question to CircleCI's API: what is asked, as a value.

A question with all its pages is the unit of everything that follows: it is answered or fails as a
whole, its rows are one part of a project's snapshot, and it is the key of that part on disk.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

Params = tuple[tuple[str, str], ...]
"""Parameters of a query, in the order in which they are sent."""
ALL_BRANCHES = "all branches"
"""Label `branch` of what is asked for all branches together: no git branch can have a space."""


class Question(NamedTuple):
    """One listing or document of the API, all its pages.

    `endpoint` is the path's template below /api/v2, such as `/insights/{slug}/workflows/{workflow}/jobs`;
    `params` are the query's parameters in the order in which they are sent, without the page token;
    `id` is that of a pipeline, workflow run or organization, and `job` that of a Usage export, where the path has one.
    """

    collector: str
    endpoint: str
    slug: str
    workflow: str = ""
    params: Params = ()
    id: str = ""
    job: str = ""

    @property
    def path(self) -> str:
        """The path with the slug's slashes literal and the workflow's name fully percent-encoded."""
        workflow, id_, job = (quote(value, safe="") for value in (self.workflow, self.id, self.job))
        return self.endpoint.format(slug=quote(self.slug, safe="/"), workflow=workflow, id=id_, job=job)

    @property
    def branch(self) -> str:
        """The label `branch`: the branch asked for, or `all branches`, or nothing for a project's question."""
        params = dict(self.params)
        return ALL_BRANCHES if params.get("all-branches") == "true" else params.get("branch", "")

    @property
    def window(self) -> str:
        """The label `window`: the reporting window asked for, or nothing."""
        return dict(self.params).get("reporting-window", "")

    @property
    def granularity(self) -> str:
        """The label `granularity`: `daily` or `hourly` buckets, or nothing."""
        return dict(self.params).get("granularity", "")


@lru_cache(maxsize=4096)
def shared(params: Params) -> Params:
    """The same object for equal parameters: a fleet has many questions, and few parameters."""
    return params


def scoped(branch: str) -> Params:
    """Parameters that ask for one branch, or for all branches together."""
    return (("all-branches", "true"),) if branch == ALL_BRANCHES else (("branch", branch),)


def reachable(workflow: str) -> bool:
    """Whether a workflow's own pages can be asked for: `.` and `..` vanish when a URL is normalized."""
    return workflow not in {"", ".", ".."}
