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
from tests.conftest import find_program
from tests_deploy.conftest import ROOT, tool

if TYPE_CHECKING:
    from pathlib import Path

NAME = "circleci-insights-exporter"
MODULE = NAME.replace("-", "_")
SOURCE = "https://git.example.org/team/exporter"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    key = folder / "key"
    subprocess.run([find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    environment = {
        **os.environ,
        "SIGNING_KEY": str(key),
        "SOURCE_URL": "https://user:secret@git.example.org/team/exporter.git",
    }
    done = subprocess.run(
        [ROOT / "scripts" / "release.sh", "--without-image", folder / "dist"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


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


def test_wheel_and_chart_have_the_one_version_and_the_chart_its_source_without_a_password(released: Path) -> None:
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
    chart = ROOT / "deploy" / "helm" / NAME
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
    public = (released / "key.pub").read_text(encoding="utf-8")
    (released / "dist" / "allowed_signers").write_text(f"release {public}", encoding="utf-8")
    commands = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("```sh\n")[2].partition("```")[0]

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
