"""Figures as they stand in RESULTS.md."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(slots=True)
class Section:
    """A heading, tables and sentences, in the order in which they were added; goals with whether they were reached."""

    title: str
    lines: list[str] = field(default_factory=list)
    goals: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.lines += [text, ""]

    def table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Add a table."""
        self.lines += [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
        self.lines += [f"| {' | '.join(row)} |" for row in rows]
        self.lines.append("")

    def goal(self, what: str, wanted: str, found: str, *, reached: bool) -> None:
        """Note a goal and how far it was reached."""
        self.goals.append((what, wanted, found, reached))


def seconds(value: float) -> str:
    """A duration in the unit in which it is read most easily."""
    if value < 0.1:  # noqa: PLR2004
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s"


def size(value: float) -> str:
    """Bytes as kB, MB or GB."""
    if value >= 1e9:  # noqa: PLR2004
        return f"{value / 1e9:.3g} GB"
    return f"{value / 1e6:.3g} MB" if value >= 1e6 else f"{value / 1e3:.3g} kB"  # noqa: PLR2004


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.0f} times" if value >= 10 else f"{value:.2f} times"  # noqa: PLR2004


def spread(values: Sequence[float], write: Callable[[float], str]) -> str:
    """The median of some turns, and where they differ the least and the most."""
    middle, least, most = write(median(values)), write(min(values)), write(max(values))
    return middle if least == most else f"{middle} ({least} to {most})"


def machine() -> str:
    """What this runs on: no names, no paths."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    faster = "with isal" if find_spec("isal") else "without isal"
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()} {faster}."
    )


def kept(document: str, title: str) -> str:
    """A section of a document with its heading; empty where there is none."""
    _, heading, rest = document.partition(f"\n## {title}\n")
    lines, _, _ = rest.partition("\n## ")
    return f"{heading}{lines.rstrip()}\n" if heading else ""


def replaced(document: str, section: Section) -> str:
    """A document with this section in place of an earlier one of its title, or at the end."""
    before = kept(document, section.title)
    written = "\n".join(["", f"## {section.title}", "", *section.lines]).rstrip() + "\n"
    return document.replace(before, written) if before else document + written


def markdown(sections: list[Section], took: float, commit: str, others: str = "") -> str:
    """The whole document; `commit` was measured, `others` are sections that other benchmarks wrote."""
    goals = [goal for section in sections for goal in section.goals]
    text = [
        "# Benchmark results",
        "",
        "Written by `make bench`; measured figures only. What pipelines cost is in PIPELINES.md. " + machine(),
        (
            f"Measured: commit {commit or 'unknown'}, in {took / 60:.1f} minutes. Walls are medians; CPU is the server "
            "process's, from `/proc/PID/stat`."
        ),
        "",
        "| goal | wanted | found | |",
        "|---|---|---|---|",
        *(
            f"| {what} | {wanted} | {found} | {'reached' if reached else '**missed**'} |"
            for what, wanted, found, reached in goals
        ),
        "",
    ]
    for section in sections:
        text += [f"## {section.title}", "", *section.lines]
    return "\n".join(text).rstrip() + "\n" + others
