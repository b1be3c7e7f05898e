"""The pipelines that there are, with their workflows and jobs, found by id, by project and by organization."""

from __future__ import annotations

import threading
from bisect import bisect_right, insort
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exporter.demo.ledger import Place
from exporter.demo.model import Run
from exporter.demo.pipelines.model import ENDED, DemoPipeline, PipelineWorkflow, WorkflowJob, seen_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.demo.messages import Json


class PipelineBook:
    """Pipelines, oldest first. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pipelines: dict[str, DemoPipeline] = {}
        self._workflows: dict[str, PipelineWorkflow] = {}
        self._jobs: dict[str, dict[str, WorkflowJob]] = {}
        self._of_pipeline: dict[str, list[str]] = {}
        self._order: dict[str, list[tuple[float, str]]] = {}
        self._shown: dict[Place, list[tuple[float, str]]] = {}
        self.version = 0

    # ---- what is added and changed

    def add(self, pipeline: DemoPipeline) -> None:
        """Add a pipeline. Raises ValueError for an id that is taken."""
        with self._lock:
            _refuse(pipeline.id, self._pipelines)
            self._pipelines[pipeline.id] = pipeline
            self._of_pipeline[pipeline.id] = []
            for key in (pipeline.slug, owner_of(pipeline.slug)):
                insort(self._order.setdefault(key, []), (pipeline.created, pipeline.id))
            self.version += 1

    def add_workflow(self, workflow: PipelineWorkflow) -> None:
        """Add a workflow to its pipeline. Raises KeyError without one, ValueError for an id that is taken."""
        with self._lock:
            pipeline = self._pipelines[workflow.pipeline_id]
            _refuse(workflow.id, self._workflows)
            self._workflows[workflow.id] = workflow
            self._jobs[workflow.id] = {}
            self._of_pipeline[pipeline.id].append(workflow.id)
            if workflow.shown is not None and pipeline.branch is not None:
                shown = self._shown.setdefault(Place(pipeline.slug, workflow.name), [])
                insort(shown, (workflow.created, workflow.id))
            self.version += 1

    def add_jobs(self, workflow_id: str, jobs: Iterable[WorkflowJob]) -> None:
        """Add jobs to a workflow. Raises KeyError without one, ValueError for an id that is taken."""
        with self._lock:
            listed = self._jobs[workflow_id]
            for job in jobs:
                _refuse(job.id, listed)
                listed[job.id] = job
            self.version += 1

    def change(self, pipeline_id: str, **changes: Json) -> DemoPipeline:
        """Replace fields of a pipeline, but none of those by which it is found."""
        with self._lock:
            self._pipelines[pipeline_id] = replace(self._pipelines[pipeline_id], **changes)
            self.version += 1
            return self._pipelines[pipeline_id]

    def change_workflow(self, workflow_id: str, **changes: Json) -> PipelineWorkflow:
        """Replace fields of a workflow, but none of those by which it is found."""
        with self._lock:
            self._workflows[workflow_id] = replace(self._workflows[workflow_id], **changes)
            self.version += 1
            return self._workflows[workflow_id]

    def change_job(self, workflow_id: str, job_id: str, **changes: Json) -> WorkflowJob:
        """Replace fields of a job in a workflow's list."""
        with self._lock:
            listed = self._jobs[workflow_id]
            listed[job_id] = replace(listed[job_id], **changes)
            self.version += 1
            return listed[job_id]

    def forget(self, pipeline_ids: set[str]) -> None:
        """Take pipelines away with all that belongs to them."""
        with self._lock:
            for pipeline_id in pipeline_ids:
                del self._pipelines[pipeline_id]
                for workflow_id in self._of_pipeline.pop(pipeline_id):
                    del self._workflows[workflow_id], self._jobs[workflow_id]
            for order in self._order.values():
                order[:] = [each for each in order if each[1] not in pipeline_ids]
            self.version += 1

    # ---- what there is

    def every(self) -> list[DemoPipeline]:
        """Every pipeline in the order in which they were added, as they were given."""
        with self._lock:
            return list(self._pipelines.values())

    def given_pipeline(self, pipeline_id: str) -> DemoPipeline:
        """Return a pipeline as it was given. Raises KeyError."""
        return self._pipelines[pipeline_id]

    def given_workflow(self, workflow_id: str) -> PipelineWorkflow:
        """Return a workflow as it was given. Raises KeyError."""
        return self._workflows[workflow_id]

    def given_workflows(self, pipeline_id: str) -> list[PipelineWorkflow]:
        """Return the workflows of a pipeline as they were given, in the order in which they were. Raises KeyError."""
        with self._lock:
            return [self._workflows[each] for each in self._of_pipeline[pipeline_id]]

    def given_jobs(self, workflow_id: str) -> list[WorkflowJob]:
        """Return the jobs of a workflow as they were given, in the order in which they were. Raises KeyError."""
        with self._lock:
            return list(self._jobs[workflow_id].values())

    def newest(self, key: str, at: float) -> list[DemoPipeline]:
        """Return the pipelines of a project or an organization that were created by then, newest first."""
        with self._lock:
            order = self._order.get(key, [])
            known = order[: bisect_right(order, (at, "~"))]
            return [self._pipelines[pipeline_id] for _, pipeline_id in reversed(known)]

    def pipeline(self, pipeline_id: str, at: float) -> DemoPipeline | None:
        """Return a pipeline as it looks then; None where there is none yet."""
        found = self._pipelines.get(pipeline_id)
        return None if found is None or found.created > at else found.seen(at)

    def workflows(self, pipeline_id: str, at: float) -> list[PipelineWorkflow]:
        """Return the workflows of a pipeline as they look then, newest first."""
        with self._lock:
            known = [self._workflows[each] for each in self._of_pipeline.get(pipeline_id, ())]
        started = sorted((each for each in known if each.created <= at), key=lambda each: -each.created)
        return [each.seen(at, self._seen_jobs(each, at)) for each in started]

    def workflow(self, workflow_id: str, at: float) -> PipelineWorkflow | None:
        """Return a workflow as it looks then; None where there is none yet."""
        found = self._workflows.get(workflow_id)
        return None if found is None or found.created > at else found.seen(at, self._seen_jobs(found, at))

    def jobs(self, workflow_id: str, at: float) -> list[WorkflowJob]:
        """Return the jobs of a workflow as they look then, in the order in which they were added."""
        found = self._workflows.get(workflow_id)
        return [] if found is None or found.created > at else self._seen_jobs(found, at)

    def _seen_jobs(self, workflow: PipelineWorkflow, at: float) -> list[WorkflowJob]:
        with self._lock:
            jobs = list(self._jobs[workflow.id].values())
        return seen_jobs(jobs, at, queued=workflow.queued_until is not None and at < workflow.queued_until)

    # ---- what Insights knows of it

    def runs(self, place: Place, start: float = 0.0) -> list[Run]:
        """Return the runs of a workflow that Insights lists, created from `start` on, oldest first."""
        with self._lock:
            shown = self._shown.get(place, [])
            known = shown[bisect_right(shown, (start, "")) :]
            workflows = [self._workflows[each] for _, each in known]
            return [self._run(each) for each in workflows if each.status != "not_run"]

    def places(self) -> list[Place]:
        """Every workflow that Insights lists runs of, in the order of their first."""
        with self._lock:
            return list(self._shown)

    def _run(self, workflow: PipelineWorkflow) -> Run:
        over = workflow.status in ENDED and workflow.stopped is not None
        return Run(
            id=workflow.id,
            branch=self._pipelines[workflow.pipeline_id].branch or "",
            created=workflow.created,
            stopped=workflow.stopped if over else None,
            status=workflow.status if over else None,
            duration=workflow.duration,
            credits=workflow.credits,
            is_approval=workflow.is_approval,
            shown=workflow.shown or 0.0,
        )


def owner_of(slug: str) -> str:
    """Return the slug of a project's organization."""
    return slug.rpartition("/")[0]


def _refuse(ident: str, taken: dict[str, Any]) -> None:
    if ident in taken:
        raise ValueError(f"{ident} exists")
