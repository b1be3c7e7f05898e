"""Numbers as a person reads them. Everything here takes plain values and gives text; `None` gives an en dash."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "\N{EN DASH}"

_UNITS = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_DAY = 86_400
# Beyond it digits are no help to anybody, and there could be three hundred of them.
_ABSURD = 1e15
_LATEST = 253_402_300_799  # the end of the year 9999, where datetime ends


def duration(seconds: float | None) -> str:
    """Write a span of seconds in its two largest units: `3m 20s`, `2d 4h`, `0.4s`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 10:  # noqa: PLR2004  below it a tenth still matters
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    return f"{seconds:.2g}s" if seconds >= _ABSURD else _two_units(round(seconds))


def _two_units(seconds: int) -> str:
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:,}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def rough(seconds: float | None) -> str:
    """Write a span in its largest unit alone, as ages are told: `3m`, `2d`."""
    return duration(seconds).split(" ")[0]


def age(moment: float | None, now: float) -> str:
    """Write how old a moment is: `3m`, and `0s` where it is in the future."""
    return NOTHING if moment is None else rough(round(max(0.0, now - moment)))


def ago(moment: float | None, now: float) -> str:
    """Say how long ago a moment was: `3m ago`."""
    if moment is None:
        return "never"
    return "just now" if now - moment < 1 else f"{age(moment, now)} ago"


def ahead(moment: float | None, now: float) -> str:
    """Say when a moment will be: `in 12m`, `now`, `late by 3m`."""
    if moment is None:
        return NOTHING
    wait = moment - now
    if wait >= 1:
        return f"in {rough(round(wait))}"
    # A poll that is due starts within moments; lateness is worth a word when it lasts.
    return "now" if wait > -10 else f"late by {rough(round(-wait))}"  # noqa: PLR2004


def percent(ratio: float | None) -> str:
    """Write a ratio as a percentage. Only a true 0 and a true 1 read `0%` and `100%`."""
    if ratio is None or not math.isfinite(ratio):
        return NOTHING
    if 0 < ratio < 0.001:  # noqa: PLR2004  what would round to 0.0
        return "< 0.1%"
    if 0.999 < ratio < 1:  # noqa: PLR2004  what would round to 100.0
        return "> 99.9%"
    return f"{ratio * 100:.1f}".removesuffix(".0") + "%"


def count(number: float | None) -> str:
    """Write a count with thousands apart: `12,345`."""
    if number is None or not math.isfinite(number):
        return NOTHING
    if abs(number) >= _ABSURD:
        return f"{number:.2g}"
    return f"{number:,.0f}" if number == round(number) else f"{number:,.1f}"


def day(moment: float, now: float) -> str:
    """Write the day that begins at some Unix seconds: `Yesterday`, or as `2026-11-24`."""
    return "Yesterday" if moment // _DAY + 1 == now // _DAY else instant(moment)[:10]


def instant(moment: float | None) -> str:
    """Write Unix seconds as `2026-11-24 08:31:02 UTC`."""
    if moment is None or not 0 <= moment <= _LATEST:
        return NOTHING
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
