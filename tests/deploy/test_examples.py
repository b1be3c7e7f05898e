"""What people copy to begin with: it counts runs, which alerts need, keeps a state, and says what that costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from exporter.config import parse
from exporter.insights.collectors import PIPELINES
from tests.deploy.exporter_metrics import DEPLOY, ROOT, documents

if TYPE_CHECKING:
    from pathlib import Path

FILES = [
    ROOT / "config.example.yaml",
    *sorted((DEPLOY / "kubernetes").rglob("config.yaml")),
    DEPLOY / "systemd" / "config.yaml",
    ROOT / "README.md",
    DEPLOY / "docker" / "README.md",
]


def example(path: Path) -> str:
    """The file, or the first configuration of a page."""
    text = path.read_text(encoding="utf-8")
    return text if path.suffix == ".yaml" else re.findall(r"(?ms)^ *```yaml\n( *circleci:.*?)^ *```$", text)[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_counts_runs_in_a_state_that_stays_and_says_what_it_costs(path: Path) -> None:
    config = parse(example(path))

    assert all(PIPELINES in project.collectors for project in config.projects)
    assert config.state.path or config.state.url
    said = " ".join(path.read_text(encoding="utf-8").replace("#", "").split())
    assert re.search(r"some 16 (API calls )?an hour for a project with 10 pipelines a day", said)


def test_kustomizes_page_names_the_token_file_and_the_folder_of_the_state_that_its_example_has() -> None:
    page = (DEPLOY / "kubernetes" / "README.md").read_text(encoding="utf-8")
    base = documents(DEPLOY / "kubernetes" / "base" / "config.yaml")

    assert f"the token file is `{base['circleci']['token_file']}`" in page
    assert f"`{base['state']['path'].rpartition('/')[0]}`" in page


def test_the_charts_example_does_so_too() -> None:
    text = (DEPLOY / "helm" / "circleci-insights-exporter" / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"(?ms)^helm install .*?```", text)

    assert "--set persistence.enabled=true" in command
    assert "config.defaults.collectors={workflows,jobs,pipelines}" in command
    assert "some 16 API calls" in text
