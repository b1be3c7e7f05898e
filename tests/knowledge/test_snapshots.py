"""What is known of a project at one moment."""

from __future__ import annotations

from tests.knowledge.samples import NOW, snapshot


def test_a_part_is_fresh_until_three_intervals_after_it_was_checked() -> None:
    known = snapshot("interval: 10m")
    question = next(iter(known.parts))
    assert {asked: at for asked, _, at in known.fresh(NOW + 1799.9)}[question] == NOW + 1800
    assert not list(known.fresh(NOW + 1800))
