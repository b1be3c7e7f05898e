"""Readers of the answers whose entries are not rows as they stand.

Pure: pages in, rows out. Whatever a reader makes of an answer, each label set comes out of it once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from typing import Any

from exporter.insights.payloads import (
    Column,
    Number,
    Reading,
    Row,
    Unreadable,
    entries,
    number,
    read_entries,
    read_rows,
    unique,
)
from exporter.insights.questions import Question

MOST_TESTS = 100
"""How many tests are kept by name of one answer: as many as a project can want to see."""
LONGEST_LABEL = 1_000
BUCKETS = {"daily": 86_400.0, "hourly": 3_600.0}
"""Length in seconds of the buckets of each granularity."""

_UNIQUE = ("workflow_name", "job_name", "?classname", "test_name")
_NAMES_OF_TESTS = ("classname", "test_name")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for in an answer: the list at `rows`, the labels at `keys`, the numbers of `columns`.

    `now` is the time of the answer in Unix seconds.
    """

    question: Question
    now: float
    rows: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]


Reader = Callable[[Sequence[object], Asked], Reading]
"""Makes rows of an answer's pages. Raises PayloadError for an answer that is not to be believed at all."""


def plain(pages: Sequence[object], asked: Asked) -> Reading:
    """Each entry of the list is a row, as it stands."""
    return read_rows(pages, asked.rows, asked.keys, asked.columns)


def distinct(pages: Sequence[object], asked: Asked) -> Reading:
    """Each entry of a list of texts is a row, once: a list may name something twice."""
    path, reading = asked.rows.lstrip("?"), Reading()
    for page in pages:
        reading.add([{path: entry} for entry in entries(page, asked.rows)], (path,), asked.columns)
    reading.rows = list(dict(reading.rows).items())
    return reading


def snake_case(reader: Reader) -> Reader:
    """Let a reader see keys with underscores where the answer may have hyphens.

    CircleCI documents `times-flaked` and sends `times_flaked`; where both stand, what it sends wins.
    """

    def read(pages: Sequence[object], asked: Asked) -> Reading:
        return reader([_respelt(page) for page in pages], asked)

    return read


def flakes(pages: Sequence[object], asked: Asked) -> Reading:
    """Sums over the unique tests of each label set.

    The answer has one entry for each workflow, job, class and test, which says how often the test flaked in all. Where
    it had one for each flake, each would say the same: so the largest number counts, and no test counts twice.
    """
    reading = read_entries(pages, asked.rows, _UNIQUE, asked.columns)
    tests: dict[tuple[str, ...], list[Number | None]] = {}
    for labels, values in reading.rows:
        merged = tests.setdefault(labels, [None] * len(values))
        merged[:] = [_larger(one, other) for one, other in zip(merged, values, strict=True)]
    places = [_UNIQUE.index(key) for key in asked.keys]
    sums: dict[tuple[str, ...], list[Number | None]] = {}
    for labels, largest in tests.items():
        total = sums.setdefault(bounded_tests(asked.keys, [labels[place] for place in places]), [None] * len(largest))
        total[:] = [_sum(one, other) for one, other in zip(total, largest, strict=True)]
    paths = [column.path for column in asked.columns]
    reading.rows = [
        (labels, tuple(_finite(value, path, reading) for path, value in zip(paths, total, strict=True)))
        for labels, total in sums.items()
    ]
    return reading


def worst(reader: Reader) -> Reader:
    """Put a reader's rows in order, the largest first number first, and keep the first hundred."""

    def read(pages: Sequence[object], asked: Asked) -> Reading:
        reading = reader(pages, asked)
        reading.rows = _descending(reading.rows, 0)[:MOST_TESTS]
        return reading

    return read


def tests(pages: Sequence[object], asked: Asked) -> Reading:
    """The most failed and the slowest tests in turn, the worst first, each test once.

    Tests of one name in one job and class are told apart by their file alone, which is no label: the
    worse of them stands for all.
    """
    paths = [column.path for column in asked.columns]
    most_failed, failed_unread = _list(pages, "most_failed_tests", asked, paths.index("failed_runs"))
    slowest, slowest_unread = _list(pages, "slowest_tests", asked, paths.index("p95_duration"))
    rows: dict[tuple[str, ...], tuple[Number | None, ...]] = {}
    for pair in zip_longest(most_failed, slowest):
        for labels, values in filter(None, pair):
            rows.setdefault(bounded_tests(asked.keys, labels), values)
    return Reading(list(rows.items())[:MOST_TESTS], failed_unread | slowest_unread)


def newest_bucket(pages: Sequence[object], asked: Asked) -> Reading:
    """Of each job the newest bucket that has ended; what is still being filled says nothing yet."""
    reading = read_entries(pages, asked.rows, asked.keys, asked.columns)
    length = BUCKETS[asked.question.granularity]
    place = [column.path for column in asked.columns].index("timestamp")
    unique(((*labels, str(values[place])), values) for labels, values in reading.rows)
    ended = [
        (labels, values)
        for labels, values in reading.rows
        if (start := values[place]) is not None and start + length <= asked.now
    ]
    reading.rows = list(dict(sorted(ended, key=lambda row: row[1][place] or 0)).items())
    return reading


def bounded(text: str) -> str:
    """A text that is not too long for a label; one that is cut ends in a digest, so that two stay two."""
    if len(text) <= LONGEST_LABEL:
        return text
    digest = blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: LONGEST_LABEL - len(digest) - 1]}…{digest}"


def bounded_tests(keys: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """The labels with the names of tests bounded; those of workflows and jobs stay as other metrics spell them."""
    return tuple(
        bounded(label) if key.lstrip("?") in _NAMES_OF_TESTS else label for key, label in zip(keys, labels, strict=True)
    )


def _respelt(page: object) -> object:
    """The page with underscores in its own keys and in those of the entries of its lists."""
    if not isinstance(page, dict):
        return page
    return {
        key: [_underscored(entry) for entry in value] if isinstance(value, list) else value
        for key, value in _underscored(page).items()
    }


def _underscored(entry: Any) -> Any:  # noqa: ANN401  whatever JSON may hold
    if not isinstance(entry, dict):
        return entry
    return {key.replace("-", "_"): value for key, value in entry.items() if "-" in key} | {
        key: value for key, value in entry.items() if "-" not in key
    }


def _list(pages: Sequence[object], rows: str, asked: Asked, place: int) -> tuple[list[Row], Counter[str]]:
    """The rows of one list, which may be absent, by the number at a place, the largest first."""
    reading = read_entries(pages, f"?{rows}", asked.keys, asked.columns)
    return _descending(reading.rows, place), reading.unread


def _descending(rows: Iterable[Row], place: int) -> list[Row]:
    """By one number, those without it last, and by the labels where it is the same."""

    def order(row: Row) -> tuple[float, tuple[str, ...]]:
        labels, values = row
        value = values[place]
        return (math.inf if value is None else -value), labels

    return sorted(rows, key=order)


def _larger(one: Number | None, other: Number | None) -> Number | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _sum(one: Number | None, other: Number | None) -> Number | None:
    if one is None or other is None:
        return other if one is None else one
    try:
        return one + other
    except OverflowError:  # an integer beyond a float's range
        return math.inf


def _finite(total: Number | None, path: str, reading: Reading) -> Number | None:
    """A sum as a number that can be shown and stored; one that is not finite is unreadable, and counted."""
    try:
        return number(total)
    except Unreadable:
        reading.unread[path] += 1
        return None
