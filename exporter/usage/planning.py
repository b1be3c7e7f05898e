"""What to do next for an organization's exports: start one, look at one, or wait. Pure.

Moments are Unix seconds of this machine; days are counted by `date.toordinal`, in UTC, by CircleCI's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from exporter.usage.comparing import Reconciled

DAY, HOUR = 86_400.0, 3600.0
CALLS_AN_HOUR = 9
"""Starts, and looks, of one organization within any hour: one less than CircleCI allows."""
TRANSIT = 10.0
"""Seconds by which a call may take longer to arrive than another."""
LOOKS_AFTER = (5.0, 20.0, 60.0, 180.0, 600.0)
"""Seconds from a start to the first looks."""
THEN_EVERY = 600.0
OLDEST_EXPORT = 5 * HOUR
"""Age of an export that is given up: CircleCI gives its query 4 hours."""
FIRST_DAYS, OVERLAP, LONGEST, FURTHEST = 3, 2, 31, 365
"""In days: read at first, read again since rows come late, in one export at most, and back at most."""
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Export:
    """An export under way: days from `first` up to `end`, not included. `looked_at` is when it was last looked at."""

    id: str
    first: int
    end: int
    started_at: float
    looked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the exports of one organization are.

    `id` is its UUID. `newest` is the newest day read, `reached` the day up to which older windows were read, 0 for
    none. `starts` and `looks` are those of the last hour, and a little more. No export starts before `not_before`, and
    nothing is asked before `paused_until`. `exports` is the number of exports that were counted; while the newest of
    them is held back, `before` is the newest day of what is shown. While it is `uncounted`, the job runs of exports are
    remembered and add nothing: which of them were counted is not known any more. While the newest export is still to be
    held against the ledger it is `uncompared`; `reconciled` is what came of it the last time.
    """

    id: str = ""
    newest: int = 0
    reached: int = 0
    export: Export | None = None
    starts: tuple[float, ...] = ()
    looks: tuple[float, ...] = ()
    not_before: float = 0.0
    paused_until: float = 0.0
    exports: int = 0
    before: int = 0
    uncounted: bool = False
    uncompared: bool = False
    reconciled: Reconciled = field(default_factory=Reconciled)


@dataclass(frozen=True, slots=True)
class Start:
    """Start an export of these days; `end` is not included."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the export under way."""


@dataclass(frozen=True, slots=True)
class Wait:
    """There is nothing to do before then; what is then is decided then."""

    until: float


def next_step(progress: Progress, now: float, today: int, *, restarted: bool = False) -> Start | Look | Wait:
    """What to do now; `today` is the day by CircleCI's clock. `restarted` asks for a look at once."""
    if now < progress.paused_until:
        return Wait(progress.paused_until)
    export = progress.export
    if export is not None:
        at = now if restarted else _next_look(export)
        at = max(at, _allowed_at(progress.looks))
        return Look() if at <= now else Wait(at)
    window = window_of(progress, today)
    if window is None:
        return Wait(now + DAY)
    at = max(progress.not_before, _allowed_at(progress.starts))
    return window if at <= now else Wait(at)


def window_of(progress: Progress, today: int) -> Start | None:
    """The days to export next; None once yesterday is read."""
    if progress.newest >= today - 1:
        return None
    first = max(next_first(progress) if progress.newest or progress.reached else today - FIRST_DAYS, today - FURTHEST)
    return Start(first, min(today, first + LONGEST))


def next_first(progress: Progress) -> int:
    """The first day of the next window: what ended before it is in no export to come."""
    return max(progress.newest - OVERLAP, progress.reached)


def starting(progress: Progress, now: float, interval: float) -> Progress:
    """Note a start before it is made."""
    return replace(progress, starts=(*_recent(progress.starts, now), now), not_before=now + interval)


def looking(progress: Progress, now: float) -> Progress:
    """Note a look before it is made."""
    export = progress.export and replace(progress.export, looked_at=now)
    return replace(progress, looks=(*_recent(progress.looks, now), now), export=export)


def given_up(progress: Progress, now: float, interval: float) -> Progress:
    """Note that an export came to nothing: a new one starts after an interval."""
    return replace(progress, export=None, not_before=now + interval)


def too_old(export: Export, now: float) -> bool:
    """Whether an export is to be given up."""
    return now - export.started_at >= OLDEST_EXPORT


def counted(progress: Progress, newest: int, today: int) -> Progress:
    """Note that an export was read to its end; `newest` is the latest day of its rows, 0 without any.

    An empty answer reads nothing, since rows come late. But a window that had to end long before today is over with:
    or an organization that was quiet for a month would stay there for ever.
    """
    export = progress.export
    if export is None:
        return progress
    read = max(progress.newest, min(newest, today - 1))
    reached = max(progress.reached, export.end - OVERLAP) if export.end < today else progress.reached
    # Counters at 0 have all days before the first: so the days between two moments are those of what was added.
    before = progress.newest or (export.first - 1 if read and not progress.uncounted else 0)
    uncounted = progress.uncounted and not read
    after = replace(progress, newest=read, before=before, reached=reached, export=None, uncounted=uncounted)
    return replace(after, uncompared=bool(read))


def believed(progress: Progress, now: float, interval: float) -> Progress:
    """The same with no moment later than it can be: the clock may have been ahead when it was noted."""
    export = progress.export
    return replace(
        progress,
        starts=tuple(min(each, now) for each in progress.starts),
        looks=tuple(min(each, now) for each in progress.looks),
        not_before=min(progress.not_before, now + interval),
        paused_until=min(progress.paused_until, now + DAY),
        export=export
        and replace(
            export,
            started_at=min(export.started_at, now),
            looked_at=None if export.looked_at is None else min(export.looked_at, now),
        ),
    )


def day_of(moment: float) -> int:
    """The day of a moment."""
    return int(moment // DAY) + _EPOCH


def start_of(day: int) -> float:
    """The first moment of a day."""
    return (day - _EPOCH) * DAY


def written(day: int) -> str:
    """The first moment of a day as CircleCI takes it."""
    return f"{datetime.fromtimestamp(start_of(day), UTC):%Y-%m-%dT%H:%M:%SZ}"


def _next_look(export: Export) -> float:
    if export.looked_at is None:
        return export.started_at + LOOKS_AFTER[0]
    age = export.looked_at - export.started_at
    after = next((each for each in LOOKS_AFTER if each > age), None)
    return export.started_at + after if after is not None else export.looked_at + THEN_EVERY


def _allowed_at(calls: tuple[float, ...]) -> float:
    """When one more call is within the limit of an hour."""
    return calls[-CALLS_AN_HOUR] + HOUR + TRANSIT if len(calls) >= CALLS_AN_HOUR else 0.0


def _recent(calls: tuple[float, ...], now: float) -> tuple[float, ...]:
    return tuple(each for each in calls if each > now - HOUR - TRANSIT)
