"""The version before, beside this one: its package from git, measured by the benchmarks of this version."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from typing import TYPE_CHECKING

from benchmarks.programs import ROOT
from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from pathlib import Path


def before(given: str = "") -> str:
    """The commit to compare with: the given one, else the newest tag, else the one whose figures RESULTS.md has.

    Nothing where there is none of them. Raises SystemExit for a given one that git does not know.
    """
    measured = re.search(r"Measured: commit ([0-9a-f]{7,40})", RESULTS.read_text()) if RESULTS.exists() else None
    known = given or _git("describe", "--tags", "--abbrev=0") or (measured.group(1) if measured else "")
    commit = _git("rev-parse", "--verify", "--quiet", f"{known}^{{commit}}") if known else ""
    if given and not commit:
        raise SystemExit(f"bench: git knows no commit {given}")
    return commit


def now() -> str:
    """The commit that is measured; nothing where this is no working copy of git."""
    return _git("rev-parse", "--short=12", "HEAD")


def built(commit: str, folder: Path) -> Path:
    """A folder with the package as it was at a commit, and the benchmarks as they are."""
    root = folder / f"before-{commit[:7]}"
    root.mkdir()
    archive = subprocess.run(["git", "archive", commit, "exporter"], check=True, capture_output=True, cwd=ROOT)  # noqa: S603, S607
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as package:
        package.extractall(root, filter="data")
    for name in ("benchmarks", "tests"):
        (root / name).symlink_to(ROOT / name)
    return root


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True, cwd=ROOT)  # noqa: S603, S607
    return done.stdout.strip()
