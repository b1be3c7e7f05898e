"""The whole way from a file to a Config."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import CircleCI, Globs, StateSettings, load, parse
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

Trace: TypeAlias = "Callable[[FrameType, str, object], Trace | None]"
DATA = Path(__file__).with_name("testdata")


def test_a_slug_is_enough() -> None:
    config = load(DATA / "good-minimal.yml")

    (project,) = config.projects
    assert (project.slug, project.name) == ("gh/acme/web", "gh/acme/web")
    assert (project.interval, project.stale_after, project.max_series) == (3600.0, None, 20_000)
    assert (project.windows, project.collectors) == (("last-7-days",), ("workflows", "jobs"))
    assert (project.default_branch, project.all_branches, project.branches) == (True, False, ())
    assert (project.workflows, project.metrics, project.jobs.max_age) == (Globs(), Globs(), 86400.0)
    assert (len(project.runs.buckets), project.runs.buckets[0], project.runs.buckets[-1]) == (16, 30.0, 14400.0)
    assert (project.runs.interval, project.runs.lookback, project.runs.sweep) == (300.0, 259_200.0, 3600.0)
    assert (project.flaky_tests.top, project.tests.top, project.labels) == (0, 0, ())
    assert config.state == StateSettings()
    assert config.circleci == CircleCI.model_construct(
        url="https://circleci.com",
        token_file=None,
        auth="circle-token",
        ca_file=None,
        allow_insecure=False,
        timeout=30.0,
        requests_per_second=5.0,
        burst=10,
        concurrency=4,
    )


def test_paths_in_the_file_are_relative_to_it() -> None:
    config = load(DATA / "good-everything.yml")

    assert config.circleci.token_file == DATA / "token"
    assert config.state.path == DATA / "state.sqlite"
    assert parse("projects: [gh/a/b]\nstate: {path: /var/s.db}").state.path == Path("/var/s.db")


def test_every_key_reaches_the_projects() -> None:
    config = load(DATA / "good-everything.yml")

    web, app = config.projects
    assert (web.slug, web.name) == ("gh/acme/web", "gh/acme/web")
    assert (app.slug, app.name) == ("circleci/8vLqd1AbCdEf/43G3kM5RtfFE", "acme/web app")
    assert web.windows == ("last-24-hours", "last-90-days")
    assert web.branch_names == ("main",)
    assert web.branch_globs == ("release/*",)
    assert web.labels == (("_tier", "1"), ("team", "payments"))
    assert app.labels == (("_tier", "1"), ("team", "web"))
    assert (web.runs.interval, app.runs.interval) == (60.0, 300.0)
    assert app.runs.buckets == web.runs.buckets
    assert (web.stale_after, app.stale_after) == (86400.0, None)
    assert (web.jobs.include, web.jobs.max_age) == (("test*",), 604_800.0)


def test_organizations_have_the_settings_that_their_projects_will_have() -> None:
    plain, chosen = load(DATA / "good-everything.yml").organizations

    assert (plain.slug, plain.names, plain.discovery_interval) == ("bb/acme", Globs(), 3600.0)
    assert (chosen.slug, chosen.names) == ("circleci/8vLqd1AbCdEf", Globs(include=("web*",), exclude=("*-archive",)))
    assert chosen.discovery_interval == 21600.0
    assert plain.template.labels == chosen.template.labels == (("_tier", "1"), ("team", "payments"))
    assert (len(plain.template.collectors), chosen.template.collectors) == (9, ())


def test_the_api_is_told_apart_from_its_host() -> None:
    circleci = load(DATA / "good-everything.yml").circleci

    assert (circleci.url, circleci.api_url) == ("https://circleci.example.com", "https://circleci.example.com/api/v2")


def test_equal_files_are_equal_configurations() -> None:
    text = (DATA / "good-everything.yml").read_text()

    assert parse(text) == parse(text + "\n# a comment\n")
    assert hash(parse(text)) == hash(parse(text))
    assert parse(text) != parse(text.replace("interval: 2h", "interval: 3h"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "nothing"),
        ("# nothing here\n", "nothing"),
        ("gh/acme/web", '"gh/acme/web"'),
        ("5", "5"),
        ("[]", "an empty list"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(content: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(content)

    (problem,) = caught.value.problems
    assert (problem.file, problem.path, problem.found) == ("config.yaml", "", found)
    assert (
        problem.allowed
        == "a mapping with the keys circleci, state, webhooks, defaults, runners, usage, projects, organizations"
    )


def test_a_mistake_in_the_defaults_is_told_once_for_all_projects() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("defaults: {interval: soon, default_branch: false}\nprojects: [gh/a/a, gh/a/b, gh/a/c]")

    assert [problem.path for problem in caught.value.problems] == ["defaults.interval"]


def test_mistakes_of_all_kinds_are_told_together_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        load(DATA / "bad-many-at-once.yml")

    paths = [problem.path for problem in caught.value.problems]
    assert paths == [
        "circleci.auth",
        "circleci.concurency",
        "defaults.interval",
        "projects[0].windows[0]",
        "projects[1]",
        "projects[3].slug",
        "organisations",
    ]


def test_a_duplicate_is_found_though_another_entry_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("projects: [5, gh/a/a, {slug: github/a/a}]")

    assert [problem.path for problem in caught.value.problems] == ["projects[0]", "projects[2].slug"]


def test_an_error_holds_no_reference_to_a_token_in_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("circleci: {token: hunter2}\nprojects: [gh/a/a]")

    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert "hunter2" not in f"{error!r} {error}"


KEYS = {
    "interval": st.sampled_from(["1m", "2h"]),
    "stale_after": st.sampled_from([None, "3h"]),
    "windows": st.sampled_from([["last-7-days"], ["last-90-days", "last-24-hours"]]),
    "branches": st.sampled_from([[], ["main"]]),
    "workflows": st.fixed_dictionaries({}, optional={"include": st.just(["a*"]), "exclude": st.just(["ab"])}),
    "jobs": st.fixed_dictionaries({}, optional={"include": st.just(["x"]), "max_age": st.sampled_from(["1h", "2d"])}),
    "runs": st.fixed_dictionaries({}, optional={"interval": st.just("1m"), "buckets": st.just(["1m", "2m"])}),
    "tests": st.fixed_dictionaries({}, optional={"top": st.integers(0, 5)}),
    "labels": st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")),
    "max_series": st.integers(1, 9),
}
settings_of_a_project = st.fixed_dictionaries({}, optional=KEYS)


@given(settings_of_a_project, settings_of_a_project)
def test_defaults_and_project_are_one_mapping_merged_key_by_key(
    defaults: dict[str, object], own: dict[str, object]
) -> None:
    merged = dict(defaults)
    for key, value in own.items():
        held = merged.get(key)
        merged[key] = {**held, **value} if isinstance(held, dict) and isinstance(value, dict) else value

    split = parse(as_yaml({"defaults": defaults, "projects": [{"slug": "gh/a/b", **own}]}))
    whole = parse(as_yaml({"projects": [{"slug": "gh/a/b", **merged}]}))

    assert split.projects == whole.projects


@given(settings_of_a_project)
def test_a_found_project_has_what_a_listed_one_has(own: dict[str, object]) -> None:
    listed = parse(as_yaml({"projects": [{"slug": "gh/a/b", **own}]}))
    found = parse(as_yaml({"organizations": [{"slug": "gh/a", **own}]}))

    assert found.organizations[0].project("github/a/b") == listed.projects[0]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab/.*", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "slug", "include"]), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["circleci", "state", "defaults", "projects", "organizations", "x"]), anything))
def test_any_data_is_a_configuration_or_a_config_error(data: dict[str, object]) -> None:
    try:
        parse(as_yaml(data))
    except ConfigError as error:
        assert all(problem.found for problem in error.problems)  # noqa: PT017  either outcome is good


def as_yaml(data: object) -> str:
    return json.dumps(data)


MANY = """- slug: gh/acme/web{0}
  name: web{0}
  interval: 2h
  windows: [last-24-hours, last-90-days]
  branches: [main, release/*]
  collectors: [workflows, jobs, runs]
  workflows: {{include: ["build*"], exclude: [x]}}
  labels: {{team: payments}}
"""


@pytest.mark.parametrize("entry", ["- gh/acme/web{0}\n", MANY], ids=["short", "long"])
def test_eight_times_the_projects_take_eight_times_the_work(entry: str) -> None:
    few, many = (lines_run(partial(parse, "projects:\n" + "".join(map(entry.format, range(n))))) for n in (100, 800))

    assert few > 1000
    assert many < 8 * 1.1 * few  # each project beside each other would be some lines for each of 640,000 pairs


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of the exporter are run: the same on every machine."""
    lines, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Trace | None:
        nonlocal lines
        lines += event == "line"
        return trace if f"{os.sep}exporter{os.sep}" in frame.f_code.co_filename else None

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines
