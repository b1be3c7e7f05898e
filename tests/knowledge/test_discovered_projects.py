"""Which projects an organization has, as far as was seen."""

from __future__ import annotations

from exporter.config import Organization, parse
from exporter.insights.collectors import ORGANIZATIONS
from exporter.knowledge import discovered_projects
from exporter.knowledge.discovered_projects import FORGOTTEN_AFTER, Sighting, Sightings
from tests.knowledge.samples import NOW, project

ACME, APP = "gh/acme", "circleci/8vLqd1AbCdEf"


def organization(settings: str = "", slug: str = ACME) -> Organization:
    (found,) = parse(f"organizations: [{{slug: {slug}, {settings}}}]").organizations
    return found


def known(*slugs: str, at: float = NOW, name: str | None = None) -> Sightings:
    return {slug: Sighting(slug, slug.rsplit("/", 1)[1] if name is None else name, at) for slug in slugs}


def test_names_make_the_slugs_of_an_organization_that_is_known_by_name() -> None:
    found, unread = discovered_projects.of_names(ACME, ["web", "api.v2"], NOW)
    assert list(found.values()) == [
        Sighting("gh/acme/web", "web", NOW),
        Sighting("gh/acme/api.v2", "api.v2", NOW),
    ]
    assert not unread
    assert [discovered_projects.by_name(slug) for slug in ("gh/acme", "bb/acme", APP)] == [True, True, False]


def test_a_name_that_makes_no_slug_is_counted_and_costs_no_more_than_itself() -> None:
    found, unread = discovered_projects.of_names(ACME, ["web", "..", "a b", "a/b", "x?y"], NOW)
    assert set(found) == {"gh/acme/web"}
    assert unread == {"all_projects": 4}


def test_pipelines_add_projects_to_those_that_were_seen_before() -> None:
    before = known("gh/acme/web", "gh/acme/quiet", at=NOW - 3600)
    found, unread = discovered_projects.of_pipelines(before, ACME, ["github/acme/web", "gh/acme/new"], NOW)
    assert not unread
    assert {slug: each.seen_at for slug, each in found.items()} == {
        "gh/acme/web": NOW,
        "gh/acme/quiet": NOW - 3600,
        "gh/acme/new": NOW,
    }
    assert found["gh/acme/new"].name == "new"


def test_a_project_without_a_pipeline_for_as_long_as_insights_remembers_is_forgotten() -> None:
    assert FORGOTTEN_AFTER == 90 * 24 * 3600
    before = known("gh/acme/gone", at=NOW - FORGOTTEN_AFTER) | known("gh/acme/late", at=NOW - FORGOTTEN_AFTER + 1)
    assert set(discovered_projects.of_pipelines(before, ACME, [], NOW)[0]) == {"gh/acme/late"}


def test_a_project_that_was_seen_by_a_clock_ahead_is_taken_to_be_seen_now() -> None:
    before = known("gh/acme/web", at=NOW + 10 * FORGOTTEN_AFTER)
    assert discovered_projects.of_pipelines(before, ACME, [], NOW)[0] == known("gh/acme/web", at=NOW)


def test_a_pipeline_keeps_the_name_that_was_asked_for_before() -> None:
    before = {f"{APP}/p1": Sighting(f"{APP}/p1", "platform", NOW - 60)}
    found, _ = discovered_projects.of_pipelines(before, APP, [f"{APP}/p1", f"{APP}/p2"], NOW)
    assert [(each.name, each.seen_at) for each in found.values()] == [("platform", NOW), ("", NOW)]


def test_pipelines_of_another_kind_of_organization_are_passed_over_and_slugs_that_are_none_counted() -> None:
    found, unread = discovered_projects.of_pipelines({}, APP, ["gh/acme/web", f"{APP}/p1", "nonsense"], NOW)
    assert set(found) == {f"{APP}/p1"}
    assert unread == {"project_slug": 1}


def test_what_was_seen_is_kept_as_it_is() -> None:
    seen = known("gh/acme/web", at=NOW - 5.25) | known(f"{APP}/p1", name="")
    assert discovered_projects.unpacked(discovered_projects.packed(seen)) == seen
    assert discovered_projects.unpacked(discovered_projects.packed({})) == {}


def test_names_choose_the_projects() -> None:
    seen = known("gh/acme/web", "gh/acme/web-legacy", "gh/acme/api")
    assert discovered_projects.chosen(organization(), seen) == ["gh/acme/api", "gh/acme/web", "gh/acme/web-legacy"]
    wanted = organization("include: ['web*'], exclude: ['*-legacy']")
    assert discovered_projects.chosen(wanted, seen) == ["gh/acme/web"]


def test_a_project_of_no_known_name_is_only_there_for_who_takes_all() -> None:
    seen = known(f"{APP}/p1", name="")
    assert discovered_projects.chosen(organization(slug=APP), seen) == [f"{APP}/p1"]
    assert discovered_projects.nameless(organization(slug=APP), seen) == []
    picky = organization("exclude: [x]", slug=APP)
    assert discovered_projects.chosen(picky, seen) == []
    assert discovered_projects.nameless(picky, seen | known(f"{APP}/p2", name="y")) == [f"{APP}/p1"]
    named = discovered_projects.named(seen, {f"{APP}/p1": "platform"})
    assert discovered_projects.chosen(picky, named) == [f"{APP}/p1"]
    assert discovered_projects.named(named, {}) == named


def test_a_project_listed_by_hand_wins_over_a_found_one() -> None:
    listed = project("name: the web\ninterval: 5m")
    seen = {ACME: known("gh/acme/web", "gh/acme/api")}
    found = discovered_projects.all_projects([listed], [organization("interval: 2h")], seen)
    assert [(each.slug, each.name, each.interval) for each in found] == [
        ("gh/acme/web", "the web", 300),
        ("gh/acme/api", "gh/acme/api", 7200),
    ]


def test_no_two_projects_have_one_name() -> None:
    listed = project("name: gh/acme/api")
    found = discovered_projects.all_projects([listed], [organization()], {ACME: known("gh/acme/web", "gh/acme/api")})
    assert [each.slug for each in found] == ["gh/acme/web"]


def test_a_project_that_two_organizations_find_is_the_first_ones() -> None:
    both = [organization("interval: 2h"), organization("interval: 3h", slug="gh/other")]
    seen = {each.slug: known("gh/acme/web") for each in both}
    (found,) = discovered_projects.all_projects([], both, seen)
    assert found.interval == 7200


def test_an_organization_of_which_nothing_is_known_has_no_projects() -> None:
    assert discovered_projects.all_projects([], [organization()], {}) == ()


def test_an_organization_stands_in_the_place_of_a_project_with_one_collector() -> None:
    itself = discovered_projects.itself(organization("discovery_interval: 10m, windows: [last-90-days]"))
    assert (itself.slug, itself.name, itself.collectors) == (ACME, ACME, (ORGANIZATIONS,))
    assert (itself.windows, itself.staleness(ORGANIZATIONS)) == (("last-90-days",), 1800)


def test_the_question_for_pipelines_names_the_organization_in_its_query() -> None:
    question = discovered_projects.pipelines(ACME)
    assert (question.path, question.params) == ("/pipeline", (("org-slug", ACME),))
