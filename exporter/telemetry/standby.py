"""The own metrics of a replica that does not lead."""

from __future__ import annotations

import platform

from exporter.telemetry.families import Families

BUILD_INFO = ("build_info", "Version of the exporter and of Python; always 1.", "version", "python_version")
LEADER = ("leader", "1 if this replica leads its shard, 0 if it stands by. Only with `state.url`.")


class StandbyTelemetry:
    """What a replica shows while it stands by: its process, and that it does not lead."""

    def __init__(self, version: str) -> None:
        self._families = Families.of_process()
        self._families.gauge(*BUILD_INFO).labels(version, platform.python_version()).set(1)
        self._families.gauge(*LEADER).set(0)

    def render(self, *, openmetrics: bool) -> bytes:
        return self._families.encode(openmetrics=openmetrics)
