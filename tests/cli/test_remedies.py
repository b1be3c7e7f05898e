"""What is to be done about failures."""

from __future__ import annotations

from exporter.cli.remedies import REMEDIES
from exporter.errors import REASONS


def test_there_is_a_remedy_for_every_reason_and_for_nothing_else() -> None:
    assert tuple(REMEDIES) == REASONS
