"""Whose turn it is, without a clock and without threads."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.client.turns import LATELY, Turns


@dataclass(eq=False)
class Waiting:
    slug: str
    ahead: bool = False
    light: bool = False
    turn: int = 0


def queued(*slugs: str) -> Turns[Waiting]:
    turns = Turns[Waiting]()
    for slug in slugs:
        turns.enter(Waiting(slug))
    return turns


def gone(turns: Turns[Waiting], concurrency: int = 10, now: float = 0.0, *, light: bool = False) -> str:
    """Let those go that may, until nobody may; returns their projects."""
    order = ""
    while (request := turns.next(concurrency, now, light=light)) is not None:
        turns.begin(request, now)
        turns.leave(request)
        order += request.slug
    return order


def test_each_project_has_a_turn_before_the_next_of_anothers_many() -> None:
    assert gone(queued("a", "a", "a", "b", "c", "b")) == "abcaba"


def test_one_that_goes_ahead_is_next_and_takes_no_turn_of_its_project() -> None:
    turns = queued("a", "b", "a")
    turns.enter(Waiting("c", ahead=True))
    assert gone(turns) == "caba"


def test_the_last_place_is_kept_for_the_projects_that_asked_lately() -> None:
    turns = queued("b")
    assert gone(turns) == "b"
    turns.end(Waiting("b"))
    for _ in range(5):
        turns.enter(Waiting("a"))
    assert gone(turns, concurrency=3) == "aa"
    assert gone(turns, concurrency=3, now=LATELY) == "a"


def test_only_light_ones_go_while_nothing_else_may() -> None:
    turns = queued("a", "b")
    turns.enter(Waiting("", light=True))
    assert turns.next(10, 0.0, light=True) in [each for each in turns if each.light]
    assert (len(turns), turns.in_flight) == (3, 0)
