"""Facts as they stand in columns: JSON that another version of the exporter reads as far as it knows it."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Facts, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.knowledge.snapshots import Part
    from exporter.runs import Ledger

Record = TypeVar("Record", Facts, Outcome)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the file holds of one project."""

    slug: str
    facts: Facts | None
    parts: Mapping[Question, Part]
    outcomes: Mapping[str, Outcome]
    polled_at: float | None
    ledger: Ledger | None = None


def text(value: object) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))


def write_question(question: Question) -> str:
    """A question as the key of its part."""
    return text([question.collector, question.endpoint, question.slug, question.workflow, question.params])


def read_question(written: str) -> Question:
    """The question of a part."""
    collector, endpoint, slug, workflow, params = json.loads(written)
    return Question(collector, endpoint, slug, workflow, tuple((key, value) for key, value in params))


def write_facts(facts: Facts | None) -> str | None:
    """A project's facts, or NULL."""
    return None if facts is None else text(asdict(facts))


def read_facts(written: str | None) -> Facts | None:
    """A project's facts; None also where this version needs more than was written."""
    return None if written is None else _record(Facts, json.loads(written))


def write_outcomes(outcomes: Mapping[str, Outcome]) -> str:
    """Outcomes by collector."""
    return text({collector: asdict(outcome) for collector, outcome in outcomes.items()})


def read_outcomes(written: str) -> dict[str, Outcome]:
    """Outcomes by collector, without those of which this version needs more than was written."""
    read = {collector: _record(Outcome, document) for collector, document in json.loads(written).items()}
    return {collector: outcome for collector, outcome in read.items() if outcome is not None}


def _record(kind: type[Record], document: dict[str, Any]) -> Record | None:
    known = {field.name: field for field in fields(kind)}
    if any(field.default is MISSING and name not in document for name, field in known.items()):
        return None
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items() if name in known
    }
    return kind(**values)
