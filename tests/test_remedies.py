"""What is to be done about failures."""

from __future__ import annotations

from exporter.errors import REASONS
from exporter.remedies import REMEDIES


def test_there_is_a_remedy_for_every_reason_and_for_nothing_else() -> None:
    assert tuple(REMEDIES) == REASONS
