"""Facts of projects as they stand in columns. What is damaged raises an exception of whatever kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from sys import intern
from typing import Any

from pydantic import ValidationError

from exporter.counting.ledger import Ledger
from exporter.insights.questions import Params, Question, shared
from exporter.knowledge.snapshots import Facts, Outcome, Part
from exporter.runs.live import Live
from exporter.state.documents import Reader, document, parse

_FACTS = Reader[Facts](Facts)
_OUTCOME = Reader[Outcome](Outcome)
_PARAMS = Reader[Params](Params)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the file holds of one project. Times are Unix seconds."""

    slug: str
    facts: Facts | None
    parts: Mapping[Question, Part]
    outcomes: Mapping[str, Outcome]
    polled_at: float | None
    ledger: Ledger | None = None
    live: Live | None = None


def write_question(question: Question) -> str:
    """A question as the key of its part."""
    return document([question.collector, question.endpoint, question.slug, question.workflow, question.params])


def read_question(written: object) -> Question:
    """The question of a part."""
    collector, endpoint, slug, workflow, params = parse(written)
    known = _params(tuple([tuple(each) if isinstance(each, list) else each for each in params]))
    return Question(intern(collector), intern(endpoint), intern(slug), intern(workflow), known)  # few texts of many


def read_facts(written: object) -> Facts | None:
    """A project's facts; None also where this version needs more than was written."""
    return None if written is None else _known(_FACTS, parse(written))


def read_outcomes(written: object) -> dict[str, Outcome]:
    """Outcomes by collector, without those of which this version needs more than was written."""
    read = {collector: _known(_OUTCOME, document) for collector, document in parse(written).items()}
    return {collector: outcome for collector, outcome in read.items() if outcome is not None}


def label(value: object) -> str:
    """A text that has an encoding."""
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def moment(value: object) -> float:
    """A finite number."""
    if not isinstance(value, int | float) or not isfinite(value):
        raise ValueError
    return value


@lru_cache(maxsize=4096)
def _params(found: tuple[object, ...]) -> Params:
    return shared(_PARAMS.read(found))


def _known(reader: Reader[Any], document: object) -> Any:  # noqa: ANN401  what the reader makes
    try:
        return reader.read(document)
    except ValidationError as error:
        if all(found["type"] == "missing" for found in error.errors()):
            return None
        raise
