from __future__ import annotations

import pytest

from exporter.demo.clock import Clock
from exporter.demo.organization import Organization
from exporter.demo.pipelines.stream import KEPT_DAYS
from tests.circleci.fleet import fleet
from tests.demo.asking import DAY, NOON, PLATFORM, WEB


@pytest.fixture
def organization() -> Organization:
    return Organization(seed=1, clock=Clock(NOON, 0))


def test_the_days_that_are_kept_are_there_at_once_and_nothing_of_the_future(organization: Organization) -> None:
    found = organization.newest_pipelines(WEB, NOON)
    assert min(each.created for each in found) < (NOON // DAY - KEPT_DAYS + 1) * DAY
    assert max(each.created for each in found) <= NOON
    assert len({each.number for each in found}) == len(found) > 100


def test_an_hour_later_there_are_more_and_what_was_there_has_gone_on(organization: Organization) -> None:
    before = organization.newest_pipelines(WEB, NOON)
    organization.clock.advance(6 * 3600)
    after = organization.newest_pipelines(WEB, organization.clock.now())
    assert len(after) > len(before)
    assert after[-len(before) :] == before


def test_an_organization_has_the_pipelines_of_its_projects(organization: Organization) -> None:
    slugs = {each.slug for each in organization.newest_pipelines("gh/acme", NOON)}
    assert (WEB in slugs, PLATFORM in slugs, len(slugs)) == (True, False, 4)


def test_what_is_old_and_over_is_forgotten_but_nothing_that_is_on_hold(organization: Organization) -> None:
    first = organization.newest_pipelines(WEB, NOON)
    organization.clock.advance(2 * KEPT_DAYS * DAY)
    now = organization.clock.now()
    left = {each.id for each in organization.newest_pipelines(WEB, now)} & {each.id for each in first}
    statuses = {workflow.status for each in left for workflow in organization.book.workflows(each, now)}
    assert statuses == {"on_hold"}
    gone = next(each for each in first if each.id not in left)
    assert organization.book.pipeline(gone.id, now) is None


def test_a_quiet_organization_has_none_of_itself() -> None:
    organization = Organization(seed=1, clock=Clock(NOON, 0), quiet=True)
    assert organization.newest_pipelines("gh/acme", NOON) == []


def test_a_busy_start_plans_each_day_that_is_kept_once() -> None:
    organization = Organization(seed=1, clock=Clock(NOON, 0), pace=200)
    count = sum(len(organization.newest_pipelines(project.slug, NOON)) for project in organization.projects)
    assert count > 1000
    planned = organization._pipelines._plans.cache_info().misses
    assert planned == len(organization.projects) * (KEPT_DAYS + 1)


def test_a_fleet_has_pipelines_too() -> None:
    organization = Organization(fleet(1, 20, 2, 3), seed=1, clock=Clock(NOON, 0))
    found = organization.newest_pipelines("gh/fleet", NOON)
    assert {each.slug for each in found} == {project.slug for project in organization.projects}
