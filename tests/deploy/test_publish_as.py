"""Who publishes this is said once, and stands wherever it is needed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scripts.publish_as import missing, publish_as, values
from tests.conftest import find_program
from tests.deploy.exporter_metrics import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOW = """# Change them.
REPOSITORY=https://repository.example.com/x
RUNBOOK=https://runbooks.example.com/x
PROMETHEUS=prom/prometheus:v1
GRAFANA=grafana@sha256:1
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository of three files, and one that git does not know."""
    (tmp_path / "publish.env").write_text(NOW)
    (tmp_path / "page.md").write_text("clone https://repository.example.com/x, read https://runbooks.example.com/x#a")
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    subprocess.run([find_program("git"), "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([find_program("git"), "add", "."], cwd=tmp_path, check=True)
    (tmp_path / "mine").write_text("https://repository.example.com/x")
    return tmp_path


def test_a_value_takes_the_place_of_the_one_before_everywhere_and_the_runbook_follows_the_repository(
    copy: Path,
) -> None:
    assert publish_as(copy, {"REPOSITORY": "https://git.example.org/x"}) == ["page.md", "publish.env"]

    runbook = "https://git.example.org/x/blob/main/deploy/prometheus/RUNBOOK.md"
    assert (copy / "page.md").read_text() == f"clone https://git.example.org/x, read {runbook}#a"
    assert values(copy)["RUNBOOK"] == runbook
    assert (copy / "mine").read_text() == "https://repository.example.com/x"


def test_values_can_be_changed_again_though_one_begins_with_another(copy: Path) -> None:
    publish_as(copy, {"REPOSITORY": "https://git.example.org/x"})
    publish_as(copy, {"REPOSITORY": "https://git.example.org/y", "RUNBOOK": "https://wiki.example.org"})

    assert (copy / "page.md").read_text() == "clone https://git.example.org/y, read https://wiki.example.org#a"


def test_what_is_missing_is_said_of_placeholders_and_of_images_without_a_digest(copy: Path) -> None:
    said = missing(values(copy))

    assert [line.split()[0] for line in said] == ["REPOSITORY", "RUNBOOK", "PROMETHEUS"]
    publish_as(copy, {"REPOSITORY": "https://git.example.org/x", "PROMETHEUS": "prom/prometheus@sha256:2"})
    assert missing(values(copy)) == []


@pytest.mark.parametrize("wrong", [{"REPOSITRY": "x"}, {"REPOSITORY": " "}])
def test_a_name_that_is_none_and_an_empty_value_are_refused(copy: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give one of REPOSITORY, RUNBOOK"):
        publish_as(copy, wrong)


def test_each_value_of_this_repository_stands_where_somebody_reads_it() -> None:
    for name, value in values(ROOT).items():
        found = subprocess.run(
            [find_program("git"), "grep", "-lF", value],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        assert {"publish.env"} < set(found), name


def test_the_command_lists_what_is_missing_and_fails(copy: Path) -> None:
    command: list[str | Path] = [sys.executable, ROOT / "scripts" / "publish_as.py"]
    done = subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)

    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3)
