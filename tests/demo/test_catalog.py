from __future__ import annotations

from urllib.parse import quote

from exporter.demo.catalog import builtin
from tests.circleci.fleet import fleet


def test_the_built_in_organization_has_every_kind_of_project() -> None:
    projects = builtin(1)
    assert len(projects) == 6
    assert sum(len(project.workflows) for project in projects) >= 20
    assert sum(len(workflow.jobs) for project in projects for workflow in project.workflows) >= 50
    assert {project.slug.partition("/")[0] for project in projects} == {"gh", "bb", "circleci"}
    assert len({project.id for project in projects}) == 6


def test_a_seed_decides_ids_but_not_names() -> None:
    assert builtin(1) == builtin(1)
    assert [project.slug for project in builtin(1)] == [project.slug for project in builtin(2)]
    assert builtin(1)[0].id != builtin(2)[0].id


def test_there_are_names_that_need_encoding_and_escaping() -> None:
    odd = next(project for project in builtin(1) if project.name == "odd.names_1")
    names = "".join(workflow.name for workflow in odd.workflows)
    assert set('/%?#&"\\{}<>') <= set(names)
    assert not names.isascii()
    assert all(quote(workflow.name, safe="") != workflow.name for workflow in odd.workflows)
    assert {"a b", "#", "%", '"'} <= {mark for mark in ("a b", "#", "%", '"') if any(mark in b for b in odd.branches)}


def test_workflow_names_are_unique_within_a_project() -> None:
    for project in builtin(1):
        names = [workflow.name for workflow in project.workflows]
        assert len(names) == len(set(names))


def test_a_fleet_has_the_size_that_was_asked_for() -> None:
    projects = fleet(1, 30, 4, 7)
    assert len({project.slug for project in projects}) == 30
    assert {len(project.workflows) for project in projects} == {4}
    assert {len(workflow.jobs) for project in projects for workflow in project.workflows} == {7}
