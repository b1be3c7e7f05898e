from __future__ import annotations

import pytest

from exporter.replicas.tenure import Tenure
from exporter.state.postgres.lease_table import Hold, Place

HELD = Tenure.of(Hold(Place("https://circleci.com/api/v2", 0, 1), "one", 3), 30.0, 100.0)


@pytest.mark.parametrize(("now", "leads"), [(100.0, True), (126.9, True), (127.0, False), (1e9, False)])
def test_a_lease_serves_for_nine_tenths_from_the_sending_of_its_renewal(now: float, leads: bool) -> None:
    assert HELD.leads(now) == leads


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    assert HELD.renewed(120.0).leads(146.9)
    assert not HELD.renewed(120.0).leads(147.0)


def test_it_goes_on_where_the_lease_is_taken_again_and_covers_no_lease_of_before() -> None:
    again = HELD.retaken(HELD.hold._replace(epoch=4), 120.0)
    assert again.leads(146.9)
    assert [again.covers(HELD.hold._replace(epoch=epoch)) for epoch in (2, 3, 4, 5)] == [False, True, True, False]


def test_it_is_renewed_at_every_third_and_tried_again_each_second_at_most() -> None:
    assert (HELD.pause, HELD.retry) == (10.0, 1.0)
    shortest = Tenure.of(HELD.hold, 3.0, 0.0)
    assert (shortest.pause, shortest.retry) == (1.0, 0.3)
