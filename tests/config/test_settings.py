"""What the settings tell: staleness, shares of a fleet, found projects."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporter.config import Project, parse


def project(settings: str = "") -> Project:
    return parse(f"projects: [{{slug: gh/acme/web{settings}}}]").projects[0]


def test_values_are_stale_after_three_intervals_of_their_collector() -> None:
    asked = project(", interval: 2h, runs: {interval: 1m}")

    assert (asked.polled_every("workflows"), asked.staleness("workflows")) == (7200.0, 21600.0)
    assert (asked.polled_every("runs"), asked.staleness("runs")) == (60.0, 180.0)


@pytest.mark.parametrize(("timeout", "stale"), [("30s", 100.0), ("2s", 16.0), ("1s", 15.0)])
def test_however_short_the_interval_a_request_that_hangs_drops_no_value(timeout: str, stale: float) -> None:
    text = f"circleci: {{timeout: {timeout}}}\ndefaults: {{interval: 5s}}\nprojects: [gh/acme/web]\n"
    config = parse(text + "organizations: [{slug: gh/other, discovery_interval: 5s}]")
    (asked,), (organization,) = config.projects, config.organizations
    found = organization.project("gh/other/api")
    assert asked.staleness("jobs") == organization.staleness == found.staleness("jobs") == stale
    assert found.model_copy(update={"name": "api"}).staleness("jobs") == stale


def test_a_reload_with_another_timeout_changes_the_projects() -> None:
    texts = [f"circleci: {{timeout: {timeout}s}}\nprojects: [gh/acme/web]" for timeout in (30, 30, 20)]
    first, same, other = (parse(text).projects[0] for text in texts)
    assert first == same != other


def test_a_given_age_holds_for_all_collectors() -> None:
    asked = project(", stale_after: 10m")

    assert (asked.staleness("jobs"), asked.staleness("runs")) == (600.0, 600.0)


def test_rate_and_burst_are_divided_among_shards() -> None:
    circleci = parse("circleci: {requests_per_second: 5, burst: 10}\nprojects: [gh/a/b]").circleci

    assert circleci.share(1) == circleci
    assert [(each.requests_per_second, each.burst) for each in map(circleci.share, (2, 4, 20))] == [
        (2.5, 5),
        (1.25, 2),
        (0.25, 1),
    ]


def test_a_found_project_takes_the_settings_of_its_organization() -> None:
    text = "organizations: [{slug: gh/acme, interval: 5m, include: ['w*'], labels: {team: web}}]"
    (organization,) = parse(text).organizations

    found = organization.project("github/acme/web")
    named = organization.project("gh/acme/api", "api")

    assert (found.slug, found.name, found.interval, found.labels) == (
        "gh/acme/web",
        "gh/acme/web",
        300.0,
        (("team", "web"),),
    )
    assert (named.slug, named.name) == ("gh/acme/api", "api")
    assert [name for name in ("web", "api") if organization.names.match(name)] == ["web"]


@pytest.mark.parametrize("slug", ["gh/acme", "gh/acme/..", "gh/acme/a?b", "acme", ""])
def test_a_found_project_with_a_slug_that_is_none_is_refused(slug: str) -> None:
    (organization,) = parse("organizations: [gh/acme]").organizations

    with pytest.raises(ValueError, match=r"^$"):
        organization.project(slug)


def test_totals_of_an_organization_are_stale_after_three_searches() -> None:
    plain, given = parse(
        "organizations: [{slug: gh/a, discovery_interval: 10m}, {slug: gh/b, stale_after: 1d}]"
    ).organizations

    assert (plain.staleness, given.staleness) == (1800.0, 86400.0)


def test_settings_are_frozen_and_compared_by_value() -> None:
    asked = project()

    assert asked == project()
    assert hash(asked) == hash(project())
    assert asked != project(", max_series: 5")
    with pytest.raises(ValidationError, match="frozen"):
        asked.interval = 5.0  # type: ignore[misc]  # what must not work


def test_projects_that_give_nothing_share_the_sections_of_their_settings() -> None:
    one, other = Project(slug="gh/acme/web"), Project(slug="gh/acme/api")
    sections = ("workflows", "jobs", "metrics", "runs", "pipelines", "flaky_tests", "tests")
    assert [getattr(one, name) for name in sections] == [type(getattr(one, name))() for name in sections]
    assert all(getattr(one, name) is getattr(other, name) for name in sections)
