from __future__ import annotations

import re

from exporter.demo.draws import draw, uuid_for

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")


def test_a_key_always_draws_the_same() -> None:
    assert draw("a key") == draw("a key")
    assert draw("a key") != draw("another")
    assert uuid_for("a key") == uuid_for("a key") != uuid_for("another")


def test_numbers_lie_in_the_unit_interval_and_spread_over_it() -> None:
    numbers = [number for index in range(500) for number in draw(str(index)).uniform]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.47 < sum(numbers) / len(numbers) < 0.53


def test_ids_have_the_form_of_random_uuids() -> None:
    assert UUID.fullmatch(draw("x").uuid)
    assert UUID.fullmatch(uuid_for("größe \ud800"))
