"""What the web side asks of the rest of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from exporter.web.page.overview import Overview


class Source(Protocol):
    """Answers from memory. `exposition` and `ready` are called on the event loop, so they wait for nothing."""

    def exposition(self, *, openmetrics: bool, gzip: bool) -> tuple[Sequence[bytes], int]:
        """Return the pieces of a whole body, to be sent in order, and their length together in bytes.

        The pieces are shared between scrapes, never copied as a whole. With `gzip` they form a gzip stream.
        """

    def overview(self) -> Overview:
        """Return what the page shows now; called in a thread of the page's own."""

    def ready(self) -> bool:
        """Say whether the configuration is valid, stored state is loaded and the scheduler runs."""

    def reload(self) -> tuple[bool, str] | None:
        """Read the configuration again: whether it is in force now, and a line for the caller.

        It runs in a thread, one at a time. `None` says that reloading over HTTP is not enabled.
        """
