"""Figures of several turns, of this version and of the one before: the median, the spread, and what became worse."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from statistics import median
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, TypeVar

from benchmarks.programs import ROOT
from benchmarks.report import Section, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Write = Callable[[float], str]
T = TypeVar("T")
WORTH_A_WORD = 0.01
"""What always has the same figure has no spread; a line more in a scrape is no regression."""
ALONE = 0.1
"""The same where one turn tells no spread."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in some turns; the less, the better. `before` is empty where it could not be measured."""

    name: str
    write: Write
    now: tuple[float, ...]
    before: tuple[float, ...]

    @property
    def worse(self) -> bool:
        """Whether each turn of now is worse than each of before, and by more than is worth a word."""
        margin = WORTH_A_WORD if len(self.now) > 1 else ALONE
        return bool(self.before) and min(self.now) > max(self.before) * (1 + margin)

    @property
    def row(self) -> tuple[str, str, str, str]:
        """Name, before, now, change of the median."""
        if not self.before:
            return self.name, "not measurable", spread(self.now, self.write), ""
        change = f"{median(self.now) / median(self.before) - 1:+.0%}" if median(self.before) else ""
        return self.name, spread(self.before, self.write), spread(self.now, self.write), change


@dataclass(slots=True)
class Compared:
    """All figures; `before` is the folder of the version before, or None."""

    before: Path | None = None
    commit: str = ""
    figures: list[Figure] = field(default_factory=list)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders of both versions, or of this one."""
        return (ROOT, self.before) if self.before else (ROOT,)

    def turns(self, count: int, measure: Callable[[Path], T]) -> dict[Path, list[T]]:
        """Measure both versions in turn, so that whatever else the machine does meets both.

        The version before is left out from its first failure on: it may lack what is measured.
        """
        found: dict[Path, list[T]] = {root: [] for root in self.roots}
        failed = False
        for _ in range(count):
            for root in self.roots:
                if failed and root != ROOT:
                    continue
                try:
                    found[root].append(measure(root))
                except (CalledProcessError, RuntimeError, OSError) as error:
                    if root == ROOT:
                        raise
                    print(f"bench: the version before cannot be measured: {error}", file=sys.stderr)
                    failed = True
        return found

    def add_each(
        self, names: Mapping[str, str], write: Write, found: Mapping[Path, Sequence[Mapping[str, list[float]]]]
    ) -> None:
        """Note figures of programs that print several turns each: their names by the keys under which they print."""
        for key, name in names.items():
            now, before = found[ROOT], found.get(self.before, []) if self.before else []
            turns = [tuple(value for printed in version for value in printed.get(key, ())) for version in (now, before)]
            self.figures.append(Figure(name, write, *turns))

    def add(self, name: str, write: Write, found: Mapping[Path, Sequence[T]], value: Callable[[T], float]) -> None:
        """Note one figure of the turns."""
        before = found.get(self.before, []) if self.before else []
        self.figures.append(Figure(name, write, tuple(map(value, found[ROOT])), tuple(map(value, before))))

    def report(self) -> Section:
        """A table of all figures."""
        section = Section("Beside the version before")
        if not self.before:
            section.say("No version before was given or found.")
        rows: Sequence[tuple[str, ...]] = [figure.row for figure in self.figures]
        section.say(
            f"Medians of turns, with the least and the most. The version before is commit {self.commit[:7] or '-'}, "
            "measured in the same run, turn about."
        )
        section.table(("", "before", "now", "change"), rows)
        worse = [figure.name for figure in self.figures if figure.worse]
        section.say(f"Worse beyond the spread: {'; '.join(worse) or 'nothing'}.")
        section.goal("regressions beyond the spread", "none", "; ".join(worse) or "none", reached=not worse)
        return section
