"""The demo's Usage exports, with what a test sets of them: the files of a window, and the states of looks to come."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from exporter.demo.messages import head, length
from exporter.demo.usage.exports import FILES, UsageExports
from tests.usage.making import file

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.messages import Reply, Wire
    from exporter.demo.model import Owner
    from exporter.demo.organization import Organization
    from exporter.demo.usage.exports import Export
    from tests.usage.making import Row

START, LOOK, FILE = "/usage_export_job$", "/usage_export_job/", FILES
"""How requests are told from one another, for faults and in the log."""


class Exports(UsageExports):
    """As the demo has them until a test sets something; `windows` are those of which exports were started."""

    def __init__(self, organization: Organization) -> None:
        super().__init__(organization)
        self.contents: Callable[[float, float], list[bytes]] | None = None
        """The files of a window, in place of those of the demo."""
        self.states: list[str] = []
        """Of looks to come, the next one first; then an export is as far as the demo has it."""
        self.signatures: set[str] = set()
        """What nobody may keep or tell."""

    @property
    def windows(self) -> list[tuple[float, float]]:
        return [(each.start, each.end) for each in self._exports.values()]

    def rows(self, *rows: Row) -> None:
        """Let every window have these rows, in one file."""
        self.contents = lambda _start, _end: [file(rows)]

    def state(self, export: Export) -> str:
        return self.states.pop(0) if self.states else super().state(export)

    def files(self, export: Export) -> list[bytes]:
        return super().files(export) if self.contents is None else self.contents(export.start, export.end)

    def _looked_at(self, owner: Owner, ident: str, origin: str) -> dict[str, Any]:
        document = super()._looked_at(owner, ident, origin)
        for url in document["download_urls"] or ():
            self.signatures.update(parse_qs(urlsplit(url).query)["signature"])
        return document | ({"error_reason": "the query was too large"} if document["state"] == "failed" else {})


class Gate:
    """Stops a file in its middle until it is opened: `fail("made", FILE, times=1, by=gate.stopping)`."""

    def __init__(self, share: float = 7 / 8) -> None:
        """So much of the file is sent before."""
        self.share = share
        self.reached, self.opened = threading.Event(), threading.Event()

    def stopping(self, reply: Reply) -> Reply:
        return replace(reply, send=self._send)

    def _send(self, wire: Wire, reply: Reply) -> bool:
        middle = int(len(reply.body) * self.share)
        wire.send(head(reply, length(len(reply.body))))
        wire.send(reply.body[:middle])
        self.reached.set()
        while not self.opened.wait(0.02):
            if wire.stop.is_set():
                return False
        wire.send(reply.body[middle:])
        return True
