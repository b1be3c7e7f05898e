"""No garbage is collected while a process starts, nor later among what the start has made."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from exporter.system.garbage import collection_paused


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def searches() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def many() -> list[list[object]]:
    """More objects than there may be new ones without a search."""
    return [[] for _ in range(10 * gc.get_threshold()[0])]


def test_nothing_is_searched_meanwhile() -> None:
    with collection_paused():
        before = searches()
        made = many()
        assert searches() == before
    assert made


def test_what_was_made_is_not_searched_later() -> None:
    with collection_paused():
        made = many()
    assert gc.get_freeze_count() > len(made)
    assert not any(each is made for each in gc.get_objects())


def test_what_is_made_later_is_searched() -> None:
    with collection_paused():
        pass
    before = searches()
    assert many()
    assert searches() > before


def test_a_start_that_fails_leaves_the_search_on() -> None:
    with pytest.raises(KeyError), collection_paused():
        raise KeyError
    assert gc.isenabled()
