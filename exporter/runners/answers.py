"""From the runner API's payloads to rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from exporter.errors import PayloadError
from exporter.insights.payloads import Reading, Unreadable, entries, items, number, optional_text, text, timestamp
from exporter.insights.questions import Question
from exporter.runners.families import RUNNING, UNCLAIMED
from exporter.runners.questions import CLASSES_PATH, RUNNERS_PATH, RUNNING_PATH, UNCLAIMED_PATH
from exporter.runs.entries import Entry

CONTACT_WITHIN = 300.0
"""Seconds since its last contact for which a runner is connected: the API never reports one as gone."""
CONNECTED, LOST = "connected", "lost"


def read(question: Question, payload: object, now: float) -> Reading:
    """The rows of an answer; `now` is the API's clock, in Unix seconds. Raises PayloadError where there are none.

    A class of a namespace is a row without numbers. A count is one of the class; where it is null there is no row.
    Runners are counted by class, state and version.
    """
    return _READERS[question.endpoint](question, payload, now)


def _classes(_question: Question, payload: object, _now: float) -> Reading:
    reading = Reading()
    reading.add(items(payload), ("resource_class",), ())
    return reading


def _count(path: str) -> Callable[[Question, object, float], Reading]:
    def read_count(question: Question, payload: object, _now: float) -> Reading:
        (document,) = entries(payload, "")
        if not isinstance(document, dict) or path not in document:
            raise PayloadError(f"the answer has no {path}")
        reading = Reading()
        try:
            value = number(document[path])
        except Unreadable:
            reading.unread[path] += 1
        else:
            reading.rows += [] if value is None else [((question.slug,), (value,))]
        return reading

    return read_count


def _runners(_question: Question, payload: object, now: float) -> Reading:
    reading, counts = Reading(), Counter[tuple[str, str, str]]()

    for document in items(payload):
        entry = Entry(document, reading.unread)
        resource_class, version = entry.may("resource_class", text), entry.may("version", optional_text)
        if resource_class is None or version is None:
            continue
        contact = entry.may("last_connected", timestamp)
        state = CONNECTED if contact is not None and now - contact <= CONTACT_WITHIN else LOST
        counts.update({(resource_class, each, version): int(each == state) for each in (CONNECTED, LOST)})
    by_version = sorted(counts.items(), key=lambda counted: (counted[0][0], counted[0][2], counted[0][1]))
    reading.rows += [(labels, (count,)) for labels, count in by_version]
    return reading


_READERS: dict[str, Callable[[Question, object, float], Reading]] = {
    CLASSES_PATH: _classes,
    UNCLAIMED_PATH: _count(UNCLAIMED.path),
    RUNNING_PATH: _count(RUNNING.path),
    RUNNERS_PATH: _runners,
}
