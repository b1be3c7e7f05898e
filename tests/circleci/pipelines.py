"""Pipelines that a test drives: added whole, with all that will happen to them, or moved from state to state.

Times are whole seconds unless given: workflows and jobs have no finer ones, and Insights then says the same.
A job names its dependencies as it likes: by their ids, or by the names of jobs that stand before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.demo.draws import uuid_for
from exporter.demo.pipelines.model import DemoPipeline, PipelineWorkflow, WorkflowJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.demo.organization import Organization

Facts = dict[str, Any]
Record = DemoPipeline | PipelineWorkflow | WorkflowJob


class Pipelines:
    """Adds pipelines to an organization, and changes them."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._book = organization.book
        self._made = 0
        self._numbers: dict[str, int] = {}

    def add(
        self,
        slug: str,
        branch: str | None = "main",
        *,
        tag: str | None = None,
        created: float | None = None,
        workflows: Iterable[Mapping[str, Any]] = (),
        **more: Any,
    ) -> DemoPipeline:
        """Add a pipeline, now unless said otherwise; `workflows` as in `add_workflow`, `more` as in `DemoPipeline`."""
        project = self._organization.roster.find(slug)
        if project is None:
            raise KeyError(slug)
        given = {"source": "git" if project.owner.vcs == "circleci" else "vcs"} | more
        if "before" in given:
            given["before"] = tuple((state, until) for state, until in given["before"])
        if "errors" in given:
            given["errors"] = tuple((kind, text) for kind, text in given["errors"])
        pipeline = DemoPipeline(
            given.pop("id", None) or self._new_id("pipeline"),
            project.slug,
            given.pop("number", None) or self._number(f"{slug}|pipeline"),
            self._time(created),
            None if tag is not None else branch,
            tag,
            **given,
        )
        self._book.add(pipeline)
        for each in workflows:
            self.add_workflow(pipeline.id, **{"created": pipeline.created, **each})
        return pipeline

    def add_workflow(
        self,
        pipeline_id: str,
        name: str,
        status: str = "running",
        *,
        created: float | None = None,
        jobs: Sequence[Mapping[str, Any]] = (),
        insights: bool = True,
        **more: Any,
    ) -> PipelineWorkflow:
        """Add a workflow, with `jobs` as in `add_jobs`; `more` as in `PipelineWorkflow`.

        Insights lists it (not where a tag triggered it) from `shown` on, with `credits` and `duration`, which without
        saying is its time from creation to stop. Without `insights` it never does.
        """
        pipeline = self._book.given_pipeline(pipeline_id)
        begun, stopped = self._time(created), more.get("stopped")
        hidden = not insights or pipeline.branch is None or pipeline.source == "none"
        given = {
            "id": self._new_id("workflow"),
            "duration": None if stopped is None else int(stopped - begun),
            "shown": 0.0,
            **more,
            **({"shown": None} if hidden else {}),
        }
        workflow = PipelineWorkflow(pipeline_id=pipeline_id, name=name, created=begun, status=status, **given)
        self._book.add_workflow(workflow)
        self.add_jobs(workflow.id, jobs)
        return workflow

    def add_jobs(self, workflow_id: str, jobs: Sequence[Mapping[str, Any]]) -> list[WorkflowJob]:
        """Add jobs as in `WorkflowJob`; those that are no approvals have a number."""
        slug = self._slug(workflow_id)
        ids = {each.name: each.id for each in self._book.given_jobs(workflow_id)}
        made = []
        for each in jobs:
            given = {"id": self._new_id("job"), "dependencies": (), **each}
            given["dependencies"] = tuple(ids.get(needed, needed) for needed in given["dependencies"])
            if given.get("type") != "approval" and "number" not in given:
                given["number"] = self._number(f"{slug}|job")
            made.append(WorkflowJob(**given))
            ids[made[-1].name] = made[-1].id
        self._book.add_jobs(workflow_id, made)
        return made

    def change(self, pipeline_id: str, **changes: Any) -> DemoPipeline:
        """Change a pipeline: its `state`, its `errors`."""
        return self._book.change(pipeline_id, **changes)

    def change_workflow(self, workflow_id: str, **changes: Any) -> PipelineWorkflow:
        """Change a workflow: its `status`, and with a `stopped` its `duration` unless that is given."""
        if changes.get("stopped") is not None and "duration" not in changes:
            created = self._book.given_workflow(workflow_id).created
            changes["duration"] = int(changes["stopped"] - created)
        return self._book.change_workflow(workflow_id, **changes)

    def change_job(self, workflow_id: str, job: str, **changes: Any) -> WorkflowJob:
        """Change a job, by its id or (its newest attempt) by its name: `status`, `started`, `stopped`."""
        ids = {each.name: each.id for each in self._book.given_jobs(workflow_id)}
        return self._book.change_job(workflow_id, ids.get(job, job), **changes)

    def rerun(
        self,
        workflow_id: str,
        *,
        from_failed: bool = True,
        same_ids: bool = True,
        created: float | None = None,
        jobs: Sequence[Mapping[str, Any]] = (),
        **more: Any,
    ) -> PipelineWorkflow:
        """Run a workflow once more in its pipeline: a new id, the same name.

        From failed, jobs that succeeded are carried over with their times, under their ids or under new ones; `jobs`
        (as in `add_jobs`) are what runs again.
        """
        before = self._book.given_workflow(workflow_id)
        workflow = self.add_workflow(before.pipeline_id, before.name, created=created, **more)
        if from_failed:
            done = [each for each in self._book.given_jobs(workflow_id) if each.status == "success"]
            names = {each.id: each.name for each in done}
            carried = [_plain(each) for each in done]
            for each in carried:
                each["dependencies"] = tuple(names.get(needed, needed) for needed in each["dependencies"])
                if not same_ids:
                    del each["id"]
            self.add_jobs(workflow.id, carried)
        self.add_jobs(workflow.id, jobs)
        return workflow

    def truth(self, at: float | None = None) -> list[Facts]:
        """Every pipeline that was created by then with all of its workflows and jobs, as they look then.

        Facts alone, with the fields of `DemoPipeline`, `PipelineWorkflow` and `WorkflowJob`: nothing is counted.
        """
        now = self._organization.clock.now() if at is None else at
        found = []
        for each in self._book.every():
            pipeline = self._book.pipeline(each.id, now)
            if pipeline is not None:
                workflows = [
                    _plain(workflow) | {"jobs": [_plain(job) for job in self._book.jobs(workflow.id, now)]}
                    for workflow in self._book.workflows(each.id, now)
                ]
                found.append(_plain(pipeline) | {"workflows": workflows})
        return found

    def step(self, action: str, given: Mapping[str, Any]) -> Facts:
        """Do one of the above by its name, as another process asks for it; what it made, as facts."""
        actions: dict[str, Callable[..., Any]] = {
            "add": self.add,
            "add_workflow": self.add_workflow,
            "add_jobs": self.add_jobs,
            "change": self.change,
            "change_workflow": self.change_workflow,
            "change_job": self.change_job,
            "rerun": self.rerun,
        }
        return self._facts(actions[action](**given))

    # ---- inside

    def _facts(self, made: DemoPipeline | PipelineWorkflow | WorkflowJob | list[WorkflowJob]) -> Facts:
        match made:
            case DemoPipeline():
                return _plain(made) | {"workflows": [self._facts(each) for each in self._book.given_workflows(made.id)]}
            case PipelineWorkflow():
                return _plain(made) | self._facts(self._book.given_jobs(made.id))
            case WorkflowJob():
                return _plain(made)
            case _:
                return {"jobs": [_plain(each) for each in made]}

    def _time(self, at: float | None) -> float:
        return self._organization.clock.now() // 1 if at is None else at

    def _new_id(self, kind: str) -> str:
        self._made += 1
        return uuid_for(f"{self._organization.seed}|{kind}|{self._book.version}|{self._made}")

    def _number(self, key: str) -> int:
        self._numbers[key] = self._numbers.get(key, 0) + 1
        return self._numbers[key]

    def _slug(self, workflow_id: str) -> str:
        return self._book.given_pipeline(self._book.given_workflow(workflow_id).pipeline_id).slug


def _plain(record: Record) -> Facts:
    """Return the fields; `dataclasses.asdict` copies them, which takes ten times as long."""
    return {name: getattr(record, name) for name in record.__slots__}
