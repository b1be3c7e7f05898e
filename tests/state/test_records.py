from __future__ import annotations

import json
from dataclasses import replace

import pytest

from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Outcome
from exporter.state import records
from exporter.state.documents import document
from tests.knowledge.samples import FACTS
from tests.state.making import known

OUTCOMES = {
    "workflows": Outcome(success=True, duration=1.5, finished_at=2.0, last_success=2.0),
    "jobs": Outcome(success=False, duration=0.1, finished_at=2.0, error='no "such" thing', reason="not_found"),
}


@pytest.mark.parametrize(
    "question",
    [
        Question("workflows", "/insights/{slug}/workflows", "gh/acme/web"),
        Question(
            "jobs", "/insights/{slug}/workflows/{workflow}/jobs", "gh/acme/web", "büild ✓", (("a", "b"), ("c", ""))
        ),
    ],
)
def test_a_question_is_read_as_it_was_written(question: Question) -> None:
    assert records.read_question(records.write_question(question)) == question


def test_facts_are_read_as_they_were_written() -> None:
    facts = replace(FACTS, branches=("main", "release/1"), branches_asked_at=5.0)
    assert records.read_facts(document(facts)) == facts
    assert records.read_facts(None) is None


def test_outcomes_are_read_as_they_were_written() -> None:
    assert records.read_outcomes(document(OUTCOMES)) == OUTCOMES


def test_what_another_version_wrote_is_read_as_far_as_it_is_known() -> None:
    written = json.loads(document(known().facts))
    assert records.read_facts(json.dumps(written | {"stars": 5})) == FACTS
    del written["branches"]
    assert records.read_facts(json.dumps(written)) == FACTS
    del written["provider"]
    assert records.read_facts(json.dumps(written)) is None
    assert records.read_outcomes('{"workflows": {"success": true}}') == {}


def test_questions_that_are_read_share_what_they_have_in_common() -> None:
    first, second = (
        records.read_question(
            records.write_question(Question("jobs", "/jobs", "gh/acme/web", name, (("branch", "main"),)))
        )
        for name in ("build", "deploy")
    )
    assert first.params is second.params
    assert (first.collector is second.collector, first.slug is second.slug) == (True, True)
