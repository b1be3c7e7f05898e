"""What a replica shows while it stands by: its own process, and nothing of CircleCI."""

from __future__ import annotations

from collections.abc import Sequence

from exporter import __version__
from exporter.formats.deflate import Joined, fragment
from exporter.formats.exposition import EOF
from exporter.telemetry import StandbyTelemetry


class Standby:
    """The exposition of a standby."""

    def __init__(self) -> None:
        self._telemetry = StandbyTelemetry(__version__)

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        body = self._telemetry.render(openmetrics=openmetrics) + (EOF if openmetrics else b"")
        if not gzip:
            return (body,), len(body)
        pieces = Joined().followed_by([fragment(body)]).member()
        return pieces, sum(map(len, pieces))
