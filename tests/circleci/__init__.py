"""The synthetic CircleCI as tests and benchmarks drive it: with faults, limits, a log, and controls from outside.

`Circle` runs it in this process, `RemoteCircle` in its own (`python -m tests.circleci`).
"""

from __future__ import annotations

from tests.circleci.circle import Circle
from tests.circleci.remote import RemoteCircle

__all__ = ["Circle", "RemoteCircle"]
