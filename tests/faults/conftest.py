"""The stage of the campaign: a synthetic CircleCI whose clock stands still, and an exporter beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.demo import RemoteCircle

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "CCIPAT_campaign-5f3e1c7b9d_must-be-seen-nowhere"


@pytest.fixture(scope="module")
def circle() -> Iterator[RemoteCircle]:
    """A fleet of alike projects: two workflows of two jobs each, whose figures never change."""
    arguments = ("--projects", "80", "--workflows", "2", "--jobs", "2", "--start", "1790000000", "--speed", "0")
    with RemoteCircle.spawn(*arguments, token=TOKEN) as remote:
        yield remote
