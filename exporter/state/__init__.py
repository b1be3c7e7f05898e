"""The SQLite file: what was learnt of each project, across restarts."""

from __future__ import annotations

from exporter.state.records import Stored
from exporter.state.run_tables import Remembered
from exporter.state.state import State

__all__ = ["Remembered", "State", "Stored"]
