"""Write who publishes this wherever it stands: publish_as.py NAME=VALUE...; without values, say what is missing.

`publish.env` has the values of now. A new one takes the place of the old one in every file that git knows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FILE = "publish.env"
LINE = re.compile(r"^([A-Z]+)=(.+)$", re.MULTILINE)
PLACEHOLDER = re.compile(r"\.example\.com\b|PUBLIC-KEY-OF-WHO-SIGNS")
IMAGES = ("PROMETHEUS", "GRAFANA")
RUNBOOK = "{}/blob/main/deploy/prometheus/RUNBOOK.md"


def values(root: Path) -> dict[str, str]:
    """The values of now."""
    return dict(LINE.findall((root / FILE).read_text(encoding="utf-8")))


def missing(now: dict[str, str]) -> list[str]:
    """What a release refuses, one line each."""
    found = [f"{name} is a placeholder: {value}" for name, value in now.items() if PLACEHOLDER.search(value)]
    return found + [f"{name} has no digest: {now[name]}" for name in IMAGES if "@sha256:" not in now[name]]


def publish_as(root: Path, wanted: dict[str, str]) -> list[str]:
    """Write the wanted values; returns the changed files. ValueError for a name that is none, or an empty value."""
    now = values(root)
    for name, value in wanted.items():
        if name not in now or not value.strip() or "\n" in value:
            raise ValueError(f"{name}={value}: give one of {', '.join(now)}, and a value")
    if "REPOSITORY" in wanted:
        wanted = {"RUNBOOK": RUNBOOK.format(wanted["REPOSITORY"]), **wanted}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S607
    changed = []
    for name in filter(None, listed.split("\0")):
        path = root / name
        try:
            before = after = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, IsADirectoryError):
            continue
        for key in sorted(wanted, key=lambda each: -len(now[each])):  # the longest first: one may begin with another
            after = after.replace(now[key], wanted[key])
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(name)
    return changed


def main(arguments: list[str]) -> int:
    """Write what is given; or list what is missing, and exit 1 then."""
    root = Path.cwd()
    if not arguments:
        lines = missing(values(root))
        print("\n".join(lines), end="\n" if lines else "")
        return int(bool(lines))
    try:
        changed = publish_as(root, dict(each.partition("=")[::2] for each in arguments))
    except ValueError as error:
        print(f"publish-as: {error}", file=sys.stderr)
        return 2
    print("\n".join(changed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
