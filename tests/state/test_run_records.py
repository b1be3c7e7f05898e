from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.runs.ledger import BranchCounters, Ledger, Newest, Tally, WorkflowLedger
from exporter.state import run_records
from exporter.state.documents import document

NUMBERS = st.integers(0, 2**60) | st.floats(0, 1e15)
TALLIES = st.builds(
    Tally,
    st.lists(st.integers(0, 2**60), min_size=1, max_size=4).map(tuple),
    st.dictionaries(st.text(), st.integers(0)),
    NUMBERS,
    NUMBERS,
)
NEWEST = st.none() | st.builds(Newest, NUMBERS, st.integers(0), st.integers(-(2**63), 2**63 - 1), st.none() | NUMBERS)
SERIES = st.builds(BranchCounters, TALLIES, st.integers(0), st.none() | TALLIES, st.booleans(), NEWEST, NEWEST)
WORKFLOWS = st.builds(
    WorkflowLedger,
    st.integers(0),
    st.integers(0),
    st.booleans(),
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | st.integers(0),
    st.none() | NUMBERS,
    st.dictionaries(st.text(), SERIES, max_size=3),
)
LEDGERS = st.builds(
    Ledger,
    st.integers(0),
    NUMBERS,
    st.lists(NUMBERS).map(tuple),
    st.dictionaries(st.text(), WORKFLOWS, max_size=3),
    st.lists(st.text()).map(tuple),
)


@given(LEDGERS)
def test_a_ledger_is_read_as_it_was_written(ledger: Ledger) -> None:
    written = {name: document(workflow) for name, workflow in ledger.workflows.items()}
    workflows = {name: run_records.read_workflow(each) for name, each in written.items()}
    assert run_records.read_ledger(run_records.write_ledger(ledger), workflows) == ledger


def test_a_ledger_is_written_without_its_workflows() -> None:
    ledger = Ledger(1, 2.0, (3.0,), {"build": WorkflowLedger(1)}, ("lost",))
    assert run_records.read_ledger(run_records.write_ledger(ledger), {}) == replace(ledger, workflows={})
