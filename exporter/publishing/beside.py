"""Families that belong to no project: written with their headers and compressed when they change, joined by scrapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.formats.deflate import NOTHING, Fragment, fragment
from exporter.formats.exposition import header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.insights.family import Family


@dataclass(frozen=True, slots=True)
class Beside:
    """Whole families in each format; they have no exemplars, so that only their headers differ."""

    text: Fragment = NOTHING
    openmetrics: Fragment = NOTHING


def beside(families: Sequence[tuple[Family, str]]) -> Beside:
    """Publish families with their sample lines."""
    text, openmetrics = (
        fragment(b"".join([header(family, openmetrics=form) + lines.encode() for family, lines in families]))
        for form in (False, True)
    )
    return Beside(text, openmetrics)
