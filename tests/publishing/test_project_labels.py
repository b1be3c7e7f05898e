from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.project_labels import ProjectLabels
from tests.knowledge.samples import FACTS

if TYPE_CHECKING:
    from exporter.config import Project
    from exporter.system.logs import Logger

ONE, TWO = "circleci/8vLqd1AbCdEf/43G3kM5RtfFE", "circleci/8vLqd1AbCdEf/0000000000000"
KNOWN = replace(FACTS, organization="acme", project_name="platform")


class Given:
    """Labels of the projects of a configuration."""

    def __init__(self, *entries: str) -> None:
        self.log = CapturingLogger()
        self.labels = ProjectLabels(cast("Logger", self.log))
        self.projects: tuple[Project, ...] = ()
        self.reload(*entries)

    def reload(self, *entries: str) -> None:
        self.projects = parse(f"projects: [{', '.join(entries)}]").projects
        self.labels.reserve(self.projects)

    def of(self, index: int = 0, name: str = "platform") -> str:
        facts = replace(KNOWN, project_name=name)
        return self.labels.labeled(Snapshot(self.projects[index], facts)).project.name

    def logged(self) -> list[str]:
        return [str(call.args[0]) for call in self.log.calls]


@pytest.fixture
def given() -> Given:
    return Given(ONE, TWO)


def test_a_project_of_ids_has_the_name_that_circleci_knows_and_its_slug_until_that_is_known(given: Given) -> None:
    unknown = Snapshot(given.projects[0])
    assert given.labels.labeled(unknown) is unknown
    assert given.of() == "acme/platform"
    assert given.logged() == []


def test_a_name_that_is_given_stays() -> None:
    given = Given(f"{{slug: {ONE}, name: the platform}}")
    assert given.of() == "the platform"


def test_a_second_project_of_the_same_name_keeps_its_slug_with_one_line_in_the_log(given: Given) -> None:
    assert given.of(0) == "acme/platform"
    for _ in range(3):
        assert given.of(1) == TWO
    assert given.of(0) == "acme/platform"
    assert given.logged() == ["another project has this name, its slug is the label"]


def test_a_name_that_the_configuration_gives_to_another_project_is_not_taken() -> None:
    given = Given(ONE, "{slug: gh/acme/web, name: acme/platform}")
    assert given.of(0) == ONE


def test_a_rename_at_circleci_changes_nothing_until_a_restart_and_is_logged_once(given: Given) -> None:
    given.of()
    for _ in range(3):
        assert given.of(name="core") == "acme/platform"
        again = given.labels.labeled(Snapshot(given.projects[0], KNOWN))
        renamed = given.labels.labeled(replace(again, facts=replace(KNOWN, project_name="core")))
        assert renamed.project.name == "acme/platform"
    assert given.logged() == ["project was renamed at CircleCI, restart to change its label"]
    assert Given(ONE).of(name="core") == "acme/core"


def test_a_reload_that_gives_a_name_in_use_to_another_project_takes_it_from_the_first(given: Given) -> None:
    assert given.of() == "acme/platform"
    given.reload(ONE, "{slug: gh/acme/web, name: acme/platform}")
    assert given.of() == ONE
    given.reload(ONE, TWO)
    assert given.of() == "acme/platform"


def test_a_project_that_was_taken_out_leaves_its_name_to_others(given: Given) -> None:
    given.of(0)
    given.reload(TWO)
    assert given.of(0) == "acme/platform"
