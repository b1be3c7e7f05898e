"""The systemd unit, by systemd's own tools."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.exporter_metrics import DEPLOY

if TYPE_CHECKING:
    from collections.abc import Callable

UNIT = DEPLOY / "systemd" / "circleci-insights-exporter.service"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the command of this environment: systemd-analyze wants to find it."""
    command = Path(sys.executable).parent / "circleci-insights-exporter"
    path = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={command}", text, flags=re.MULTILINE), encoding="utf-8")
    return path


def test_systemd_takes_the_unit_without_a_warning(unit: Path, program: Callable[[str], Path]) -> None:
    done = subprocess.run([program("systemd-analyze"), "verify", unit], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert UNIT.name not in done.stderr


def test_the_units_exposure_is_among_the_lowest(unit: Path, program: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=yes", "--threshold=15", unit],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_the_real_command_takes_the_units_arguments_and_its_configuration(tmp_path: Path) -> None:
    (line,) = re.findall(r"^ExecStart=\S+ (.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    config = shutil.copy(DEPLOY / "systemd" / "config.yaml", tmp_path)
    arguments = line.replace("/etc/circleci-insights-exporter/config.yaml", str(config)).split()

    checked = subprocess.run(
        [sys.executable, "-m", "exporter", "check", "--offline", f"--config.file={config}"],
        check=False,
        capture_output=True,
        text=True,
    )
    helped = subprocess.run(
        [sys.executable, "-m", "exporter", *arguments, "--help"], check=False, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stderr
    assert helped.returncode == 0, helped.stderr


def test_token_and_state_are_where_the_configuration_looks_for_them() -> None:
    text, config = UNIT.read_text(encoding="utf-8"), (DEPLOY / "systemd" / "config.yaml").read_text(encoding="utf-8")

    (credential,) = re.findall(r"^LoadCredential=(\w+):", text, re.MULTILINE)
    assert f"/run/credentials/{UNIT.name}/{credential}" in config
    (state,) = re.findall(r"^StateDirectory=(\S+)", text, re.MULTILINE)
    assert f"/var/lib/{state}/state.sqlite" in config
