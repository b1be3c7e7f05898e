"""The reference of all metrics, generated from the tables that produce them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter import __version__, families
from exporter.collectors import COLLECTORS, NAMES
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.families import Family

Entry = dict[str, str | list[str]]


def rows() -> list[Entry]:
    """Every family: name, type, labels, help, the collector it belongs to, and the field it comes from."""
    return [*_collected(), *_own()]


def markdown() -> str:
    """The same as tables, one a collector."""
    sections: dict[str, list[str]] = {}
    for row in rows():
        labels = ", ".join(f"`{label}`" for label in row["labels"])
        field = f" `{row['field']}`" if row["field"] else ""
        sections.setdefault(str(row["collector"]), []).append(
            f"| `{row['name']}` | {row['type']} | {labels} | {row['help']}{field} |"
        )
    head = "| metric | type | labels | meaning, and the field it comes from |\n|---|---|---|---|\n"
    return "\n".join(f"### {name}\n\n{head}" + "\n".join(lines) + "\n" for name, lines in sections.items())


def _collected() -> Iterator[Entry]:
    for family, labels in (
        (families.PROJECT_INFO, ["project", "slug", "project_name", "organization", "provider", "default_branch"]),
        (families.DEFAULT_BRANCH, ["project", "branch"]),
    ):
        yield _entry(family, labels, "every project")
    for collector in COLLECTORS.values():
        for table in collector.tables:
            for family in table.families:
                yield _entry(family, list(table.labels), f"collector {collector.name}")


def _own() -> Iterator[Entry]:
    about = "the exporter itself"
    for family in families.OWN:
        labels = ["project", "reason"] if family is families.DROPPED_SERIES else ["project", "collector"]
        yield _entry(family, labels, about)
    for name, kind, text, names in Telemetry(__version__, NAMES).described():
        yield {"name": name, "type": kind, "labels": names, "help": text, "collector": about, "field": ""}


def _entry(family: Family, labels: list[str], collector: str) -> Entry:
    return {
        "name": family.name,
        "type": family.kind,
        "labels": labels,
        "help": family.help,
        "collector": collector,
        "field": family.path,
    }
