"""Several replicas on one database: which of them leads, and what that allows."""

from exporter.replicas.keeper import Keeper
from exporter.replicas.shared_state import SharedState

__all__ = ["Keeper", "SharedState"]
