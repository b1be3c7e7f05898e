"""Which texts are slugs, and which slug somebody means who writes an address."""

from __future__ import annotations

import pytest

from exporter.config import parse
from exporter.config.slugs import ORGANIZATION, PROJECT, meant, organization_slug, project_slug
from exporter.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("gh/acme/web", "gh/acme/web"),
        ("github/acme/web", "gh/acme/web"),
        ("bitbucket/acme/web", "bb/acme/web"),
        ("bb/a.b/.github", "bb/a.b/.github"),
        ("circleci/8vLqd1AbCdEf/43G3kM5RtfFE", "circleci/8vLqd1AbCdEf/43G3kM5RtfFE"),
        ("gh/acme/...", "gh/acme/..."),
        ("gh/github/bitbucket", "gh/github/bitbucket"),
    ],
)
def test_a_project_has_a_slug_of_three_segments(text: str, slug: str) -> None:
    assert project_slug(text) == slug
    with pytest.raises(ValueError, match=r"^$"):
        organization_slug(text)


@pytest.mark.parametrize(
    ("text", "slug"),
    [("gh/acme", "gh/acme"), ("bitbucket/acme", "bb/acme"), ("circleci/8vLqd1AbCdEf", "circleci/8vLqd1AbCdEf")],
)
def test_an_organization_has_a_slug_of_two_segments(text: str, slug: str) -> None:
    assert organization_slug(text) == slug
    with pytest.raises(ValueError, match=r"^$"):
        project_slug(text)


@pytest.mark.parametrize(
    "segment", ["", ".", "..", "a b", "a?b", "a#b", "a%2e", "a\\b", "a\nb", "a\x7f", "a\u200b", "\udc80", "\u00a0"]
)
@pytest.mark.parametrize("slug", ["gh/{}/web", "gh/acme/{}", "{}/acme/web"])
def test_segments_that_would_change_the_request_are_refused(slug: str, segment: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        project_slug(slug.format(segment))


ID = "8vLqd1AbCdEf43G3kM5Rt"


@pytest.mark.parametrize(
    ("address", "slug"),
    [
        ("https://github.com/acme/web", "gh/acme/web"),
        ("https://github.com/acme/web/", "gh/acme/web"),
        ("https://www.GitHub.com/acme/web.git", "gh/acme/web"),
        ("https://github.com/acme/web/tree/release/1.0?tab=readme#top", "gh/acme/web"),
        ("github.com/acme/web", "gh/acme/web"),
        ("git@github.com:acme/web.git", "gh/acme/web"),
        ("ssh://git@github.com:22/acme/.github.git", "gh/acme/.github"),
        ("https://bitbucket.org/acme/web/src/main/", "bb/acme/web"),
        ("git@bitbucket.org:acme/web.git", "bb/acme/web"),
        ("https://app.circleci.com/pipelines/github/acme/web", "gh/acme/web"),
        ("https://app.circleci.com/pipelines/gh/acme/web/4711/workflows/9a4e2d71?branch=main", "gh/acme/web"),
        (f"https://app.circleci.com/pipelines/circleci/{ID}/{ID}", f"circleci/{ID}/{ID}"),
        ("https://app.circleci.com/insights/bitbucket/acme/web/workflows/build", "bb/acme/web"),
        ("https://app.circleci.com/settings/project/github/acme/web/webhooks", "gh/acme/web"),
        ("https://circleci.com/gh/acme/web/155", "gh/acme/web"),
        ("https://ci.example.com:8443/pipelines/github/acme/web", "gh/acme/web"),
    ],
)
def test_the_address_of_a_repository_or_of_a_page_at_circleci_stands_for_a_slug(address: str, slug: str) -> None:
    assert meant(address, PROJECT) == slug


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme/web",
        "gh/acme/web/extra",
        "https://github.com/acme",
        "https://github.com",
        "https://github.com/acme/we%62",
        "https://github.com/acme//web",
        "https://gitlab.com/acme/web",
        "https://app.circleci.com/pipelines/github/acme",
        "https://app.circleci.com/settings/organization/github/acme/overview",
        "https://example.com/acme/web",
    ],
)
def test_where_it_is_not_clear_no_slug_is_meant(text: str) -> None:
    assert meant(text, PROJECT) == ""


@pytest.mark.parametrize(
    ("address", "slug"),
    [
        ("https://github.com/acme", "gh/acme"),
        ("https://github.com/orgs/acme/repositories", "gh/acme"),
        ("https://bitbucket.org/acme/workspace/", "bb/acme"),
        ("https://app.circleci.com/pipelines/github/acme", "gh/acme"),
        (f"https://app.circleci.com/settings/organization/circleci/{ID}/overview", f"circleci/{ID}"),
    ],
)
def test_an_address_stands_for_an_organization_where_one_is_asked_for(address: str, slug: str) -> None:
    assert meant(address, ORGANIZATION) == slug


def message(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("projects: [https://github.com/acme/web]", "projects[0]"),
        ("projects: [{slug: https://github.com/acme/web}]", "projects[0].slug"),
    ],
)
def test_an_address_in_the_place_of_a_slug_is_refused_with_the_slug_that_is_meant(text: str, place: str) -> None:
    found = 'found "https://github.com/acme/web"; expected a slug; did you mean gh/acme/web?'
    assert f"{place}: {found}" in message(text)


@pytest.mark.parametrize(
    "text",
    [
        "projects: [https://octo:hunter2@github.com/acme/web]",
        "projects: [https://hunter2@github.com/acme/web.git]",
        "organizations: [https://hunter2@github.com/acme]",
        "projects: [https://hunter2@example.com/acme/web]",
    ],
)
def test_an_address_with_a_password_is_not_shown(text: str) -> None:
    assert "hunter2" not in message(text)
    assert "an address that is not shown" in message(text)
