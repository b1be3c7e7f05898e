"""Job runs that both the Usage export and the ledger of a project must have, read in batches in the order of keys."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from exporter.state.access import Access

LEAST, GREATEST = -(1 << 63), (1 << 63) - 1
_EXPORTED = """SELECT key, series FROM usage_job
    WHERE organization = (SELECT id FROM usage_organization WHERE server = ? AND slug = ?)
    AND key >= ? AND last = ? AND due = 1 AND export <= ? ORDER BY key LIMIT ?"""
_EXPORTED_KEYS = """SELECT key FROM usage_job
    WHERE organization = (SELECT id FROM usage_organization WHERE server = ? AND slug = ?)
    AND export <= ? AND key IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"""
_KEPT = """SELECT key, stopped_at FROM job
    WHERE project = ? AND key >= ? AND stopped_at >= ? AND stopped_at < ? AND due = 1 ORDER BY key LIMIT ?"""


class DueJobs:
    """Every method raises Stopped, or StateError where the database does not serve.

    While `batch` job runs are read, nobody else can use the database.
    """

    def __init__(self, access: Access, batch: int = 8192) -> None:
        self._access, self.batch = access, batch

    def exported(self, organization: str, day: int, exports: int) -> Iterator[dict[int, int]]:
        """The series of job runs that ended on a day, by key; `exports` were counted."""
        return self._batches(_EXPORTED, (self._access.server, organization), (day, exports))

    def exported_keys(self, organization: str, keys: Collection[int], exports: int) -> set[int]:
        """Those of some keys that the exports which were counted had, on whatever day."""
        values = self._access.server, organization, exports, json.dumps(list(keys))
        with self._access.reading():
            return {key for (key,) in self._access.connection.execute(_EXPORTED_KEYS, values)}

    def kept(self, slug: str, since: float, until: float) -> Iterator[dict[int, int]]:
        """The stops of a project's job runs that ended within that time, by key."""
        with self._access.reading():
            project = self._access.number(slug)
        return self._batches(_KEPT, (project,), (int(since), int(until)))

    def _batches(self, statement: str, owner: tuple[Any, ...], chosen: tuple[int, ...]) -> Iterator[dict[int, int]]:
        first = LEAST
        while True:
            with self._access.reading():
                found = dict(self._access.connection.execute(statement, (*owner, first, *chosen, self.batch)))
            if found:
                yield found
            if len(found) < self.batch or max(found) == GREATEST:
                return
            first = max(found) + 1
