"""Searches of organizations, against a synthetic CircleCI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.config import Organization, parse
from exporter.errors import NotFoundError, PayloadError, Stopped, UnauthorizedError
from exporter.insights.collectors import ORGANIZATIONS
from exporter.knowledge import discovered_projects
from exporter.knowledge.discovered_projects import Sighting
from exporter.polling.search import Found, find
from tests.running.engine import NOON, Running, hourly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.knowledge.discovered_projects import Sightings

ACME, INITECH, APP = "gh/acme", "bb/initech", "circleci/8vLqd1AbCdEf"
PLATFORM = f"{APP}/43G3kM5RtfFE"
ACMES = {f"{ACME}/{name}" for name in ("web", "api", "mobile", "odd.names_1")}
SUMMARY, PIPELINES = "/insights/gh/acme/summary", "/pipeline"


@pytest.fixture(name="running", scope="module")
def one_process() -> Iterator[Running]:
    with hourly(quiet=True) as found:
        for project in found.circle.organization.projects:
            found.circle.pipelines.add(project.slug)  # one page of them
        yield found


@pytest.fixture(autouse=True)
def healed(running: Running) -> None:
    running.circle.heal()
    running.circle.accept(running.circle.token)
    running.engine.client.ask_lightly()
    running.circle.forget_requests()


def organization(slug: str = ACME, settings: str = "") -> Organization:
    (found,) = parse(f"organizations: [{{slug: {slug}, {settings}}}]").organizations
    return found


def search(
    running: Running, slug: str = ACME, settings: str = "", known: Sightings | None = None, **more: Any
) -> Found:
    attempt = running.engine.attempts.begin(ORGANIZATIONS, 20)
    return find(attempt, organization(slug, settings), known or {}, **more)


def failures(running: Running) -> dict[str, float]:
    found = running.samples("circleci_exporter_collector_failures_total", collector=ORGANIZATIONS)
    return {labels.split('reason="')[1].split('"')[0]: count for labels, count in found.items() if count}


def test_the_names_in_the_summary_are_the_projects_of_an_organization(running: Running) -> None:
    found = search(running)
    assert found.error is None
    assert set(found.sightings or ()) == ACMES
    assert (found.sightings or {})[f"{ACME}/api"] == Sighting(f"{ACME}/api", "api", NOON)
    assert running.asked() == [SUMMARY]


def test_bitbucket_is_searched_alike(running: Running) -> None:
    assert set(search(running, INITECH).sightings or ()) == {f"{INITECH}/billing"}


def test_each_window_has_totals_and_names_the_projects(running: Running) -> None:
    found = search(running, settings="windows: [last-7-days, last-90-days]")
    assert [question.window for question in found.totals] == ["last-7-days", "last-90-days"]
    assert running.asked() == [SUMMARY, SUMMARY]


def test_without_totals_one_window_is_enough(running: Running) -> None:
    found = search(running, settings="windows: [last-7-days, last-90-days]", totals=False)
    assert set(found.sightings or ()) == ACMES
    assert running.asked() == [SUMMARY]


def test_one_window_that_fails_costs_its_totals_alone(running: Running) -> None:
    running.circle.fail("invalid_json", "last-7-days")
    found = search(running, settings="windows: [last-7-days, last-90-days]")
    assert [question.window for question in found.totals] == ["last-90-days"]
    assert set(found.sightings or ()) == ACMES
    assert isinstance(found.error, PayloadError)


def test_a_github_app_organization_is_searched_by_its_pipelines(running: Running) -> None:
    found = search(running, APP)
    assert set(found.sightings or ()) == {PLATFORM}
    assert len(found.totals) == 1
    assert running.asked() == [f"/insights/{APP}/summary", PIPELINES]


def test_an_organization_without_a_summary_has_no_totals_and_its_projects_all_the_same(running: Running) -> None:
    running.circle.fail("not_found", "/summary")
    found = search(running, APP)
    assert (found.error, found.totals) == (None, {})
    assert set(found.sightings or ()) == {PLATFORM}


@pytest.mark.parametrize("value", [None, []])
def test_a_summary_without_names_sends_the_search_to_the_pipelines(running: Running, value: object) -> None:
    running.circle.fail("put", SUMMARY, path="all_projects", value=value)
    found = search(running)
    assert found.error is None
    assert set(found.sightings or ()) == ACMES
    assert running.asked() == [SUMMARY, PIPELINES]
    assert len(found.totals) == 1


def test_projects_without_a_recent_pipeline_are_still_known(running: Running) -> None:
    quiet = Sighting(f"{ACME}/quiet", "quiet", NOON - 86_400)
    running.circle.fail("put", SUMMARY, path="all_projects", value=None)
    assert set(search(running, known={quiet.slug: quiet}).sightings or ()) == ACMES | {quiet.slug}


def test_names_leave_out_what_they_do_not_name(running: Running) -> None:
    gone = Sighting(f"{ACME}/gone", "gone", NOON - 60)
    assert set(search(running, known={gone.slug: gone}).sightings or ()) == ACMES


def test_pipelines_are_read_up_to_a_number_of_pages(running: Running) -> None:
    running.circle.fail("endless_pages", PIPELINES)
    found = search(running, APP)
    assert found.error is None
    assert set(found.sightings or ()) == {PLATFORM}
    assert running.asked().count(PIPELINES) == discovered_projects.PIPELINE_PAGES == 25


def test_what_the_pages_before_a_failure_told_was_seen(running: Running) -> None:
    running.circle.fail("put", PIPELINES, path="next_page_token", value="once-more", times=1)
    known = {f"{APP}/p1": Sighting(f"{APP}/p1", "", NOON - 60)}
    found = search(running, APP, known=known)
    assert found.error is not None
    assert set(found.sightings or ()) == {PLATFORM, f"{APP}/p1"}


def test_pipelines_that_fail_at_once_tell_nothing(running: Running) -> None:
    running.circle.fail("put", PIPELINES, path="items", value=None)
    found = search(running, APP)
    assert isinstance(found.error, PayloadError)
    assert found.sightings is None


def test_a_search_that_fails_finds_nothing_and_is_counted(running: Running) -> None:
    before = failures(running).get("not_found", 0)
    running.circle.fail("not_found", SUMMARY)
    found = search(running)
    assert isinstance(found.error, NotFoundError)
    assert found.sightings is None
    assert running.asked() == [SUMMARY]
    assert failures(running)["not_found"] == before + 1


@pytest.mark.parametrize("slug", [ACME, APP])
def test_a_refused_token_ends_a_search_at_once(running: Running, slug: str) -> None:
    running.circle.accept("another")
    found = search(running, slug, "windows: [last-7-days, last-30-days, last-90-days]")
    assert isinstance(found.error, UnauthorizedError)
    assert found.sightings is None
    assert running.asked() == [f"/insights/{slug}/summary", "/me"]


def test_names_that_are_no_slugs_are_counted(running: Running) -> None:
    running.circle.fail("put", SUMMARY, path="all_projects", value=["web", "a b", 7])
    assert set(search(running).sightings or ()) == {f"{ACME}/web"}
    fields = running.samples("circleci_exporter_unreadable_fields_total", collector=ORGANIZATIONS)
    assert fields['{collector="organizations",field="all_projects"}'] == 2


@pytest.mark.parametrize("odd", ["a b", 7, None, ".."])
def test_a_list_with_an_unreadable_entry_takes_no_project_away(running: Running, odd: object) -> None:
    api = Sighting(f"{ACME}/api", "api", NOON - 60)
    running.circle.fail("put", SUMMARY, path="all_projects", value=["web", odd])
    found = search(running, known={api.slug: api}).sightings or {}
    assert set(found) == {f"{ACME}/web", api.slug}
    assert found[api.slug] == api


def test_names_of_projects_are_asked_for_when_the_choice_hangs_on_them(running: Running) -> None:
    found = search(running, APP, "include: ['plat*']")
    assert (found.sightings or {})[PLATFORM].name == "platform"
    assert running.asked()[2:] == [f"/project/{PLATFORM}"]
    search(running, APP, "include: ['plat*']", known=found.sightings)
    assert len(running.asked()) == 2


def test_a_name_that_is_not_told_is_asked_for_again_and_fails_the_search(running: Running) -> None:
    running.circle.fail("not_found", "/project/")
    found = search(running, APP, "include: ['plat*']")
    assert isinstance(found.error, NotFoundError)
    assert (found.sightings or {})[PLATFORM].name == ""


def test_a_name_that_is_no_text_is_counted(running: Running) -> None:
    running.circle.fail("put", "/project/", path="name", value=7)
    found = search(running, APP, "include: ['plat*']")
    assert found.error is None
    assert (found.sightings or {})[PLATFORM].name == ""


def test_no_name_is_asked_for_after_a_failure_that_ends_a_search(running: Running) -> None:
    known = {f"{APP}/{name}": Sighting(f"{APP}/{name}", "", NOON) for name in ("p1", "p2", "p3")}
    running.circle.fail("unauthorized", "/project/")
    found = search(running, APP, "include: ['plat*']", known=known)
    assert isinstance(found.error, UnauthorizedError)
    assert len([path for path in running.asked() if path.startswith("/project/")]) == 1
    assert set(found.sightings or ()) == {PLATFORM, *known}


def test_a_stop_ends_a_search() -> None:
    with hourly() as running:
        running.engine.stop.set()
        with pytest.raises(Stopped):
            search(running)
