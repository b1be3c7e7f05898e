"""The state file (SQLite): what is known about each project, kept over restarts."""

from exporter.state.past import no_later
from exporter.state.records import Stored
from exporter.state.store import StateStore

__all__ = ["StateStore", "Stored", "no_later"]
