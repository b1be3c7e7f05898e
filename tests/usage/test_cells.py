"""Counters and histograms as they are kept."""

from __future__ import annotations

from exporter.counting.cells import Key
from exporter.usage.cells import Cell, grown, merged

KEY, OTHER = Key("a", ("x",)), Key("a", ("y",))


def test_a_new_series_was_0_before_its_export() -> None:
    assert grown({}, {KEY: (5, 1)}, 3) == {KEY: Cell((5, 1), (0, 0), 3)}


def test_a_series_that_grows_was_what_it_was_and_one_that_does_not_is_left_alone() -> None:
    cells = {KEY: Cell((5,), (2,), 3), OTHER: Cell((7,), (7,), 1)}
    assert grown(cells, {KEY: (4,), OTHER: (0,)}, 4) == {KEY: Cell((9,), (5,), 4)}


def test_a_held_export_shows_what_was_before_it_and_all_else_as_it_is() -> None:
    cell = Cell((9,), (5,), 4)
    assert cell.shown(4) == (5,)
    assert cell.shown(None) == cell.shown(5) == (9,)


def test_a_histogram_with_other_buckets_begins_anew() -> None:
    assert grown({KEY: Cell((5, 1), (5, 1), 3)}, {KEY: (1, 2, 3)}, 4) == {KEY: Cell((1, 2, 3), (0, 0, 0), 4)}
    assert merged((1, 2), (3, 4)) == (4, 6)
    assert merged((1, 2), (3,)) == (1, 2)
