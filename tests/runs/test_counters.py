from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.runs.counters import Cell, Distribution, Exemplar, Growth, Key, empty

BOUNDS = (1.0, 10.0)
A, B = Key("runs", ("a",)), Key("seconds", ("b",))


def grown(cells: dict[Key, Cell], now: float, hold: float = 60.0) -> Growth:
    return Growth(cells, [key for key, cell in cells.items() if cell.held is not None], now, hold)


def test_a_series_is_shown_at_0_before_it_rises() -> None:
    first = grown({}, 100.0)
    first.add(A, 3)
    assert first.changed == {A: Cell(0.0, 100.0, 100.0, held=3)}
    early = grown(first.changed, 159.0)
    early.release()
    assert early.changed == {}
    late = grown(first.changed, 160.0)
    late.release()
    assert late.changed == {A: Cell(3.0, 100.0, 100.0)}
    assert late.held == frozenset()


def test_a_series_that_was_shown_long_enough_rises_at_once() -> None:
    growth = grown({A: Cell(5.0, 0.0, 0.0)}, 100.0)
    growth.add(A, 2)
    assert growth.changed[A] == Cell(7.0, 0.0, 100.0)


def test_what_is_held_back_is_shown_together_with_what_comes_meanwhile() -> None:
    growth = grown({A: Cell(0.0, 0.0, 0.0, held=1)}, 100.0)
    growth.add(A, 1)
    growth.release()
    assert growth.changed[A].value == 2


def test_a_clock_that_went_back_holds_nothing_back_for_ever() -> None:
    growth = grown({A: Cell(0.0, 1e9, 0.0, held=1)}, 100.0)
    growth.release()
    assert growth.changed[A].value == 1


def test_showing_a_series_that_is_there_changes_nothing() -> None:
    growth = grown({A: Cell(5.0, 0.0, 0.0)}, 100.0)
    growth.show(A)
    assert growth.changed == {}


def test_an_observation_falls_into_the_first_bucket_that_holds_it() -> None:
    growth = grown({B: Cell(empty(BOUNDS), 0.0, 0.0)}, 100.0)
    for value in (0.5, 1.0, 1.5, 10.5):
        growth.observe(B, BOUNDS, value)
    assert growth.changed[B].value == Distribution((2, 1, 1), 13.5)


def test_the_exemplar_of_a_bucket_is_the_run_with_the_greatest_stop() -> None:
    late, early, other = Exemplar("late", 2.0, 50.0), Exemplar("early", 3.0, 40.0), Exemplar("other", 0.5, 1.0)
    found = empty(BOUNDS)
    for exemplar in (early, late, early, other):
        found = found.observed(BOUNDS, exemplar.value, exemplar)
    assert found.exemplars == (other, late, None)
    assert (empty(BOUNDS) + found).exemplars == (other, late, None)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10**9)), max_size=20))
def test_nothing_is_lost_and_nothing_counted_twice(events: list[tuple[int, int]]) -> None:
    cells: dict[Key, Cell] = {}
    now, micros = 1_790_000_000.0, 0
    for wait, amount in events:
        now += wait
        micros += amount
        growth = grown(cells, now)
        growth.add(A, amount / 1e6)
        growth.release()
        cells |= growth.changed
    growth = grown(cells, now + 60)
    growth.release()
    cells |= growth.changed
    assert [cell.value for cell in cells.values()] == ([micros / 1e6] if events else [])
