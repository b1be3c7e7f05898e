"""Sections in groups of label sets: a group that changed is rendered, the lines of the others stay where they stand.

Pure. A look at pipelines changes a few of the hundreds of jobs of a project.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from exporter.publishing.blocks import Splice
from exporter.publishing.sections import FamilyText, Rendered, names, of_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.publishing.sections import Basis, FamilyLines, Room, Section

    Groups = Mapping[tuple[str, ...], Any]
    """What the lines of each group are made from, by its key."""
    Render = Callable[[tuple[str, ...], Any], Iterable[FamilyLines]]


def add_groups(room: Room, name: str, basis: Basis, families: Sequence[str], render: Render) -> Section:
    """Add the groups in which `basis` ends to what a project shows, as a section of these families."""
    known = room.before.get(name)
    return room.add(name, basis, partial(group_section, basis, families, render, known))


def group_section(basis: Basis, families: Sequence[str], render: Render, before: Section | None, room: int) -> Rendered:
    """The lines of the groups that `basis` ends with, in the order of their keys; all of them are in these families.

    Where there is no room for all groups, the first ones are kept, each whole. `before` is what was published last.
    """
    groups = _groups(basis)
    if before is not None and before.order and before.basis[:-1] == basis[:-1]:
        known = _groups(before.basis)
        if known.keys() == groups.keys():
            spliced = _spliced(groups, known, families, render, before)
            if spliced.series <= room:
                return spliced
    order = sorted(groups)
    rows = [list(render(key, groups[key])) for key in order]
    rendered = of_rows(rows, room)
    if rendered.cut:
        return rendered
    sizes = array("I")
    for row in rows:
        sizes.extend(_sizes(row, families))
    return rendered._replace(order=tuple(order), sizes=sizes)


def _spliced(groups: Groups, known: Groups, families: Sequence[str], render: Render, before: Section) -> Rendered:
    """The lines where the groups that changed are rendered anew, between the lines of the others."""
    stride, sizes = 1 + 2 * len(families), before.sizes[:]
    changed = sorted([key for key, value in groups.items() if known[key] is not value and known[key] != value])
    places = [bisect_left(before.order, key) for key in changed]
    rows = [list(render(key, groups[key])) for key in changed]
    for place, row in zip(places, rows, strict=True):
        sizes[place * stride : (place + 1) * stride] = array("I", _sizes(row, families))
    texts = {}
    for number, family in enumerate(families if changed else ()):
        plain, marked = 1 + 2 * number, 2 + 2 * number
        text = Splice(before.sizes[plain::stride], places, [_text(row, family) for row in rows])
        openmetrics = text
        if sizes[plain::stride] != sizes[marked::stride] or before.sizes[plain::stride] != before.sizes[marked::stride]:
            openmetrics = Splice(before.sizes[marked::stride], places, [_marked(row, family) for row in rows])
        texts[family] = FamilyText(text, openmetrics)
    shown = frozenset(family for number, family in enumerate(families) if any(sizes[1 + 2 * number :: stride]))
    return Rendered(sum(sizes[::stride]), 0, names(shown), texts, sizes, before.order)


def _sizes(row: Iterable[FamilyLines], families: Sequence[str]) -> list[int]:
    """How many samples a group has, and for each family its bytes, in text and in OpenMetrics."""
    sizes = [0] * (1 + 2 * len(families))
    for lines in row:
        place = 1 + 2 * families.index(lines.family)
        size = _length(lines.text)
        sizes[0] += lines.samples
        sizes[place] += size
        sizes[place + 1] += size if lines.openmetrics is lines.text else _length(lines.openmetrics)
    return sizes


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _text(row: Iterable[FamilyLines], family: str) -> bytes:
    return "".join([lines.text for lines in row if lines.family == family]).encode()


def _marked(row: Iterable[FamilyLines], family: str) -> bytes:
    return "".join([lines.openmetrics for lines in row if lines.family == family]).encode()


def _groups(basis: Basis) -> Groups:
    return cast("Groups", basis[-1])
