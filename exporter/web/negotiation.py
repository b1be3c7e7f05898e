"""What a scraper is sent, by its Accept and Accept-Encoding (RFC 9110, sections 12.5.1 and 12.5.3).

Two formats are served: text 0.0.4 and OpenMetrics 1.0.0. OpenMetrics has to be asked for by name, so a browser or a
plain `*/*` gets text; whoever accepts neither gets text too, as from every exporter. `escaping=` is accepted and
changes nothing: all names here are plain in each of its schemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A quality has at most three decimals; anything else makes its element unusable.
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_OPENMETRICS_VERSIONS = (None, "1.0.0")
_TEXT_VERSIONS = (None, "0.0.4")


class _Element(NamedTuple):
    value: str
    parameters: Mapping[str, str]
    quality: float


def wants_openmetrics(accept: str) -> bool:
    """Say whether OpenMetrics 1.0.0 is preferred to text 0.0.4; of two equals the one named first is."""
    openmetrics = text = None
    text_weight = 0
    for place, element in enumerate(_elements(accept)):
        offer = (element.quality, -place)
        version = element.parameters.get("version")
        if element.value == "application/openmetrics-text":
            if version in _OPENMETRICS_VERSIONS:
                openmetrics = max(openmetrics or offer, offer)
            continue
        weight = _text_weight(element.value, version)
        # The most specific range decides, and of equally specific ones the first.
        if weight > text_weight:
            text, text_weight = offer, weight
    if openmetrics is None or not openmetrics[0]:
        return False
    return text is None or openmetrics > text


def _text_weight(value: str, version: str | None) -> int:
    """How specifically a media range names text 0.0.4; 0 when it does not cover it."""
    if value == "text/plain" and version in _TEXT_VERSIONS:
        return 4 if version else 3
    return {"text/*": 2, "*/*": 1}.get(value, 0)


def wants_gzip(accept_encoding: str) -> bool:
    """Say whether gzip is acceptable and not worse than no coding at all."""
    qualities: dict[str, float] = {}
    for element in _elements(accept_encoding):
        name = "gzip" if element.value == "x-gzip" else element.value
        qualities.setdefault(name, element.quality)
    gzip = qualities.get("gzip", qualities.get("*", 0.0))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _elements(header: str) -> Iterator[_Element]:
    for part in header.split(","):
        value, *rest = (piece.strip() for piece in part.split(";"))
        parameters = {}
        for piece in rest:
            name, _, setting = piece.partition("=")
            parameters[name.strip().lower()] = setting.strip().strip('"')
        quality = parameters.pop("q", "1")
        if value and _QUALITY.fullmatch(quality):
            yield _Element(value.lower(), parameters, float(quality))
