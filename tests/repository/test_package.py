"""What is shipped: the wheel, its metadata, and the locks of what it is installed with."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

import exporter

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted(ROOT.glob("requirements*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    [found] = [entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}")]
    return wheel.read(found).decode()


def pins(lock: Path) -> dict[str, str]:
    """Read the pinned version of each distribution of a lock."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", text, maxsplit=1)[0].lower() for text in requirements}


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "exporter"
    files = {path.relative_to(ROOT).as_posix() for path in package.rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected
    assert "exporter/py.typed" in expected


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    assert "circleci-insights-exporter = exporter.cli:main" in metadata(wheel, "entry_points.txt")


def test_the_version_is_the_one_that_the_package_states(wheel: zipfile.ZipFile) -> None:
    said = Parser().parsestr(metadata(wheel, "METADATA"))
    assert said["Name"] == "circleci-insights-exporter"
    assert said["Version"] == exporter.__version__


def test_every_address_of_the_package_is_in_the_repository_of_who_publishes_it(wheel: zipfile.ZipFile) -> None:
    addresses = [
        line.partition(", ")[2] for line in Parser().parsestr(metadata(wheel, "METADATA")).get_all("Project-URL", [])
    ]
    repository = re.search(r"(?m)^REPOSITORY=(.+)$", (ROOT / "publish.env").read_text(encoding="utf-8"))
    assert repository
    assert repository[1] in addresses
    assert {address.startswith(repository[1]) for address in addresses} == {True}
    files = [address.partition("/blob/main/")[2] for address in addresses]
    assert [name for name in files if name and not (ROOT / name).is_file()] == []


def test_the_wheel_carries_the_license(wheel: zipfile.ZipFile) -> None:
    assert metadata(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_every_dependency_is_pinned_in_the_lock() -> None:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    assert names([*PROJECT["dependencies"], *extras]) - pins(ROOT / "requirements.txt").keys() == set()


def test_what_is_tested_is_what_is_shipped() -> None:
    shipped = pins(ROOT / "requirements.txt")
    developed = pins(ROOT / "requirements-dev.txt")
    assert {name: developed.get(name) for name in shipped} == shipped


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_a_hash_for_everything_and_names_no_place_to_get_it(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9-]+==)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > 0
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|^\s*-(?!-hash)", lock.read_text(encoding="utf-8"), re.MULTILINE)
