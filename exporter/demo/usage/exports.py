"""Usage exports as the API has them: started, looked at, downloaded by signed URLs, all within its limits."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.demo.draws import uuid_for
from exporter.demo.generated import DAY
from exporter.demo.messages import API, Refused, Reply, Request, json_reply
from exporter.demo.times import read, whole_seconds
from exporter.demo.usage.rows import csv_lines, usage_rows

if TYPE_CHECKING:
    from exporter.demo.model import Owner
    from exporter.demo.organization import Organization

FILES = "/usage-export-files/"
"""Where the files are: what is below it takes no token, only a signature in the query."""
CALLS_AN_HOUR = 10
"""Starts, and looks, of one organization."""
LONGEST, OLDEST = 31 * DAY, 366 * DAY
CREATED_FOR, READY_AFTER = 1.0, 3.0
"""Seconds after its start for which an export is only created, and after which it is completed."""
URL_LASTS = 36 * 3600.0
ROWS_A_FILE = 5_000
_PATH = re.compile(rf"{API}/organizations/([^/]+)/usage_export_job(?:/([^/]+))?")
_FILE = re.compile(rf"{FILES}([^/]+)/part-([0-9]+)\.csv\.gz\?expires=([0-9]+)&signature=([0-9a-f-]+)")
_KEYS = {"start", "end", "shared_org_ids"}


@dataclass(frozen=True, slots=True)
class Export:
    """One export job. Times are Unix seconds."""

    id: str
    owner: Owner
    start: float
    end: float
    started_at: float


class UsageExports:
    """The exports of an organization's owners. Safe for threads."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._lock = threading.Lock()
        self._exports: dict[str, Export] = {}
        self._calls: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._files: dict[str, list[bytes]] = {}

    def answers(self, path: str) -> bool:
        """Tell whether a path is one of an export."""
        return _PATH.fullmatch(path) is not None

    def state(self, export: Export) -> str:
        """How far an export is."""
        age = self._organization.clock.now() - export.started_at
        return "created" if age < CREATED_FOR else "processing" if age < READY_AFTER else "completed"

    def files(self, export: Export) -> list[bytes]:
        """What an export has, as it is made; without rows there are no files."""
        at = export.started_at + READY_AFTER
        rows = usage_rows(self._organization, export.owner, export.start, export.end, at)
        return [
            gzip.compress("".join(csv_lines(rows[first : first + ROWS_A_FILE])).encode(), 6, mtime=0)
            for first in range(0, len(rows), ROWS_A_FILE)
        ]

    def respond(self, request: Request) -> Reply:
        """Answer a request with a good token: POST starts an export, GET looks at one."""
        try:
            return self._reply(request)
        except Refused as refusal:
            return refusal.reply

    def download(self, request: Request) -> Reply:
        """Answer a request for a file, as a store of objects does: errors are XML, and a token is one too many."""
        matched = _FILE.fullmatch(request.target)
        if {"authorization", "circle-token", "cookie"} & request.headers.keys():
            return _xml(400, "InvalidArgument")
        export = self._exports.get(matched[1]) if matched else None
        if matched is None or export is None or matched[4] != _signature(export, int(matched[2]), int(matched[3])):
            return _xml(403, "SignatureDoesNotMatch")
        if int(matched[3]) < self._organization.clock.now():
            return _xml(403, "AccessDenied")
        return Reply(200, self._made(export)[int(matched[2])], (("Content-Type", "application/gzip"),))

    def _reply(self, request: Request) -> Reply:
        matched = _PATH.fullmatch(request.path)
        if matched is None:
            raise Refused(404, "Not Found")
        if request.method != ("POST" if matched[2] is None else "GET"):
            raise Refused(405, "Method Not Allowed")
        owner = self._owner(matched[1])
        self._admit(request.method, owner)
        if matched[2] is None:
            return json_reply(self._started(owner, _read(request.body)), 201)
        return json_reply(self._looked_at(owner, matched[2], f"http://{request.headers.get('host', '')}"))

    def _owner(self, ident: str) -> Owner:
        found = [each for each in self._organization.roster.owners().values() if each.id == ident]
        if not found:
            raise Refused(404, "Organization not found")
        return found[0]

    def _admit(self, method: str, owner: Owner) -> None:
        """Refuse what exceeds the calls of an hour."""
        now = self._organization.clock.now()
        with self._lock:
            calls = self._calls[method, owner.id]
            while calls and calls[0] <= now - 3600:
                calls.popleft()
            if len(calls) >= CALLS_AN_HOUR:
                raise Refused(429, "Rate limit exceeded.")
            calls.append(now)

    def _started(self, owner: Owner, window: tuple[float, float]) -> dict[str, Any]:
        start, end = window
        now = self._organization.clock.now()
        if not start < end <= now:
            raise Refused(400, "end must be after start and not in the future")
        if end - start > LONGEST or start < now - OLDEST:
            raise Refused(400, "the window must be at most 31 days long and begin within the last 366 days")
        with self._lock:
            ident = uuid_for(f"{self._organization.seed}|usage|{len(self._exports)}|{now}")
            export = self._exports[ident] = Export(ident, owner, start, end, now)
        return {**_document(export), "state": "created", "download_urls": None}

    def _looked_at(self, owner: Owner, ident: str, origin: str) -> dict[str, Any]:
        export = self._exports.get(ident)
        if export is None or export.owner != owner:
            raise Refused(404, "Usage export not found.")
        state = self.state(export)
        if state != "completed":
            return {**_document(export), "state": state, "download_urls": None}
        expires = int(self._organization.clock.now() + URL_LASTS)
        urls = [
            f"{origin}{FILES}{ident}/part-{part}.csv.gz?expires={expires}&signature={_signature(export, part, expires)}"
            for part in range(len(self._made(export)))
        ]
        return {**_document(export), "state": state, "download_urls": urls or None}

    def _made(self, export: Export) -> list[bytes]:
        """The files of an export, made once."""
        with self._lock:
            if export.id not in self._files:
                self._files[export.id] = self.files(export)
            return self._files[export.id]


def _read(body: bytes) -> tuple[float, float]:
    """Start and end of a window. Raises Refused."""
    try:
        document = json.loads(body)
        unexpected = set(document) - _KEYS
        window = read(document["start"]), read(document["end"])
    except (ValueError, KeyError, TypeError):
        raise Refused(400, "malformed request body") from None
    if unexpected:
        raise Refused(400, f"Unexpected field: {min(unexpected)}")
    return window


def _document(export: Export) -> dict[str, Any]:
    return {
        "usage_export_job_id": export.id,
        "start": whole_seconds(export.start),
        "end": whole_seconds(export.end),
    }


def _signature(export: Export, part: int, expires: int) -> str:
    return uuid_for(f"{export.id}|{part}|{expires}")


def _xml(status: int, code: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Reply(status, text.encode(), (("Content-Type", "application/xml"),))
