"""What a scrape in text format 0.0.4 says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def label(text: str) -> str:
    """A label's value as it stands in a sample line."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def series(name: str, labels: Mapping[str, str]) -> str:
    """A series as it stands in a sample line, labels in alphabetical order."""
    inside = ",".join(f'{key}="{label(value)}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape: values by series."""

    text: str
    values: dict[str, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lines = [line.rpartition(" ") for line in self.text.splitlines() if line and not line.startswith("#")]
        object.__setattr__(self, "values", {name: float(value) for name, _, value in lines})
        assert len(self.values) == len(lines), "a series came twice"

    def get(self, name: str, **labels: str) -> float | None:
        """The value of the series with exactly these labels; the exporter's own need no prefix."""
        return self.values.get(series(name if name.startswith("circleci_") else f"circleci_exporter_{name}", labels))

    def samples(self, name: str, **labels: str) -> dict[str, float]:
        """The samples of one name that have these labels among others, by their text in braces."""
        wanted = [f'{key}="{label(value)}"' for key, value in labels.items()]
        found = {}
        for head, value in self.values.items():
            if head.startswith(name) and head[len(name) :][:1] in {"", "{"}:
                inside = head[len(name) :]
                if all("{" + pair in inside or "," + pair in inside for pair in wanted):
                    found[inside] = value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The only sample of one name with these labels; None where there is none."""
        found = self.samples(name, **labels)
        assert len(found) <= 1, found
        return next(iter(found.values()), None)

    def of_project(self, project: str, prefix: str = "circleci_insights_") -> dict[str, float]:
        """All series of a project whose names begin like that."""
        mark = f'project="{label(project)}"'
        return {name: value for name, value in self.values.items() if name.startswith(prefix) and mark in name}

    def failures(self, collector: str) -> dict[str, float]:
        """Failed questions of a collector by reason, those that there were."""
        begin = f'circleci_exporter_collector_failures_total{{collector="{collector}",reason="'
        return {
            name.removeprefix(begin).removesuffix('"}'): value
            for name, value in self.values.items()
            if name.startswith(begin) and value
        }
