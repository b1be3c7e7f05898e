"""The command line: commands, flags and exit codes."""

from __future__ import annotations

from exporter.system.garbage import collection_paused

with collection_paused():  # what is imported stays
    from exporter.cli.command import main

__all__ = ["main"]
