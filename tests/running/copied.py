"""A copy of the program, to be changed in one place and run as a program of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "exporter"


def copy(folder: Path) -> Path:
    """Copy the package into a folder, and say where it is."""
    return shutil.copytree(PACKAGE, folder / "exporter", ignore=shutil.ignore_patterns("__pycache__"))


def run(folder: Path, *arguments: str, **environment: str) -> str:
    """Run Python with the copy in that folder, and give what it prints. Its lines do not count as covered or missed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
