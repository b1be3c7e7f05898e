"""A synthetic CircleCI: a real HTTP server on loopback that answers as the API does.

It feeds the `demo` command, the tests and the benchmarks. `Circle` runs it in this process, `RemoteCircle` in its own.
"""

from __future__ import annotations

from exporter.demo.circle import Circle
from exporter.demo.remote import RemoteCircle

__all__ = ["Circle", "RemoteCircle"]
