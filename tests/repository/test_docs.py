"""The documents: their generated parts are fresh, their examples work, their links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import yaml

from exporter.cli import metrics_reference
from exporter.cli.command import main as command_line
from exporter.config import parse
from exporter.errors import REASONS
from exporter.web import app, webhooks
from exporter.web.settings_file import read_web_config
from scripts import generate_docs
from tests.circleci import Circle
from tests.deploy.exporter_metrics import ANYWHERE, exposed
from tests.deploy.promql import selectors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
WRITTEN_FOR_USERS = [README, *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = {name: ROOT / "docs" / f"{name}.md" for name in ("command-line", "metrics", "troubleshooting")}
GITHUB_DROPS = re.compile(r"[^\w\- ]")
LINK = re.compile(
    r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)"  # [text](target), whose text may have brackets
    r'|(?:src|srcset)="([^"]+)"'
    r"|!\[[^\]]*\]\(([^)\s]+)\)"
)
FENCE = re.compile(r"(?ms)^( *)```([a-z-]+)\n(.*?)^ *```$")

WINDOWED = (
    *("runs", "successful_runs", "failed_runs", "success_ratio", "throughput_runs_per_day", "credits_used"),
    *(f"duration_{figure}_seconds" for figure in ("min", "mean", "median", "p95", "max", "stddev")),
    *("first_run_timestamp_seconds", "last_run_timestamp_seconds"),
)
TOTALS = ("runs", "success_ratio", "throughput_runs_per_day", "credits_used", "duration_total_seconds")
TRENDS = ("runs", "failed_runs", "success", "duration_p95", "duration_median", "credits", "mttr", "throughput")
BUCKETED = (
    *("runs", "successful_runs", "failed_runs", "throughput_runs_per_day", "credits_used", "start_timestamp_seconds"),
    *(f"duration_{figure}_seconds" for figure in ("min", "median", "p95", "max", "total")),
)
SCOPE = {"project", "workflow", "branch"}
TEST = {"project", "workflow", "job_name", "test_name", "class_name"}

# What dashboards and alerts are written against: it only grows.
CONTRACT: dict[str, set[str]] = {
    **{f"circleci_insights_workflow_{name}": SCOPE | {"window"} for name in (*WINDOWED, "mttr_seconds")},
    **{f"circleci_insights_job_{name}": SCOPE | {"window", "job_name"} for name in WINDOWED},
    "circleci_insights_project_info": {
        *("project", "slug", "project_name", "organization", "provider", "default_branch"),
    },
    "circleci_insights_default_branch": {"project", "branch"},
    "circleci_workflow_runs_total": SCOPE | {"status"},
    "circleci_workflow_run_duration_seconds": SCOPE,
    "circleci_workflow_run_credits_total": SCOPE,
    "circleci_workflow_last_run_success": SCOPE,
    "circleci_workflow_last_run_duration_seconds": SCOPE,
    "circleci_workflow_last_run_timestamp_seconds": SCOPE,
    "circleci_insights_flaky_tests": {"project"},
    "circleci_insights_flaky_test_flakes": {"project", "workflow", "job_name"},
    "circleci_insights_flaky_test_wasted_seconds": {"project", "workflow", "job_name"},
    "circleci_insights_flaky_test_top_flakes": TEST,
    "circleci_insights_workflow_tests": SCOPE,
    "circleci_insights_workflow_test_runs": SCOPE,
    "circleci_insights_test_duration_p95_seconds": TEST | {"branch"},
    "circleci_insights_test_failed_runs": TEST | {"branch"},
    "circleci_insights_test_runs": TEST | {"branch"},
    **{
        f"circleci_insights_project_{name}{trend}": {"project", "window"}
        for name, trend in product(TOTALS, ("", "_trend_ratio"))
    },
    **{
        f"circleci_insights_project_workflow_{name}": {"project", "workflow", "window"}
        for name in ("runs", "success_ratio", "credits_used", "duration_p95_seconds")
    },
    **{f"circleci_insights_job_bucket_{name}": SCOPE | {"job_name", "granularity"} for name in BUCKETED},
    "circleci_insights_workflow_totals_completed_runs": SCOPE,
    **{f"circleci_insights_workflow_totals_{name}_trend_ratio": SCOPE for name in TRENDS},
    **{f"circleci_insights_organization_{name}": {"organization", "window"} for name in TOTALS},
    **{
        f"circleci_exporter_{name}": labels
        for name, labels in {
            "build_info": {"version", "python_version"},
            "up": set[str](),
            "projects": set(),
            "discovered_projects": {"organization"},
            "collector_success": {"project", "collector"},
            "collector_duration_seconds": {"project", "collector"},
            "collector_last_success_timestamp_seconds": {"project", "collector"},
            "collector_failures_total": {"collector", "reason"},
            "poll_delay_seconds": set(),
            "api_requests_total": {"endpoint", "code"},
            "api_request_duration_seconds": {"endpoint"},
            "api_retries_total": {"reason"},
            "api_throttled_seconds_total": set(),
            "api_rate_limit_remaining": set(),
            "api_rate_limit_limit": set(),
            "series": {"collector"},
            "dropped_series_total": {"project", "reason"},
            "unreadable_fields_total": {"collector", "field"},
            "state_writable": set(),
            "config_last_reload_successful": set(),
            "config_last_reload_success_timestamp_seconds": set(),
            "shard_ordinal": set(),
            "total_shards": set(),
        }.items()
    },
}


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def fences(document: Path, language: str) -> list[str]:
    """The fenced blocks of one language, without the indent that a list gives them."""
    return [textwrap.dedent(block) for _, found, block in FENCE.findall(text_of(document)) if found == language]


def links(document: Path) -> Iterator[str]:
    without_code = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text_of(document)))
    for found in LINK.finditer(without_code):
        yield next(filter(None, found.groups()))


def anchors(document: Path) -> set[str]:
    """The headings as GitHub links to them."""
    headings = re.findall(r"(?m)^#+ +(.+?) *$", FENCE.sub("", text_of(document)))
    return {GITHUB_DROPS.sub("", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_generated_parts_are_what_the_code_says_now() -> None:
    for document in generate_docs.DOCUMENTS:
        text = text_of(document)
        assert text == generate_docs.generated(text), f"{document.name} has drifted: run make docs"


def test_every_generated_part_is_in_a_document() -> None:
    marked = {
        name for document in generate_docs.DOCUMENTS for _, name, _ in generate_docs.PART.findall(text_of(document))
    }
    assert marked == set(generate_docs.PARTS)


def test_a_drift_is_found_and_named() -> None:
    text = text_of(REFERENCE["metrics"])
    name = "circleci_insights_workflow_mttr_seconds"
    drifted = text.replace(f"| `{name}` |", "| `gone` |")
    assert drifted != text
    assert generate_docs.generated(drifted) == text

    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path) if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in links(index)}
    assert set((ROOT / "docs").glob("*.md")) - listed == {index}


def test_every_metric_of_the_contract_is_in_the_reference_with_its_labels() -> None:
    listed = {str(row["name"]): set(row["labels"]) for row in metrics_reference.rows()}
    assert {name: listed.get(name) for name in CONTRACT} == CONTRACT


def test_every_flag_and_command_is_documented() -> None:
    text = text_of(REFERENCE["command-line"])
    for name, command in command_line.commands.items():
        assert f"| `{name}` |" in text
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.opts}"
                assert all(re.search(rf"`{re.escape(flag)}[` ]", text) for flag in option.opts), option.opts


def test_every_path_that_contributing_names_exists() -> None:
    text = text_of(ROOT / "CONTRIBUTING.md")
    paths = re.findall(r"`((?:exporter|tests|deploy|docs|scripts|benchmarks)/[\w./-]*)`", text)
    assert len(paths) > 10
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []


def test_every_log_event_that_is_documented_is_logged() -> None:
    _, _, logs = text_of(ROOT / "docs" / "operating.md").partition("## Logs")
    rows = re.findall(r"(?m)^\| (`.*?`) \|", logs)
    events = {event for row in rows for event in re.findall(r"`([^`]+)`", row)}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "exporter").rglob("*.py"))
    assert len(events) >= 9
    assert {event for event in events if f'"{event}"' not in code} == set()


def test_every_reason_of_a_failure_has_its_line() -> None:
    text = text_of(REFERENCE["troubleshooting"])
    assert all(f"| `{reason}` |" in text for reason in REASONS)


@pytest.mark.parametrize("name", ["CIRCLECI_TOKEN", "CIRCLECI_WEBHOOK_SECRET", "PGPASSWORD", "PGPASSFILE"])
def test_every_environment_variable_of_a_secret_is_documented(name: str) -> None:
    _, _, variables = text_of(REFERENCE["command-line"]).partition("## Environment variables")
    assert f"`{name}`" in variables


@pytest.mark.parametrize("route", [app.HEALTHY, app.READY, app.RELOAD, app.LEADER, webhooks.PATH])
def test_every_route_is_documented(route: str) -> None:
    _, _, routes = text_of(REFERENCE["command-line"]).partition("## Routes")
    assert re.search(rf"(?m)^\| `(POST )?{route}` \|", routes)


@pytest.mark.parametrize("document", WRITTEN_FOR_USERS, ids=name_of)
def test_every_example_of_a_configuration_is_valid(document: Path, tmp_path: Path) -> None:
    for block in fences(document, "yaml"):
        if "web.yml" in block:
            (tmp_path / "web.yml").write_text(block)
            assert read_web_config(tmp_path / "web.yml").users
        elif "scrape_configs" in block:
            (job,) = yaml.safe_load(block)["scrape_configs"]
            assert not job.keys() - {"job_name", "scrape_interval", "static_configs"}
        elif "kind: ScaledObject" in block:
            assert name_of(document) == "docs/runners.md"  # tests/runners/test_scaling.py reads it
        else:
            given = yaml.safe_load(block)
            complete = block if {"projects", "organizations"} & given.keys() else f"{block}\nprojects: [gh/acme/web]\n"
            config = parse(complete, name_of(document))
            assert config.projects or config.organizations


def test_the_first_configuration_works_as_it_stands_and_check_says_what_the_readme_shows(tmp_path: Path) -> None:
    first, shown = fences(README, "yaml")[0], fences(README, "text")[0]
    with Circle() as circle:
        (tmp_path / "token").write_text(f"{circle.token}\n")
        (tmp_path / "config.yaml").write_text(first.replace("circleci:", f"circleci:\n  url: {circle.url}", 1))
        command = [str(Path(sys.executable).with_name("circleci-insights-exporter")), "check"]
        environment = {**os.environ, "COLUMNS": "100"}
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert result.returncode == 0, result.stderr
    said = result.stdout.replace(circle.url, "https://circleci.com")
    assert unspaced(said) == unspaced(shown)


def unspaced(text: str) -> list[list[str]]:
    """The words of each line; how far a rule or a column reaches is left to the terminal, what runs to the hour."""
    plain = re.sub(r"\d+", "N", text.replace("─", ""))
    return [line.split() for line in plain.splitlines() if line.strip()]


def test_there_are_examples_to_be_checked() -> None:
    assert len(fences(README, "yaml")) >= 2
    assert sum(len(fences(document, "yaml")) for document in WRITTEN_FOR_USERS) >= 6
    assert len(fences(ROOT / "docs" / "queries.md", "promql")) >= 7


@pytest.mark.parametrize("document", WRITTEN_FOR_USERS, ids=name_of)
def test_every_query_names_metrics_and_labels_that_there_are(document: Path) -> None:
    for query in fences(document, "promql"):
        for expression in query.strip().split("\n\n"):
            for name, labels in selectors(expression):
                assert set(labels) <= exposed()[name] | ANYWHERE, expression


def test_every_query_is_one_that_prometheus_reads(promtool: Path, tmp_path: Path) -> None:
    fenced = (block for document in WRITTEN_FOR_USERS for block in fences(document, "promql"))
    queries = [query for block in fenced for query in re.split(r"\n(?=\w)", block.strip())]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "documents", "rules": rules}]}))

    result = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, timeout=60, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").iterdir()), ids=name_of)
def test_every_picture_is_shown_and_small(picture: Path) -> None:
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 300_000
    shown = {(document.parent / link).resolve() for document in WRITTEN_FOR_USERS for link in links(document)}
    assert picture in shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_document_tells_of_the_machine_that_it_was_written_on(document: Path) -> None:
    text = text_of(document)
    assert not re.search(r"(?m)(?<![\w.])/(?:root|tmp|work|Users)/|/home/[a-z]", text)
    assert str(ROOT) not in text
