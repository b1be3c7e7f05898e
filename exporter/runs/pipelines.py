"""Pipelines and their workflow runs, as CircleCI's API lists them. Pure. Times are Unix seconds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import floor

from exporter.insights.payloads import Unreadable, moment, optional_text, text, timestamp
from exporter.insights.questions import Question
from exporter.runs.entries import Entry, readable
from exporter.runs.reading import STATUSES

COLLECTOR = "pipelines"
TRIGGERS = ("webhook", "api", "explicit", "scheduled_pipeline", "other")
_SCHEDULE_OF_A_WORKFLOW = "schedule"
"""What CircleCI calls the trigger of a pipeline whose configuration has a schedule."""
_SETUP = "setup"
"""What a setup workflow has as its tag."""
CREATED, ERRORED = "created", "errored"
OUTCOMES = (CREATED, ERRORED)
NOT_RUN, CANCELED, SUCCESS = "not_run", "canceled", "success"
UNDER_WAY = ("running", "failing", "on_hold", "queued", "other")
"""Label `status` of a workflow run under way; `other` is what no documentation knows."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class ListedPipeline:
    """One entry of a list of pipelines. `branch` and `tag` are nothing where CircleCI names none."""

    id: str
    slug: str
    number: int | None
    state: str
    created_at: float
    trigger: str
    branch: str
    tag: str


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """One workflow run of a pipeline. `status` is CircleCI's own word, or nothing where it sent none.

    Where it is not `dated`, its creation could not be read, and is that of its pipeline. One that is `automatic` was
    run again by CircleCI itself; what a `setup` workflow makes is the configuration of others.
    """

    id: str
    name: str
    status: str
    created_at: float
    stopped_at: float | None = None
    dated: bool = True
    automatic: bool = False
    setup: bool = False

    @property
    def placed(self) -> bool:
        """Whether its place among the runs of its pipeline is known. What CircleCI gives no times at all came first."""
        return self.dated or (self.ended and self.stopped_at is None)

    @property
    def ended(self) -> bool:
        """Whether it is over. A status that no documentation knows is a final one if the run has stopped."""
        if self.status in STATUSES or self.status == NOT_RUN:
            return True
        return self.status not in UNDER_WAY and self.stopped_at is not None


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A workflow run that was asked for by its id, and the pipeline and project that CircleCI names for it.

    There is no run where its creation could not be read, since its pipeline has another.
    """

    run: WorkflowRun | None
    pipeline: str
    slug: str


def pipelines_of(slug: str) -> Question:
    """Asks for a project's pipelines, newest first."""
    return Question(COLLECTOR, "/project/{slug}/pipeline", slug)


def newest_of_organization(organization: str) -> Question:
    """Asks for the newest pipelines of an organization's projects, as far as the token's user follows them."""
    return Question(COLLECTOR, "/pipeline", organization, params=(("org-slug", organization),))


def pipeline_of(slug: str, pipeline: str) -> Question:
    """Asks for one pipeline of a project."""
    return Question(COLLECTOR, "/pipeline/{id}", slug, id=pipeline)


def workflows_of(slug: str, pipeline: str) -> Question:
    """Asks for a pipeline's workflow runs."""
    return Question(COLLECTOR, "/pipeline/{id}/workflow", slug, id=pipeline)


def workflow_of(slug: str, workflow: str) -> Question:
    """Asks for one workflow run."""
    return Question(COLLECTOR, "/workflow/{id}", slug, id=workflow)


def jobs_of(slug: str, workflow: str) -> Question:
    """Asks for the jobs of a workflow run."""
    return Question(COLLECTOR, "/workflow/{id}/job", slug, id=workflow)


def read_pipelines(page: object) -> tuple[list[ListedPipeline], Counter[str]]:
    """The pipelines of one page, and the fields that could not be read.

    What has no usable id, project or creation is left out. Raises PayloadError without a list.
    """
    return readable(page, read_pipeline)


def read_pipeline(entry: Entry) -> ListedPipeline:
    """One pipeline. Raises Unreadable."""
    tag = entry.must("vcs.tag", optional_text) or entry.must("trigger_parameters.git.tag", optional_text)
    branch = entry.must("vcs.branch", optional_text) or entry.must("trigger_parameters.git.branch", optional_text)
    return ListedPipeline(
        entry.must("id", identifier),
        entry.must("project_slug", text),
        entry.may("number", _whole),
        entry.must("state", optional_text),
        entry.must("created_at", moment),
        entry.may("trigger.type", optional_text) or "",
        branch,
        tag,
    )


def read_workflows(page: object, pipeline_created_at: float) -> tuple[list[WorkflowRun], Counter[str]]:
    """The workflow runs of one page of a pipeline, and the fields that could not be read.

    What has no usable id or name is left out. Raises PayloadError without a list.
    """
    return readable(page, lambda entry: _workflow(entry, pipeline_created_at))


def read_found(entry: Entry) -> FoundRun:
    """One workflow run with its pipeline and project. Raises Unreadable."""
    run = _workflow(entry, 0.0)
    pipeline, slug = entry.must("pipeline_id", identifier), entry.must("project_slug", text)
    return FoundRun(run if run.dated else None, pipeline, slug)


def _workflow(entry: Entry, pipeline_created_at: float) -> WorkflowRun:
    created_at, stopped_at = entry.may("created_at", moment), entry.may("stopped_at", timestamp)
    if created_at is not None and stopped_at is not None and stopped_at < created_at:
        entry.doubt("stopped_at")
    return WorkflowRun(
        entry.must("id", identifier),
        entry.must("name", text),
        entry.must("status", optional_text),
        float(floor(pipeline_created_at)) if created_at is None else created_at,  # jobs have whole seconds
        stopped_at,
        created_at is not None,
        bool(entry.may("auto_rerun_number", _whole)),
        entry.may("tag", optional_text) == _SETUP,
    )


def shown_status(status: str) -> str:
    """The label `status` of a run under way."""
    return status if status in UNDER_WAY else UNDER_WAY[-1]


def trigger_of(pipeline_trigger: str) -> str:
    """The label `trigger`."""
    word = "scheduled_pipeline" if pipeline_trigger == _SCHEDULE_OF_A_WORKFLOW else pipeline_trigger
    return word if word in TRIGGERS else TRIGGERS[-1]


def identifier(value: object) -> str:
    """A UUID in lower case, so that one id is one run in whatever case it came. Raises Unreadable for all else.

    It becomes part of a path.
    """
    found = text(value)
    if not _UUID.fullmatch(found):
        raise Unreadable
    return found.lower()


def _whole(value: object) -> int | None:
    if value is None or type(value) is int:
        return value
    raise Unreadable
