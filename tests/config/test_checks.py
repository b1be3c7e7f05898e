"""What only shows when parts of the file are seen together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from exporter.config import parse
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def paths(text: str) -> list[str]:
    try:
        parse(text)
    except ConfigError as error:
        return [problem.path for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("circleci", "expected"),
    [
        ("{url: http://10.0.0.1}", ["circleci.url"]),
        ("{url: http://10.0.0.1, allow_insecure: false}", ["circleci.url"]),
        ("{url: http://10.0.0.1, allow_insecure: true}", []),
        ("{url: http://127.0.0.1:8080}", []),
        ("{url: https://10.0.0.1}", []),
    ],
)
def test_a_token_travels_in_the_clear_only_to_this_machine_or_by_consent(circleci: str, expected: list[str]) -> None:
    assert paths(f"circleci: {circleci}\nprojects: [gh/a/b]") == expected


def test_a_ca_file_of_certificates_is_accepted(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")

    config = parse("circleci: {ca_file: ca.pem}\nprojects: [gh/a/b]", directory=tmp_path)

    assert config.circleci.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_file_of_anything_else_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(content)

    with pytest.raises(ConfigError, match="no PEM certificate in"):
        parse("circleci: {ca_file: ca.pem}\nprojects: [gh/a/b]", directory=tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("projects: [gh/a/b]", []),
        ("organizations: [gh/a]", []),
        ("projects: []\norganizations: [gh/a]", []),
        ("{}", ["projects"]),
        ("projects: []\norganizations: []", ["projects"]),
        ("projects: [5]", ["projects[0]"]),
    ],
)
def test_there_is_something_to_poll(text: str, expected: list[str]) -> None:
    assert paths(text) == expected


@pytest.mark.parametrize(
    ("projects", "expected"),
    [
        ("[gh/a/b, gh/a/c]", []),
        ("[gh/a/b, gh/a/b]", ["projects[1]"]),
        ("[gh/a/b, {slug: github/a/b, name: x}, gh/a/b]", ["projects[1].slug", "projects[2]"]),
        ("[{slug: gh/a/b, name: x}, {slug: gh/a/c, name: x}]", ["projects[1].name"]),
        ("[{slug: gh/a/b, name: gh/a/c}, gh/a/c]", ["projects[1]"]),
        ("[{slug: gh/a/b, name: gh/a/c}, {slug: gh/a/c, name: gh/a/b}]", []),
    ],
)
def test_slugs_and_names_stand_once(projects: str, expected: list[str]) -> None:
    assert paths(f"projects: {projects}") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("defaults: {default_branch: false}\nprojects: [gh/a/b, gh/a/c]\norganizations: [gh/a]", ["defaults"]),
        ("defaults: {default_branch: false}\nprojects: [{slug: gh/a/b, all_branches: true}]", []),
        ("defaults: {default_branch: false}\nprojects: [{slug: gh/a/b, branches: [main]}]", []),
        ("defaults: {default_branch: false}\nprojects: [{slug: gh/a/b, branches: []}]", ["projects[0]"]),
        ("defaults: {default_branch: false, collectors: [project, flaky_tests]}\nprojects: [gh/a/b]", []),
        ("projects: [{slug: gh/a/b, default_branch: false, collectors: []}]", []),
        ("organizations: [{slug: gh/a, default_branch: false}]", ["organizations[0]"]),
    ],
)
def test_collectors_that_ask_about_branches_have_one(text: str, expected: list[str]) -> None:
    assert paths(text) == expected


CLASSES = "resource_classes: [acme/linux]"


@pytest.mark.parametrize(
    ("circleci", "runners", "expected"),
    [
        ("{}", CLASSES, []),
        ("{url: 'https://CircleCI.com/'}", "namespaces: [acme]", []),
        ("{url: 'https://circleci.example.com'}", "interval: 10s", []),
        ("{url: 'https://circleci.example.com'}", CLASSES, ["runners.url"]),
        ("{url: 'https://circleci.example.com'}", "namespaces: [acme]", ["runners.url"]),
        ("{url: 'https://notcircleci.com'}", CLASSES, ["runners.url"]),
        ("{url: 'https://circleci.example.com'}", f"url: 'https://runner.circleci.com', {CLASSES}", []),
        ("{url: 'https://circleci.example.com'}", f"url: 'https://runner.example.com', {CLASSES}", []),
    ],
)
def test_the_token_of_a_circleci_server_goes_to_a_runner_api_that_is_named_alone(
    circleci: str, runners: str, expected: list[str]
) -> None:
    assert paths(f"circleci: {circleci}\nrunners: {{{runners}}}\nprojects: [gh/a/b]") == expected


@pytest.mark.parametrize(
    ("circleci", "url", "expected"),
    [
        ("{}", "http://10.0.0.1", ["runners.url"]),
        ("{allow_insecure: true}", "http://10.0.0.1", []),
        ("{}", "http://[::1]:8000", []),
        ("{}", "ftp://10.0.0.1", ["runners.url"]),
        ("{}", "https://user:word@10.0.0.1", ["runners.url"]),
    ],
)
def test_the_token_reaches_a_runner_api_in_the_clear_only_by_consent(
    circleci: str, url: str, expected: list[str]
) -> None:
    assert paths(f"circleci: {circleci}\nrunners: {{url: '{url}', {CLASSES}}}") == expected


@pytest.mark.parametrize(
    ("runners", "expected"),
    [
        ("{}", ["projects"]),
        ("{namespaces: [], resource_classes: []}", ["projects"]),
        ("{namespaces: [acme]}", []),
        (f"{{{CLASSES}}}", []),
        ("{namespaces: [acme/linux]}", ["runners.namespaces[0]"]),
        ("{resource_classes: [linux]}", ["runners.resource_classes[0]"]),
        ("{resource_classes: [a/b/c, ../b, 7]}", [f"runners.resource_classes[{index}]" for index in range(3)]),
        ("{namespaces: ['a b'], interval: 100ms}", ["runners.namespaces[0]", "runners.interval"]),
        ("{names: [acme]}", ["runners.names"]),
    ],
)
def test_runners_alone_are_enough_and_each_mistake_in_them_is_named(runners: str, expected: list[str]) -> None:
    assert sorted(paths(f"runners: {runners}")) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("usage: {organizations: [gh/acme]}\nstate: {path: state.db}", []),
        ("usage: {organizations: [gh/acme]}\nstate: {url: 'postgresql://me@db/circleci'}", []),
        ("usage: {organizations: [gh/acme]}", ["usage.organizations"]),
        ("usage: {organizations: []}", ["projects"]),
        ("usage: {interval: 1h}\nprojects: [gh/a/b]", []),
        ("usage: {organizations: [acme, gh/acme/web]}", ["usage.organizations[0]", "usage.organizations[1]"]),
        ("usage: {organizations: [gh/acme], interval: 100ms}", ["usage.interval"]),
        ("usage: {organization: gh/acme}\nprojects: [gh/a/b]", ["usage.organization"]),
    ],
)
def test_a_usage_export_needs_no_project_but_a_state(text: str, expected: list[str]) -> None:
    assert sorted(paths(text)) == sorted(expected)


def test_an_organization_whose_usage_is_read_is_one_in_either_form() -> None:
    config = parse("usage: {organizations: [github/acme, gh/acme, bb/acme]}\nstate: {path: state.db}")
    assert config.usage.organizations == ("gh/acme", "bb/acme")
    assert config.usage.interval == 6 * 3600
