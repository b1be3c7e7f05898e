"""Cells: shown at 0 for a while before they rise, and exact whatever comes when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.counting.cells import (
    Cell,
    CellBook,
    Cells,
    Distribution,
    Exemplar,
    Key,
    Value,
    empty,
    has_risen,
    hold_of,
    total,
    zero_of,
)

BOUNDS = (1.0, 10.0)
A, B = Key("runs", ("a",)), Key("seconds", ("b",))


def book(cells: dict[Key, Cell], now: float, hold: float = 60.0) -> CellBook:
    return CellBook(Cells.of(cells), now, hold)


def cells_of(found: CellBook) -> dict[Key, Cell]:
    return dict(found.closed().values)


@pytest.mark.parametrize(("interval", "held_for"), [(10.0, 10.0), (60.0, 60.0), (300.0, 60.0)])
def test_a_new_series_is_shown_at_0_for_an_interval_at_most_a_minute(interval: float, held_for: float) -> None:
    assert hold_of(interval) == held_for


def test_a_series_is_shown_at_0_before_it_rises() -> None:
    first = book({}, 100.0)
    first.add(A, 3)
    assert first.closed() == Cells({A: Cell(0, 100.0, 100.0, held=3)}, frozenset({A}))
    assert first.closed().rises_at(60.0) == 160.0
    early = book(cells_of(first), 159.0)
    early.release()
    assert early.changed == {}
    late = book(cells_of(first), 160.0)
    late.release()
    assert late.closed() == Cells({A: Cell(3, 100.0, 100.0)})
    assert late.closed().rises_at(60.0) is None


def test_a_series_that_was_shown_long_enough_rises_at_once() -> None:
    found = book({A: Cell(5.0, 0.0, 0.0)}, 100.0)
    found.add(A, 2)
    assert found.changed[A] == Cell(7.0, 0.0, 100.0)


def test_what_is_held_back_is_shown_together_with_what_comes_meanwhile() -> None:
    found = book({A: Cell(0.0, 0.0, 0.0, held=1)}, 100.0)
    found.add(A, 1)
    found.release()
    assert cells_of(found)[A].value == 2


def test_a_clock_that_went_back_holds_nothing_back_for_ever() -> None:
    found = book({A: Cell(0.0, 1e9, 0.0, held=1)}, 100.0)
    found.release()
    assert cells_of(found)[A].value == 1


def test_showing_a_series_that_is_there_changes_nothing() -> None:
    found = book({A: Cell(5.0, 0.0, 0.0)}, 100.0)
    found.show(A)
    assert found.changed == {}


def test_what_is_published_is_at_0_since_then_and_what_was_shown_before_stays_as_it_was() -> None:
    found = book({A: Cell(5, 0.0, 0.0)}, 100.0)
    found.show(B, empty(BOUNDS))
    found.add(A, 1)
    published = found.published(found.closed(), 107.0)
    assert {key: cell.born for key, cell in published.values.items()} == {A: 0.0, B: 107.0}


def test_after_a_restart_what_has_not_risen_is_shown_at_0_from_then_on() -> None:
    risen, zero, held = Cell(5, 0.0, 0.0), Cell(empty(BOUNDS), 0.0, 0.0), Cell(4, 0.0, 0.0, held=1)
    anew = Cells.of({A: risen, B: zero, Key("runs", ("c",)): held}).shown_anew(100.0)
    assert [cell.born for cell in anew.values.values()] == [0.0, 100.0, 100.0]
    assert anew.rises_at(60.0) == 160.0


def test_a_series_that_begins_anew_or_goes_holds_nothing_back() -> None:
    found = book({A: Cell(1, 0.0, 0.0, held=1), B: Cell(empty(BOUNDS), 0.0, 0.0, held=empty(BOUNDS))}, 100.0)
    found.drop(A)
    found.begin(B, empty((5.0,)))
    assert found.changed == {A: None, B: Cell(empty((5.0,)), 100.0, 100.0)}
    assert found.closed() == Cells({B: Cell(empty((5.0,)), 100.0, 100.0)})


def test_an_observation_falls_into_the_first_bucket_that_holds_it() -> None:
    found = book({B: Cell(empty(BOUNDS), 0.0, 0.0)}, 100.0)
    for value in (0.5, 1.0, 1.5, 10.5):
        found.add(B, empty(BOUNDS).observed(value))
    assert cells_of(found)[B].value == Distribution(BOUNDS, (2, 1, 1), 13.5)


@pytest.mark.parametrize(
    ("value", "risen"), [(0, False), (0.5, True), (empty(BOUNDS), False), (empty(BOUNDS).observed(0), True)]
)
def test_a_series_has_risen_once_it_is_above_what_it_begins_with(value: Value, risen: bool) -> None:
    assert (has_risen(value), has_risen(zero_of(value))) == (risen, False)
    assert total(value, zero_of(value)) == value


def test_a_counter_and_a_histogram_never_share_a_series() -> None:
    found = book({B: Cell(empty(BOUNDS), 0.0, 0.0)}, 100.0)
    with pytest.raises(TypeError):
        found.add(B, 1)


def test_the_exemplar_of_a_bucket_is_the_run_with_the_greatest_stop() -> None:
    late, early, other = Exemplar("late", 2.0, 50.0), Exemplar("early", 3.0, 40.0), Exemplar("other", 0.5, 1.0)
    found = empty(BOUNDS)
    for exemplar in (early, late, early, other):
        found = found.observed(exemplar.value, exemplar)
    assert found.exemplars == (other, late, None)
    assert (empty(BOUNDS) + found).exemplars == (found + empty(BOUNDS)).exemplars == (other, late, None)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10**9)), max_size=20))
def test_nothing_is_lost_and_nothing_counted_twice(events: list[tuple[int, int]]) -> None:
    cells = Cells()
    now, micros = 1_790_000_000.0, 0
    for wait, amount in events:
        now += wait
        micros += amount
        found = CellBook(cells, now, 60.0)
        found.add(A, amount / 1e6)
        found.release()
        cells = found.closed()
    found = CellBook(cells, now + 60, 60.0)
    found.release()
    assert [cell.value for cell in found.closed().values.values()] == ([micros / 1e6] if events else [])
