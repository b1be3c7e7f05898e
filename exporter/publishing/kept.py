"""Lines that were shown, kept for the next start, still compressed.

Pure. Each section has a digest of what it was made from. One that would be made from something else by now is rendered
as if nothing had been kept. Where nothing at all has changed, all of them can be shown before anything is read.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from exporter.config import Project
from exporter.insights import run_families
from exporter.insights.questions import Question
from exporter.knowledge.packing import fingerprint
from exporter.publishing.blocks import BLOCK, Block
from exporter.publishing.family_blocks import FamilyBlocks
from exporter.publishing.rendering import FAMILIES
from exporter.publishing.sections import Section, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.knowledge.snapshots import Snapshot
    from exporter.publishing.rendering import Publication
    from exporter.publishing.sections import Basis

    Families = Mapping[str, FamilyBlocks]

_COUNTED = frozenset(family.name for family in (*run_families.RUNS, *run_families.LIVE))
"""Families that are not kept: few samples, which change all the time and may have exemplars."""
_DIGEST = 16
STARTING = 60.0
"""Seconds that a start may take to read everything."""


class KeptSection(Section):
    """A section of an earlier process: of its basis there is only a digest, or none where some lines were cut."""

    __slots__ = ()

    @property
    def digest(self) -> bytes:
        (digest,) = self.basis
        return cast("bytes", digest)

    def stands(self, basis: Basis, room: int) -> bool:
        return self.series <= room and self.digest == digest(basis)


class Origin(NamedTuple):
    """What all lines of a moment were made from.

    The number of the state's newest commit, what tells the settings from others, and the time, in Unix seconds.
    """

    commit: int
    settings: str
    at: float

    def same(self, other: Origin) -> bool:
        """Whether the same would be made from both, but for what is too old."""
        return self.commit == other.commit and self.settings == other.settings


class Whole(NamedTuple):
    """That nothing but the lines was shown, and until when they are young enough, in Unix seconds.

    They were of so many `projects`, and so many `series` by collector.
    """

    origin: Origin
    until: float | None
    projects: int
    series: Mapping[str, int]

    def holds(self, origin: Origin) -> bool:
        """Whether the same would be made from what there is now, and still after a start of some length."""
        return (
            self.origin.same(origin)
            and self.origin.at <= origin.at
            and (self.until is None or origin.at + STARTING < self.until)
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What a process showed, at one moment.

    `slots` and `sections` are by project slug, the sections then by name. `rows` are fingerprints of rows that it could
    read. `whole` is None where it showed something else beside, or where these lines may not be those of one moment.
    """

    slots: Mapping[str, int] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, KeptSection]] = field(default_factory=dict)
    families: Mapping[str, FamilyBlocks] = field(default_factory=dict)
    rows: frozenset[bytes] = frozenset()
    whole: Whole | None = None


NOTHING = Kept()


def digest(basis: Basis) -> bytes:
    """A digest of all that a section is made from: of its text, and of the rows behind it."""
    text = repr([_distinct(each) for each in basis])
    return sha256(b"\n".join((text.encode(), *[each for each in basis if isinstance(each, bytes)]))).digest()[:_DIGEST]


def _distinct(value: object) -> object:
    """What tells a value from every other; of rows only how many bytes of those behind the text they are."""
    if isinstance(value, bytes):
        return (len(value),)
    if isinstance(value, Question):  # without the names of its fields
        return tuple(value)
    return _settings(value) if isinstance(value, Project) else value


@lru_cache(maxsize=1)  # all sections of a project ask for them, one after another
def _settings(project: Project) -> str:
    return project.model_dump_json(warnings=False)


def kept(
    slots: Mapping[str, int],
    published: Sequence[tuple[Snapshot, Publication]],
    families: Families,
    whole: Whole | None = None,
) -> Kept:
    """What is shown now; `whole` says how much, where it is of one moment."""
    sections, rows, until = {}, set[bytes](), []
    for snapshot, publication in published:
        if publication.expires_at is not None:
            until.append(publication.expires_at)
        if snapshot.ledger is not None or any(publication.dropped.values()):  # such lines change at a start
            whole = None
        sections[snapshot.project.slug] = dict(_sections(publication))
        for question, part in snapshot.parts.items():
            rows.update(fingerprint(each, question.collector) for each in (part.rows, part.previous) if each)
    return Kept(
        {slug: slots[slug] for slug in sections},
        sections,
        {name: known for name, known in families.items() if name not in _COUNTED},
        frozenset(rows),
        whole and whole._replace(until=min(until, default=None)),
    )


def written(lines: Kept) -> list[bytes]:
    """Them as bytes, in pieces: a line of JSON, the fingerprints, the blocks."""
    sets = list({each.families for sections in lines.sections.values() for each in sections.values()})
    places = {families: place for place, families in enumerate(sets)}
    head = {
        "slots": lines.slots,
        "sets": [sorted(families) for families in sets],
        "sections": {
            slug: {name: [each.digest.hex(), each.series, places[each.families]] for name, each in sections.items()}
            for slug, sections in lines.sections.items()
        },
        "rows": len(lines.rows),
        "whole": lines.whole,
        "families": {name: [len(each.deflated) for each in known.blocks] for name, known in lines.families.items()},
    }
    blocks = [piece for known in lines.families.values() for block in known.blocks for piece in _pieces(block)]
    return [json.dumps(head, separators=(",", ":")).encode(), b"\n", *lines.rows, *blocks]


def read(data: BinaryIO) -> Kept:
    """What `written` wrote. Damage raises whatever it raises."""
    head = json.loads(data.readline())
    known = data.read(_DIGEST * head["rows"])
    rows = frozenset([known[start : start + _DIGEST] for start in range(0, len(known), _DIGEST)])
    families = {
        name: FamilyBlocks(FAMILIES[name], tuple([_block(data, size) for size in sizes]))
        for name, sizes in head["families"].items()
    }
    sets = [names(frozenset(families)) for families in head["sets"]]
    sections = {
        slug: {name: _section(made_from, series, sets[place]) for name, (made_from, series, place) in each.items()}
        for slug, each in head["sections"].items()
    }
    slots = head["slots"]
    if not (
        slots.keys() == sections.keys()
        and len(set(slots.values())) == len(slots)
        and all(type(slot) is int and slot >= 0 for slot in slots.values())
        and FAMILIES.keys() >= frozenset().union(*sets)
    ):
        raise ValueError("its parts do not belong together")
    return Kept(slots, sections, families, rows, head["whole"] and _whole(*head["whole"]))


def _sections(publication: Publication) -> Iterator[tuple[str, KeptSection]]:
    """Those of a project that are kept."""
    for name, section in publication.sections.items():
        if section.families and section.families.isdisjoint(_COUNTED):
            made_from = b"" if section.cut else digest(section.basis)
            yield name, KeptSection((made_from,), 0, section.series, 0, section.families)


def _whole(origin: Any, until: Any, projects: Any, series: Any) -> Whole:  # noqa: ANN401  JSON
    commit, settings, at = origin
    numbers = (commit, projects, *series.values())
    if type(settings) is not str or not all(type(each) is int for each in numbers):
        raise TypeError
    return Whole(Origin(commit, settings, float(at)), until if until is None else float(until), projects, series)


def _section(made_from: str, series: int, families: frozenset[str]) -> KeptSection:
    if type(series) is not int:
        raise TypeError
    return KeptSection((bytes.fromhex(made_from),), 0, series, 0, families)


def _pieces(block: Block) -> tuple[bytes, ...]:
    numbers = (array("I", (block.small,)), block.lengths, block.crcs, block.sizes)
    return (*[each.tobytes() for each in numbers], block.firsts, block.deflated)


def _block(data: BinaryIO, size: int) -> Block:
    (small,), lengths, crcs, sizes = (array("I", data.read(4 * count)) for count in (1, BLOCK, 2 * BLOCK, 2 * BLOCK))
    firsts = data.read(BLOCK)
    return Block(data.read(size), firsts, lengths, small, crcs, sizes)
