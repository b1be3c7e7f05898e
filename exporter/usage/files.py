"""Reads the files of one export, one after the other, and counts the job runs that no export had before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from exporter.errors import PollError, RequestTimeout, Stopped, TruncatedError
from exporter.state.usage_store import StoredJobRun, UsageStore
from exporter.usage.api import UsageApi
from exporter.usage.counting import JobRun, Sums
from exporter.usage.unpacking import records

TRIES = 3
"""How often a file is asked for at the same URL, where it was cut or slow."""
BATCH = 8192
"""Job runs that are looked up and written in one transaction."""


class Files:
    """Reads one export. Its job runs are stored under the number that the export will have, and count only with it."""

    def __init__(
        self,
        api: UsageApi,
        state: UsageStore,
        stop: threading.Event,
        failed: Callable[[PollError], None],
        due: Callable[[Iterable[JobRun]], set[int]] = lambda _runs: set(),
    ) -> None:
        """`failed` gets each failure after which a file is asked for again; `due` says which job runs are compared."""
        self._api, self._state, self._stop, self._failed, self._due = api, state, stop, failed, due

    def read(self, slug: str, counted: int, urls: Sequence[str], sums: Sums) -> None:
        """Add what the files have that is new to `sums`. Raises PollError or Stopped; then nothing of it counts."""
        self._state.begin_export(slug, counted)
        for url in urls:
            for tries_left in reversed(range(TRIES)):
                unread = sums.unread.copy()
                try:
                    self._file(slug, counted + 1, url, sums)
                    break
                except (TruncatedError, RequestTimeout) as error:
                    if not tries_left:
                        raise
                    sums.unread = unread
                    self._failed(error)

    def _file(self, slug: str, export: int, url: str, sums: Sums) -> None:
        with self._api.download(url) as body:
            for batch in _batches(sums.read(records(body.chunks, bounded=body.bounded))):
                if self._stop.is_set():
                    raise Stopped
                first: dict[int, JobRun] = {}
                for run in batch:
                    first.setdefault(run.key, run)
                due = self._due(first.values())
                stored = {
                    key: StoredJobRun(key, run.day, run.last, run.series.id, run.use, key in due)
                    for key, run in first.items()
                }
                new = self._state.keep_new(slug, export, stored)
                sums.add(run for key, run in first.items() if key in new)


def _batches(runs: Iterator[JobRun]) -> Iterator[list[JobRun]]:
    while batch := list(islice(runs, BATCH)):
        yield batch
