"""The command line: flags as operators of Prometheus exporters know them, and the exit codes."""

from __future__ import annotations

from exporter.cli.command import main

__all__ = ["main"]
