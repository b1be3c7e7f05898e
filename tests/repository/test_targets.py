"""What the Makefile offers is run by somebody, and CONTRIBUTING.md says by whom."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.conftest import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
CIRCLECI: dict[str, Any] = yaml.safe_load((ROOT / ".circleci/config.yml").read_text(encoding="utf-8"))
ROW = re.compile(r"^\| (`make .+?`) \| .+ \| (.+) \|$", re.MULTILINE)
SAID = {
    target: who
    for commands, who in ROW.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    for target in re.findall("`make ([a-z-]+)`", commands)
}
A_PERSON = re.compile(r"a person, \w+ .+")


def on_circleci() -> Iterator[tuple[str, str]]:
    """Each target of a job, with when the job runs."""
    for name, workflow in CIRCLECI["workflows"].items():
        for entry in workflow["jobs"]:
            ((job, given),) = entry.items() if isinstance(entry, dict) else [(entry, {})]
            of_tags = given.get("filters", {}).get("branches") == {"ignore": "/.*/"}
            when = "each night" if name == "every-night" else "each release" if of_tags else "each commit"
            for step in CIRCLECI["jobs"][job]["steps"]:
                command = step["run"]["command"] if "run" in step else ""
                yield from ((target, when) for target in re.findall(r"\bmake ([a-z-]+)", command))


def with_what_it_needs(target: str) -> set[str]:
    """A target, and the targets that make makes before it."""
    needed = re.findall(rf"^{target}:([^#\n]*)", MAKEFILE, re.MULTILINE)[0].split()
    return {target}.union(*(with_what_it_needs(each) for each in needed if each in TARGETS))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Who runs each target: the jobs of CircleCI, and .ci/run with a make that only notes what it was asked for."""
    copy = tmp_path_factory.mktemp("copy")
    for name in (".ci", "scripts"):
        shutil.copytree(ROOT / name, copy / name)
    make = copy / "bin" / "make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{copy / "asked"}\n', encoding="utf-8")
    make.chmod(0o755)
    path = f"{make.parent}:{find_program('env').parent}:{find_program('python3').parent}"
    subprocess.run([find_program("bash"), copy / ".ci" / "run"], check=True, env={"PATH": path})
    found = defaultdict[str, set[str]](set)
    asked = {*TARGETS}.intersection((copy / "asked").read_text(encoding="utf-8").split())
    for target in set[str]().union(*map(with_what_it_needs, asked)):
        found[target].add("`.ci/run`")
    for target, when in on_circleci():
        found[target].add(when)
    return found


def test_the_table_has_every_target_and_no_other() -> None:
    assert sorted(SAID) == sorted(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_run_by_whom_the_table_names(target: str, running: dict[str, set[str]]) -> None:
    who = SAID[target]

    assert running[target] == (set() if A_PERSON.fullmatch(who) else set(who.split(", ")))


def test_what_must_hold_of_each_commit_is_what_ci_run_makes_and_nothing_beside_it(running: dict[str, set[str]]) -> None:
    of_a_commit = {target for target, by in running.items() if "`.ci/run`" in by}

    assert of_a_commit == {"check", "format-check", "lint", "types", "test", "deploy-test"}
    assert not any("each commit" in by for by in running.values())
