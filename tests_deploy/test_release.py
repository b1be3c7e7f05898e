"""A release without its image: what is in it, one version everywhere, checksums that can be signed and verified."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml

from exporter import __version__
from scripts.publish_as import publish_as
from tests.conftest import find_program
from tests_deploy.conftest import ROOT, tool

if TYPE_CHECKING:
    from pathlib import Path

NAME = "circleci-insights-exporter"
MODULE = NAME.replace("-", "_")
SOURCE = "https://git.example.org/team/exporter"
IMAGE = "images.example.org/team/exporter"
DIGEST = "sha256:" + 64 * "0"
PLACEHOLDER = re.compile(r"(?:repository|registry|runbooks|mail)\.example\.com|PUBLIC-KEY")


def clone(folder: Path) -> Path:
    """A copy of what is committed, which has the environments of this one."""
    copy = folder / "source"
    subprocess.run([find_program("git"), "clone", "--quiet", "--local", "--no-tags", ROOT, copy], check=True)
    for name in (".venv", ".venv-deploy"):
        (copy / name).symlink_to(ROOT / name)
    return copy


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of a copy in which everything is filled in that a person must fill in."""
    folder = tmp_path_factory.mktemp("release")
    key, copy = folder / "key", clone(folder)
    subprocess.run([find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    who = {"REPOSITORY": SOURCE, "IMAGE": IMAGE, "CONTACT": "security@git.example.org"}
    who |= {name: f"{name.lower()}@{DIGEST}" for name in ("PROMETHEUS", "GRAFANA")}
    who["SIGNER"] = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    publish_as(copy, who)
    log = copy / "CHANGELOG.md"
    log.write_text(log.read_text(encoding="utf-8").replace("[Unreleased]", f"[{__version__}] - 2026-01-01"), "utf-8")
    git: list[str | Path] = [find_program("git"), "-C", copy, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "commit", "--quiet", "--all", "--message", "Fill in"], check=True)
    done = subprocess.run(
        [copy / "scripts" / "release.sh", "--without-image", folder / "dist"],
        check=False,
        env={**os.environ, "SIGNING_KEY": str(key)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_release_names_everything_at_once_that_a_person_must_fill_in_and_makes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "release.sh", "--without-image", tmp_path / "dist"],
        check=False,
        capture_output=True,
        text=True,
    )

    named = re.findall(r"^([A-Z]+) (?:is a placeholder|has no digest)", done.stderr, re.MULTILINE)
    assert done.returncode == 1
    assert named == ["REPOSITORY", "IMAGE", "RUNBOOK", "CONTACT", "SIGNER", "PROMETHEUS", "GRAFANA"]
    assert f"[Unreleased] is not yet named [{__version__}]" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_a_release_has_no_placeholder_and_its_alerts_link_to_the_runbook_of_the_repository(released: Path) -> None:
    for path in (released / "dist").glob("*.tgz"), (released / "dist").glob("*.tar.gz"):
        with tarfile.open(next(path)) as packed:
            texts = {each.name: packed.extractfile(each) for each in packed if each.isfile()}
            found = {name for name, file in texts.items() if file and PLACEHOLDER.search(file.read().decode("latin1"))}
        assert {name for name in found if "/tests/" not in name} == set()
    with tarfile.open(released / "dist" / f"{NAME}-{__version__}.tgz") as packed:
        file = packed.extractfile(f"{NAME}/values.yaml")
        assert file is not None
        values = yaml.safe_load(file)
    assert values["image"]["repository"] == IMAGE
    assert values["prometheusRule"]["runbookUrl"] == f"{SOURCE}/blob/main/deploy/prometheus/RUNBOOK.md"


def test_a_release_has_wheel_sdist_chart_contents_notes_and_checksums(released: Path) -> None:
    assert {path.name for path in (released / "dist").iterdir()} == {
        f"{MODULE}-{__version__}-py3-none-any.whl",
        f"{MODULE}-{__version__}.tar.gz",
        f"{NAME}-{__version__}.tgz",
        "sbom.cdx.json",
        "NOTES.md",
        "SHA256SUMS",
        "SHA256SUMS.sig",
    }
    subprocess.run([find_program("sha256sum"), "--quiet", "--check", "SHA256SUMS"], cwd=released / "dist", check=True)


def test_wheel_and_chart_have_the_one_version_and_the_chart_its_source(released: Path) -> None:
    wheel = zipfile.ZipFile(released / "dist" / f"{MODULE}-{__version__}-py3-none-any.whl")
    with tarfile.open(released / "dist" / f"{NAME}-{__version__}.tgz") as packed:
        file = packed.extractfile(f"{NAME}/Chart.yaml")
        assert file is not None
        chart = yaml.safe_load(file)

    assert f"\nVersion: {__version__}\n" in wheel.read(f"{MODULE}-{__version__}.dist-info/METADATA").decode()
    assert chart["version"] == chart["appVersion"] == __version__
    assert chart["home"] == SOURCE
    assert chart["sources"] == [SOURCE]


def test_the_packed_chart_installs_as_the_one_in_the_repository(released: Path) -> None:
    packed = released / "dist" / f"{NAME}-{__version__}.tgz"
    chart = released / "source" / "deploy" / "helm" / NAME
    values = chart / "ci" / "minimal.yaml"

    first, second = (
        subprocess.run([tool("helm"), "template", "rel", each, "-f", values], check=True, capture_output=True).stdout
        for each in (packed, chart)
    )

    assert first == second


def test_the_list_of_contents_is_what_the_lock_pins(released: Path) -> None:
    listed = json.loads((released / "dist" / "sbom.cdx.json").read_text(encoding="utf-8"))
    pinned = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    found = {each["name"].lower().replace("_", "-"): each["version"] for each in listed["components"]}

    assert listed["bomFormat"] == "CycloneDX"
    assert (listed["metadata"]["component"]["name"], listed["metadata"]["component"]["version"]) == (NAME, __version__)
    assert found.items() <= pinned.items()
    assert {"requests", "pydantic", "isal", "uvicorn"} <= found.keys()
    assert "pip" not in found


def test_the_checksums_are_verified_as_the_page_on_security_says(released: Path) -> None:
    commands = (
        (released / "source" / "SECURITY.md").read_text(encoding="utf-8").partition("```sh\n")[2].partition("```")[0]
    )

    good = subprocess.run(
        [find_program("bash"), "-ec", commands], check=False, cwd=released / "dist", capture_output=True, text=True
    )
    with (released / "dist" / "SHA256SUMS").open("a", encoding="utf-8") as file:
        file.write("\n")
    bad = subprocess.run(
        [find_program("bash"), "-ec", commands], check=False, cwd=released / "dist", capture_output=True, text=True
    )

    assert "Good" in good.stdout
    assert good.returncode == 0, good.stderr
    assert bad.returncode != 0


def test_a_tag_of_another_version_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "release.sh", "--without-image", tmp_path / "dist"],
        check=False,
        env={**os.environ, "CIRCLE_TAG": "v99.0.0"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert f"the tag is v99.0.0, but exporter/__init__.py says {__version__}" in done.stderr
