"""The command line: commands, flags and exit codes."""

from __future__ import annotations

from exporter.cli.program import main

__all__ = ["main"]
