"""The pipelines that happen by themselves: each generated run is the workflow of one of them.

Insights lists the runs that branches triggered under the same ids. Beside them there is what it never knows: tags,
configurations that do not compile, pipelines without a workflow, setup workflows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.demo.draws import draw, uuid_for
from exporter.demo.model import BOT
from exporter.demo.pipelines.model import DemoPipeline, PipelineWorkflow, WorkflowJob
from exporter.demo.pipelines.timeline import NEVER, Finished, jobs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.demo.model import DemoProject, DemoWorkflow, Run
    from exporter.demo.pipelines.book import PipelineBook

_ACTORS = ("octo", "maria", "sam", BOT)
_RERUN, _AUTOMATIC, _SETUP = 0.3, 0.4, 0.5
_BESIDE = (("errored", 0.03), ("empty", 0.04), ("tag", 0.10))
"""What happens beside a run, up to which chance."""
_IN_CONFIGURATION, _UNFETCHED = 0.5, 0.3
"""Of schedules, those that the configuration has; of errored pipelines, those without a configuration."""
_SERIAL = ("deploy", "apply")
_LEAD, _SETUP_SECONDS = 1.5, 14.0
_CONFIG_ERROR = ("config", "Cannot find a definition for job named build-and-tset")
_INGESTION = "Decoupled Ingestion System"
_FETCH_ERROR = ("config-fetch", "Failed to fetch config.yml file.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run of a pipeline's workflow, and the failed one that it repeats."""

    run: Run
    before: Attempt | None = None


@dataclass(slots=True)
class Plan:
    """A pipeline that is to be made: of a branch or a tag, or one that is errored or empty."""

    kind: str
    workflow: DemoWorkflow
    attempts: list[Attempt]
    created: float
    number: int = 0

    @property
    def over(self) -> float:
        """The time when all of its workflows have ended."""
        return max(NEVER if each.run.stopped is None else each.run.stopped for each in self.attempts)


def plans_of_day(project: DemoProject, ran: Iterable[tuple[DemoWorkflow, Run]], first_number: int) -> list[Plan]:
    """Return the pipelines of a project's runs of one day, oldest first, numbered."""
    plans: list[Plan] = []
    newest: dict[tuple[str, str], tuple[Plan, Attempt]] = {}
    for workflow, run in sorted(ran, key=lambda entry: entry[1].created):
        plan, before = newest.get((workflow.name, run.branch), (None, None))
        if plan is not None and before is not None and _repeats(before.run, run):
            attempt = Attempt(run, before)
            plan.attempts.append(attempt)
        else:
            attempt = Attempt(run)
            lead = _SETUP_SECONDS if _has_setup(project, run) else _LEAD
            plan = Plan("branch", workflow, [attempt], run.created - lead)
            plans += [plan, *_beside(workflow, run)]
        newest[workflow.name, run.branch] = (plan, attempt)
    plans.sort(key=lambda each: each.created)
    for index, each in enumerate(plans):
        each.number = first_number + index
    return plans


def _repeats(before: Run, run: Run) -> bool:
    over = before.stopped is not None and before.stopped < run.created
    return before.status == "failed" and over and draw(f"{run.id}|rerun").uniform[0] < _RERUN


def _has_setup(project: DemoProject, run: Run) -> bool:
    return project.owner.vcs == "circleci" and draw(f"{run.id}|setup").uniform[0] < _SETUP


def _beside(workflow: DemoWorkflow, run: Run) -> Iterator[Plan]:
    chance, ident = draw(f"{run.id}|beside")
    kind = next((kind for kind, bound in _BESIDE if chance[0] < bound), None)
    if kind is not None:
        created = round(run.created + 5 + 50 * chance[1], 3)
        shift = created + _LEAD - run.created
        stopped = None if run.stopped is None else run.stopped + shift
        yield Plan(
            kind, workflow, [Attempt(replace(run, id=ident, created=run.created + shift, stopped=stopped))], created
        )


def make(book: PipelineBook, project: DemoProject, plan: Plan) -> str:
    """Put a pipeline into the book, with its workflows and jobs; its id."""
    pipeline = _pipeline(project, plan)
    book.add(pipeline)
    if plan.kind not in ("branch", "tag"):
        return pipeline.id
    first = plan.attempts[0].run
    setup = plan.kind == "branch" and _has_setup(project, first)
    if setup:
        _add_setup(book, pipeline, first)
    made: dict[str, list[WorkflowJob]] = {}
    for index, attempt in enumerate(plan.attempts):
        numbers = plan.number * 100 + 20 * index
        before = attempt.before
        finished = None if before is None else _finished(plan.workflow, attempt, made[before.run.id])
        workflow = _workflow(plan, attempt, pipeline)
        begun = workflow.queued_until or workflow.created
        jobs = jobs_of(plan.workflow, replace(attempt.run, created=begun), numbers, finished)
        made[workflow.id] = jobs
        book.add_workflow(workflow)
        book.add_jobs(workflow.id, jobs)
    return pipeline.id


def _pipeline(project: DemoProject, plan: Plan) -> DemoPipeline:
    run = plan.attempts[0].run
    chance, _ = draw(f"{run.id}|pipeline")
    trigger = "webhook" if chance[0] < 0.85 else "api" if chance[0] < 0.95 else "explicit"
    actor = _ACTORS[int(chance[1] * len(_ACTORS))]
    if plan.workflow.runs_per_day <= 1 and chance[2] < _IN_CONFIGURATION:
        trigger, actor = "schedule", "Scheduled"
    elif plan.workflow.runs_per_day <= 1:
        trigger = "scheduled_pipeline"
    made = DemoPipeline(
        id=uuid_for(f"{run.id}|pipeline"),
        slug=project.slug,
        number=plan.number,
        created=plan.created,
        branch=None if plan.kind == "tag" else run.branch,
        tag=f"v2.{plan.number}.0" if plan.kind == "tag" else None,
        state="errored" if plan.kind == "errored" else "created",
        before=_states(project, plan, run),
        source="git" if project.owner.vcs == "circleci" else "vcs",
        trigger=trigger,
        actor=actor,
        errors=(_CONFIG_ERROR,) if plan.kind == "errored" else (),
    )
    if plan.kind == "errored" and made.source == "vcs" and chance[2] < _UNFETCHED:
        made = replace(made, branch=None, source="unfetched", trigger=_INGESTION, actor="", errors=(_FETCH_ERROR,))
    return made


def _states(project: DemoProject, plan: Plan, run: Run) -> tuple[tuple[str, float], ...]:
    if plan.kind == "branch" and _has_setup(project, run):
        return ("setup-pending", plan.created + 2), ("setup", run.created)
    return (("pending", plan.created + 1),)


def _add_setup(book: PipelineBook, pipeline: DemoPipeline, run: Run) -> None:
    begun, over = pipeline.created + 2, run.created - 1
    ident = uuid_for(f"{run.id}|setup")
    book.add_workflow(PipelineWorkflow(ident, pipeline.id, "setup", begun, "success", over, setup=True))
    job = WorkflowJob(uuid_for(ident), "continue", "success", "build", pipeline.number * 100 + 99, begun + 2, over)
    book.add_jobs(ident, [job])


def _workflow(plan: Plan, attempt: Attempt, pipeline: DemoPipeline) -> PipelineWorkflow:
    run = attempt.run
    chance, _ = draw(f"{run.id}|workflow")
    automatic = attempt.before is not None and chance[0] < _AUTOMATIC
    length = 60.0 if run.stopped is None else run.stopped - run.created
    queued = plan.workflow.name in _SERIAL and chance[1] < 0.5
    return PipelineWorkflow(
        id=run.id,
        pipeline_id=pipeline.id,
        name=plan.workflow.name,
        created=run.created,
        status=run.status or "success",
        stopped=NEVER if run.stopped is None else run.stopped,
        queued_until=run.created + 0.3 * chance[2] * length if queued else None,
        auto_rerun_number=1 if automatic else None,
        max_auto_reruns=2 if automatic else None,
    )


def _finished(workflow: DemoWorkflow, attempt: Attempt, jobs: list[WorkflowJob]) -> Finished | None:
    """Return what is carried over, None when all runs again."""
    if draw(f"{attempt.run.id}|all again").uniform[0] < 0.3:
        return None
    done = {job.name: job for job in jobs if job.status == "success"}
    failed = next((index for index, job in enumerate(workflow.jobs) if job.name not in done), 0)
    return Finished(done, failed, same_ids=draw(f"{attempt.run.id}|ids").uniform[0] < 0.5)
