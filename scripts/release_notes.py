"""Print the section of CHANGELOG.md on a version, or [Unreleased] where there is none: release_notes.py VERSION."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
SECTION = re.compile(r"^## \[(?P<name>[^\]]+)\].*\n(?P<text>(?:(?!## ).*\n?)*)", re.MULTILINE)


def notes(version: str, changelog: str) -> str:
    """The text below the version's heading; LookupError where neither it nor [Unreleased] has any."""
    sections = {found["name"]: found["text"].strip() for found in SECTION.finditer(changelog)}
    text = sections.get(version) or sections.get("Unreleased")
    if not text:
        raise LookupError(f"CHANGELOG.md: no text below [{version}] or [Unreleased]")
    return f"# circleci-insights-exporter {version}\n\n{text}\n"


if __name__ == "__main__":
    try:
        print(notes(sys.argv[1], CHANGELOG.read_text(encoding="utf-8")), end="")
    except LookupError as error:
        sys.exit(str(error))
