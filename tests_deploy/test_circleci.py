"""The project's own pipeline at CircleCI: by CircleCI's schema, and by what it is there for."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import yaml

from tests.conftest import find_program
from tests_deploy.api_server import BUILT
from tests_deploy.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FILE = ROOT / ".circleci" / "config.yml"
CONFIG: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
WORKFLOW, NIGHTLY = (CONFIG["workflows"][name] for name in ("every-commit", "every-night"))
JOBS: dict[str, Any] = {name: each for entry in WORKFLOW["jobs"] for name, each in entry.items()}


def commands(job: str) -> str:
    return "\n".join(step["run"]["command"] for step in CONFIG["jobs"][job]["steps"] if "run" in step)


def validated(file: Path) -> subprocess.CompletedProcess[str]:
    program = ROOT / ".venv-deploy" / "bin" / "check-jsonschema"
    return subprocess.run(
        [program, "--builtin-schema", "vendor.circle-ci", file], check=False, capture_output=True, text=True
    )


def test_the_pipeline_fits_the_schema_that_circleci_publishes(tmp_path: Path) -> None:
    broken = tmp_path / "config.yml"
    broken.write_text(FILE.read_text(encoding="utf-8").replace("steps:", "stepz:"), encoding="utf-8")

    assert validated(FILE).returncode == 0, validated(FILE).stdout
    assert validated(broken).returncode == 1


def test_each_commit_and_each_tag_is_checked_on_every_supported_python_by_the_script_that_holds_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = [each.rpartition(" ")[2] for each in project["classifiers"] if " :: 3." in each]

    assert "bash .ci/run" in commands("check")
    assert JOBS["check"]["matrix"]["parameters"]["python"] == supported
    assert "branches" not in JOBS["check"]["filters"]


def test_the_upgrades_are_tried_on_the_debian_that_the_api_server_is_built_on() -> None:
    script = (ROOT / "scripts" / "kubernetes-api.sh").read_text(encoding="utf-8")
    (image,) = CONFIG["jobs"]["upgrades"]["docker"]
    (kept,) = [step["save_cache"] for step in CONFIG["jobs"]["upgrades"]["steps"] if "save_cache" in step]

    assert "For Debian 12" in script
    assert image["image"].endswith("-bookworm")
    assert [ROOT / path for path in kept["paths"]] == [BUILT]


def test_no_recipe_of_the_makefile_needs_a_variable_that_may_be_unset() -> None:
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert "KUBEBUILDER_ASSETS:-" in recipes
    assert re.findall(r"\$\$(?:\w+|\{\w+\})", recipes) == []


def test_a_release_is_made_of_a_version_tag_alone_and_only_after_every_check() -> None:
    release = JOBS["release"]

    assert release["filters"] == {"branches": {"ignore": "/.*/"}, "tags": {"only": r"/^v\d+\.\d+\.\d+.*$/"}}
    assert release["filters"]["tags"] == JOBS["check"]["filters"]["tags"]
    assert release["requires"] == ["check", "upgrades", "long"]


def test_the_long_tests_the_coverage_and_the_upgrades_run_each_night_and_before_a_release() -> None:
    (trigger,) = NIGHTLY["triggers"]

    assert trigger["schedule"]["filters"] == {"branches": {"only": "main"}}
    assert NIGHTLY["jobs"] == ["upgrades", "long", "image"]
    assert JOBS["long"]["filters"] == JOBS["upgrades"]["filters"] == JOBS["release"]["filters"]
    assert "make test-long" in commands("long")
    assert "make coverage" in commands("long")
    assert "make upgrade-test" in commands("upgrades")


def test_the_image_is_built_and_run_each_night_and_before_a_release() -> None:
    base = CONFIG["jobs"]["release"]["environment"]["BASE_IMAGE"]

    assert f"make image-test ARGS={base}" in commands("image")
    assert commands("release").index("make image-test") < commands("release").index("make release")


def test_a_release_is_built_twice_signed_and_kept() -> None:
    (kept,) = [step["store_artifacts"] for step in CONFIG["jobs"]["release"]["steps"] if "store_artifacts" in step]

    assert "make release ARGS=--twice" in commands("release")
    assert 'SIGNING_KEY="$HOME/signing-key"' in commands("release")
    assert JOBS["release"]["context"] == "release"
    assert kept["path"] == "dist"


def test_a_release_pins_its_base_by_digest_before_anything_is_built(tmp_path: Path) -> None:
    pin, build, *_ = [step["run"]["command"] for step in CONFIG["jobs"]["release"]["steps"] if "run" in step]
    docker, environment, digest = tmp_path / "docker", tmp_path / "environment", f"sha256:{'0' * 64}"
    docker.write_text(f"#!/bin/sh\n[ $1 = pull ] || echo python@{digest}\n", encoding="utf-8")
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    variables = {"BASE_IMAGE": "python:3.13-slim", "BASH_ENV": str(environment), "PATH": path}

    subprocess.run([find_program("bash"), "-eo", "pipefail", "-c", pin], check=True, env=variables)

    assert environment.read_text(encoding="utf-8") == f"export BASE_IMAGE=python:3.13-slim@{digest}\n"
    assert 'make image-test ARGS="$BASE_IMAGE"' in build
