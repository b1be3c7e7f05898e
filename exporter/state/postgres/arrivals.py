"""What any replica writes, leading or not: hints of webhooks, and how many webhooks came."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from exporter.runs.hints import Hint
from exporter.state.documents import document
from exporter.state.postgres.link import Link, Rows

SCHEMA: Final = (
    "CREATE SEQUENCE hint_version",
    """CREATE TABLE webhook (
        server TEXT NOT NULL,
        event TEXT NOT NULL,
        result TEXT NOT NULL,
        requests BIGINT NOT NULL,
        PRIMARY KEY (server, event, result))""",
)

# What an event has told stays: that a run has ended. The version is new each time, whoever writes it.
_ARRIVE: Final = """WITH kept AS (
        INSERT INTO hint (server, id, version, facts)
        SELECT ?, ?, nextval('hint_version'), ?
        WHERE (SELECT count(*) FROM hint WHERE server = ?) < ? OR EXISTS (SELECT FROM hint WHERE server = ? AND id = ?)
        ON CONFLICT (server, id) DO UPDATE SET version = excluded.version,
        facts = CASE WHEN (hint.facts::json ->> 'ended')::boolean THEN hint.facts ELSE excluded.facts END
        RETURNING 1)
    SELECT count(*) FROM kept"""
_COUNT: Final = """INSERT INTO webhook (server, event, result, requests) VALUES (?, ?, ?, ?)
    ON CONFLICT (server, event, result) DO UPDATE SET requests = webhook.requests + excluded.requests"""
_TOTALS: Final = "SELECT event, result, requests FROM webhook WHERE server = ?"
_IS_KEPT: Final = "SELECT 1 FROM project WHERE server = ? AND slug = ? AND facts IS NOT NULL"
_BY_ID: Final = "SELECT slug FROM project WHERE server = ? AND strpos(facts, ?) > 0"


class Arrivals:
    """The inbox of one CircleCI server. Safe from any thread. Every method raises psycopg.Error."""

    def __init__(self, link: Link, server: str) -> None:
        """Use a link of its own: a webhook must not wait for a commit."""
        self._link, self._server = link, server
        self._lock = threading.Lock()

    def arrive(self, hint: Hint, most: int) -> bool:
        """Commit a hint; False where `most` wait already."""
        server, facts = self._server, document(hint)
        values = (server, hint.id, facts, server, most, server, hint.id)
        return bool(self._run(_ARRIVE, values)[0][0])

    def count(self, webhooks: Mapping[tuple[str, str], int]) -> None:
        """Count webhooks by event and result."""
        with self._lock:
            written = [self._link.write(_COUNT, (self._server, *key, number)) for key, number in webhooks.items()]
            self._link.run("BEGIN", *written, "COMMIT")

    def totals(self) -> dict[tuple[str, str], int]:
        return {(event, result): int(requests) for event, result, requests in self._run(_TOTALS, (self._server,))}

    def is_kept(self, slug: str) -> bool:
        """Whether a leader has learned something of a project."""
        return bool(self._run(_IS_KEPT, (self._server, slug)))

    def slug_of(self, identifier: str) -> str:
        """The slug of the project with a UUID, nothing where none is known."""
        found = self._run(_BY_ID, (self._server, f'"id":"{identifier}"'))
        return str(found[0][0]) if len(found) == 1 else ""

    def close(self) -> None:
        self._link.close()

    def _run(self, statement: str, values: Sequence[object]) -> Rows:
        with self._lock:
            return self._link.run(self._link.write(statement, values))[0]
