"""The reference of all metrics, generated from the tables that produce them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter import __version__
from exporter.config import parse
from exporter.insights import own_families
from exporter.insights.collectors import COLLECTORS, NAMES, OF_PROJECTS, ORGANIZATIONS, completed
from exporter.insights.family import Family
from exporter.process.sources import SOURCES
from exporter.telemetry import Telemetry
from exporter.web.webhooks import EVENTS, RESULTS

Entry = dict[str, str | list[str]]
SETTINGS = {ORGANIZATIONS: "organizations", **{source.title: source.collector for source in SOURCES}}
"""What is no collector of a project, by the key that turns it on."""


def rows() -> list[Entry]:
    """Every family: name, type, labels, help, its collector, and the payload's field it comes from."""
    return [*_collected(), *_own()]


def markdown() -> str:
    """The same as Markdown tables, one per collector."""
    sections: dict[str, list[Entry]] = {}
    for row in rows():
        sections.setdefault(str(row["collector"]), []).append(row)
    return "\n".join(
        f"### {name[0].upper()}{name[1:]}\n\n{_switched_on(name)}{_table(entries)}"
        for name, entries in sections.items()
    )


def _switched_on(section: str) -> str:
    """What a section's metrics need in the configuration."""
    name = section.removeprefix("collector ")
    if name in SETTINGS:
        return f"Off by default: needs `{SETTINGS[name]}` in the configuration.\n\n"
    if name not in OF_PROJECTS:
        return ""
    if name in parse("projects: [gh/any/project]").projects[0].collectors:
        return "On by default.\n\n"
    adding = [f"`{each}`" for each in OF_PROJECTS if name in completed((each,))]
    return f"Off by default: add {' or '.join(adding)} to `collectors`.\n\n"


def _table(entries: Sequence[Entry]) -> str:
    """One collector's table. Labels that all rows share are above it; empty columns are left out."""
    shared = all(entry["labels"] == entries[0]["labels"] for entry in entries)
    columns = {
        "metric": [f"`{entry['name']}`" for entry in entries],
        "type": [str(entry["type"]) for entry in entries],
        "labels": [] if shared else [_labels(entry) for entry in entries],
        "meaning": [str(entry["help"]) for entry in entries],
        "field": [f"`{entry['field']}`" if entry["field"] else "" for entry in entries],
    }
    filled = {heading: cells for heading, cells in columns.items() if any(cells)}
    lines = [filled.keys(), ["---"] * len(filled), *zip(*filled.values(), strict=True)]
    above = f"Labels: {_labels(entries[0])}.\n\n" if shared else ""
    return above + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _labels(entry: Entry) -> str:
    return ", ".join(f"`{label}`" for label in entry["labels"])


def _collected() -> Iterator[Entry]:
    for family, labels in (
        (own_families.PROJECT_INFO, ["project", "slug", "project_name", "organization", "provider", "default_branch"]),
        (own_families.DEFAULT_BRANCH, ["project", "branch"]),
    ):
        yield _entry(family, labels, "every project")
    for collector in COLLECTORS.values():
        for table in collector.shown:
            for family in table.families:
                yield _entry(family, list(table.labels), f"collector {collector.name}")
    for source in SOURCES:
        for family in source.families:
            yield _entry(family, list(family.labels), source.title)


def _own() -> Iterator[Entry]:
    about = "the exporter itself"
    for family in own_families.OWN:
        yield _entry(family, list(family.labels or ("collector", "project")), about)
    telemetry = Telemetry(__version__, NAMES)
    telemetry.webhooks(EVENTS, RESULTS)
    telemetry.leads()
    for name, kind, text, names in telemetry.described():
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
