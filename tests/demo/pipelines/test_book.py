from __future__ import annotations

from typing import Any

import pytest

from exporter.demo.ledger import Place
from exporter.demo.pipelines.book import PipelineBook, owner_of
from exporter.demo.pipelines.model import DemoPipeline, PipelineWorkflow, WorkflowJob

SLUG = "gh/acme/web"


@pytest.fixture
def book() -> PipelineBook:
    book = PipelineBook()
    for ident, created in (("b", 20.0), ("a", 10.0), ("c", 30.0)):
        book.add(DemoPipeline(ident, SLUG, int(created), created))
    book.add(DemoPipeline("other", "gh/acme/api", 1, 15.0, branch=None, tag="v1"))
    return book


def workflow(ident: str, pipeline_id: str = "a", created: float = 11, **more: Any) -> PipelineWorkflow:
    return PipelineWorkflow(ident, pipeline_id, "build", created, **more)


def test_pipelines_are_listed_newest_first_by_project_and_by_organization(book: PipelineBook) -> None:
    assert [each.id for each in book.newest(SLUG, 100)] == ["c", "b", "a"]
    assert [each.id for each in book.newest("gh/acme", 100)] == ["c", "b", "other", "a"]
    assert [each.id for each in book.newest(SLUG, 20)] == ["b", "a"]
    assert book.newest("gh/none", 100) == []
    assert [each.id for each in book.every()] == ["b", "a", "c", "other"]


def test_what_is_not_there_yet_is_not_found(book: PipelineBook) -> None:
    book.add_workflow(workflow("w"))
    book.add_jobs("w", [WorkflowJob("j", "lint", "queued")])
    assert (book.pipeline("a", 9), book.workflow("w", 10), book.jobs("w", 10)) == (None, None, [])
    assert book.workflows("a", 10) == []
    assert book.workflows("none", 10) == []
    assert (book.pipeline("a", 10) is None, book.workflow("w", 11) is None) == (False, False)
    assert [each.id for each in book.jobs("w", 11)] == ["j"]


def test_the_newest_workflow_of_a_pipeline_comes_first(book: PipelineBook) -> None:
    book.add_workflow(workflow("first"))
    book.add_workflow(workflow("again", created=50))
    assert [each.id for each in book.workflows("a", 100)] == ["again", "first"]
    assert [each.id for each in book.given_workflows("a")] == ["first", "again"]


def test_one_job_can_stand_in_two_workflows_but_not_twice_in_one(book: PipelineBook) -> None:
    job = WorkflowJob("j", "lint", "success", started=12, stopped=13)
    for ident in ("w", "v"):
        book.add_workflow(workflow(ident))
        book.add_jobs(ident, [job])
    book.change_job("v", "j", status="failed")
    assert [book.jobs(ident, 100)[0].status for ident in ("w", "v")] == ["success", "failed"]
    with pytest.raises(ValueError, match="j exists"):
        book.add_jobs("w", [job])


def test_an_id_is_given_once_and_what_is_unknown_cannot_be_changed(book: PipelineBook) -> None:
    book.add_workflow(workflow("w"))
    with pytest.raises(ValueError, match="a exists"):
        book.add(DemoPipeline("a", SLUG, 1, 1.0))
    with pytest.raises(ValueError, match="w exists"):
        book.add_workflow(workflow("w"))
    for change in (
        lambda: book.change("none", state="errored"),
        lambda: book.change_workflow("none"),
        lambda: book.change_job("w", "none"),
        lambda: book.add_workflow(workflow("x", "none")),
        lambda: book.add_jobs("none", []),
    ):
        with pytest.raises(KeyError):
            change()


def test_every_change_is_a_new_version(book: PipelineBook) -> None:
    versions = [book.version]
    book.change("a", state="errored")
    versions.append(book.version)
    book.add_workflow(workflow("w"))
    versions.append(book.version)
    book.change_workflow("w", status="success", stopped=12)
    versions.append(book.version)
    assert versions == sorted(set(versions))
    assert book.given_pipeline("a").state == "errored"
    assert book.given_workflow("w").stopped == 12


def test_insights_lists_branches_runs_that_it_is_to_show(book: PipelineBook) -> None:
    done: dict[str, Any] = {"status": "success", "stopped": 40.0, "duration": 28, "credits": 5}
    book.add_workflow(workflow("late", created=12, shown=60, **done))
    book.add_workflow(workflow("open", created=11, shown=0, credits=9))
    book.add_workflow(workflow("hidden", **done))
    book.add_workflow(workflow("tagged", "other", 16, shown=0, **done))
    book.add_workflow(workflow("not run", shown=0, status="not_run", stopped=12))
    place = Place(SLUG, "build")
    assert book.places() == [place]
    first, second = book.runs(place)
    assert (first.id, first.status, first.stopped) == ("open", None, None)
    assert (second.id, second.branch, second.status, second.shown) == ("late", "main", "success", 60)
    assert (second.stopped, second.duration, second.credits) == (40, 28, 5)
    assert [run.id for run in book.runs(place, 12)] == ["late"]


def test_an_organization_is_all_of_a_slug_but_its_end() -> None:
    assert owner_of("circleci/8vLq/43G3") == "circleci/8vLq"
