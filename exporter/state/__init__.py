"""The SQLite file: what was learnt of each project, across restarts."""

from __future__ import annotations

from exporter.state.records import Stored
from exporter.state.run_tables import Remembered
from exporter.state.store import StateStore

__all__ = ["Remembered", "StateStore", "Stored"]
