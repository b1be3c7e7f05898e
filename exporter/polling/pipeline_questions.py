"""Asking about pipelines: a walk over a list, a look at one pipeline, the way from a run's id to its pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from exporter.errors import PayloadError, PollError
from exporter.insights.payloads import Unreadable, items
from exporter.insights.questions import Question
from exporter.polling.attempt import Attempt
from exporter.runs import jobs, pipelines
from exporter.runs.entries import Entry, Value
from exporter.runs.jobs import Job
from exporter.runs.live import WatchedPipeline
from exporter.runs.pipelines import FoundRun, ListedPipeline, WorkflowRun


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk over a list met, newest first; `failure` is why it broke off, if it did.

    `torn` says that some entries could not be read, and are not among those that were met; `cut` that it ended since
    it had read as many pages as it may.
    """

    found: dict[str, ListedPipeline]
    failure: PollError | None = None
    torn: bool = False
    cut: bool = False


def walk(
    attempt: Attempt, question: Question, *, since: float, reached: Callable[[str], bool], pages: int | None = None
) -> Walk:
    """Read a list of pipelines down to a creation, to one that was `reached` before, by its id, or for so many pages.

    The last page is read to its end, since a pipeline may be listed later than a newer one. What was met before a
    failure is met all the same. Raises Stopped.
    """
    found: dict[str, ListedPipeline] = {}
    torn = False
    try:
        with closing(attempt.pages(question)) as answer:
            for number, page in enumerate(answer, 1):
                read, unread = pipelines.read_pipelines(page)
                attempt.unread(unread)
                torn = torn or bool(unread)
                young = [pipeline for pipeline in read if pipeline.created_at >= since]
                for pipeline in young:
                    found.setdefault(pipeline.id, pipeline)
                if len(young) < len(read) or any(reached(pipeline.id) for pipeline in young):
                    return Walk(found, None, torn)
                if number == pages:
                    return Walk(found, None, torn, cut=True)
    except PollError as error:
        return Walk(found, error, torn)
    return Walk(found, None, torn)


def workflows(
    attempt: Attempt, slug: str, pipeline: WatchedPipeline | ListedPipeline
) -> tuple[list[WorkflowRun], bool]:
    """All workflow runs of a pipeline, and whether all are there with their order. Raises PollError or Stopped."""
    found: dict[str, WorkflowRun] = {}
    whole = True
    for page in attempt.pages(pipelines.workflows_of(slug, pipeline.id)):
        read, unread = pipelines.read_workflows(page, pipeline.created_at)
        attempt.unread(unread)
        whole = whole and len(read) == len(items(page))
        for run in read:  # of one that comes twice, on pages that shifted, the entry that has ended serves
            if run.id not in found or not found[run.id].ended:
                found[run.id] = run
    return list(found.values()), whole and all(run.placed for run in found.values())


def jobs_of(attempt: Attempt, slug: str, run: str, *, ahead: bool = False) -> tuple[list[Job], bool]:
    """All jobs of a workflow run, and whether each field of them could be read. Raises PollError or Stopped."""
    found: list[Job] = []
    whole = True
    for page in attempt.pages(pipelines.jobs_of(slug, run), ahead=ahead):
        read, unread = jobs.read_jobs(page)
        attempt.unread(unread)
        found += read
        whole = whole and not unread
    return found, whole


def pipeline(attempt: Attempt, slug: str, identifier: str, *, ahead: bool = False) -> ListedPipeline:
    """One pipeline by its id. Raises PollError or Stopped."""
    return _document(attempt, pipelines.pipeline_of(slug, identifier), pipelines.read_pipeline, ahead=ahead)


def pipeline_of_run(attempt: Attempt, slug: str, identifier: str) -> str:
    """The id of the pipeline that a workflow run belongs to. Raises PollError or Stopped."""
    question = pipelines.workflow_of(slug, identifier)
    return _document(attempt, question, lambda entry: entry.must("pipeline_id", pipelines.identifier))


def run(attempt: Attempt, slug: str, identifier: str) -> FoundRun:
    """One workflow run by its id, ahead of what else waits. Raises PollError or Stopped."""
    return _document(attempt, pipelines.workflow_of(slug, identifier), pipelines.read_found, ahead=True)


def _document(attempt: Attempt, question: Question, read: Callable[[Entry], Value], *, ahead: bool = False) -> Value:
    document = attempt.document(question, ahead=ahead)
    unread = Counter[str]()
    try:
        if isinstance(document, dict):
            return read(Entry(document, unread))
    except Unreadable:
        pass
    finally:
        attempt.unread(unread)
    raise PayloadError(f"GET {question.path}: the answer is not as documented")
