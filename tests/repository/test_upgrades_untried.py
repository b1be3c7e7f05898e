"""`make check` names what only `make upgrade-test` tries, where that was changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import find_program

ROOT = Path(__file__).parents[2]
SCRIPT = "scripts/upgrades-untried.sh"
ELSEWHERE = "exporter/errors.py"


def run(*command: str | Path, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git = (find_program("git"), "-c", "user.name=a", "-c", "user.email=a@example.org")
    run(*git, "add", ".", folder=folder)
    run(*git, "commit", "--quiet", "--message", "Change", folder=folder)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy, on a branch of its own beside main."""
    for name in (SCRIPT, "deploy/a.yaml", "docs/upgrading.md", ELSEWHERE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / SCRIPT, tmp_path / SCRIPT)
    run(find_program("git"), "init", "--quiet", "--initial-branch=main", folder=tmp_path)
    commit(tmp_path)
    run(find_program("git"), "switch", "--quiet", "--create", "branch", folder=tmp_path)
    return tmp_path


def said(copy: Path) -> str:
    return run(copy / SCRIPT, folder=copy)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize(
    "name", ["deploy/a.yaml", "deploy/new.yaml", "docs/upgrading.md", "tests_deploy/test_upgrades.py"]
)
def test_a_change_of_what_is_deployed_is_named_whether_it_is_committed_or_not(
    copy: Path, name: str, committed: bool
) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("changed", encoding="utf-8")
    if committed:
        commit(copy)

    assert said(copy) == f"{name} was changed: make upgrade-test tries that on an API server of Kubernetes\n"


def test_nothing_is_said_of_a_change_elsewhere_nor_of_what_is_on_main(copy: Path) -> None:
    assert said(copy) == ""
    (copy / ELSEWHERE).write_text("changed", encoding="utf-8")
    commit(copy)

    assert said(copy) == ""


def test_many_changes_are_one_line(copy: Path) -> None:
    for name in ("docs/upgrading.md", "deploy/a.yaml", "deploy/b.yaml"):
        (copy / name).write_text("changed", encoding="utf-8")

    assert len(said(copy).splitlines()) == 1


def test_make_check_ends_with_it() -> None:
    recipe = run(find_program("make"), "--dry-run", "--no-print-directory", "check", folder=ROOT)

    assert recipe.splitlines()[-1] == SCRIPT
