"""One organization's exports: what is known of them, and the next step."""

from __future__ import annotations

import threading
from dataclasses import replace
from math import inf

from exporter.counting.cells import CellBook, Cells, Distribution, hold_of, zero_of
from exporter.counting.ledger import FURTHEST
from exporter.errors import DeadlineError, PollError, StateError
from exporter.polling.source import Source
from exporter.state.documents import Reader
from exporter.usage import identity, planning
from exporter.usage.api import FailedError, HeldBackError, LostError, UsageApi
from exporter.usage.counting import Sums, series_id
from exporter.usage.families import COLLECTOR, JOB_CREDITS
from exporter.usage.files import Files
from exporter.usage.lines import Shown
from exporter.usage.planning import Export, Look, Progress, Start
from exporter.usage.reconciling import Reconciling

LONGEST_WAIT = 60.0
"""Seconds after which it is decided again what to do: a day may have begun, or the clock been set."""
RETRY_AFTER = 30.0
"""Seconds until it is tried again to find an organization, or to use the state."""
PROJECTS_WITHIN = 120.0
"""Seconds after the start for which projects with a label of their own are waited for."""
_PROGRESS = Reader[Progress](Progress)


class OrganizationExports:
    """What is known of one organization's exports. One thread at a time takes its steps; any may read `shown`."""

    def __init__(self, slug: str, source: Source[str], api: UsageApi, reading: threading.Semaphore) -> None:
        """Nothing is read, nor asked, yet. Who reads an export holds `reading`."""
        self.slug, self._source, self._api, self._reading = slug, source, api, reading
        self._attempts, self._clocks, self._store = source.attempts, source.attempts.clocks, source.parts.store
        self._state = source.parts.state.usage
        self.shown = Shown(slug)
        self._progress = Progress()
        self._cells, self._bounds = Cells(), source.config.defaults.pipelines.wait_buckets
        self._reconciling = Reconciling(slug, source.parts, self._projects)
        self._loaded = False
        self._restarted = False
        self._began = self._showing_since = self._clocks.monotonic()
        self.wait = 0.0
        """Seconds until the next step."""

    def step(self) -> bool:
        """Do what is next, if anything is; returns that there is no more to do."""
        self.wait = RETRY_AFTER
        try:
            self._step()
        except PollError as error:
            if isinstance(error, StateError):  # whether a commit was made is not always known: read what was kept
                self._loaded, self.wait = False, RETRY_AFTER
            self.failed(error)
        return False

    def failed(self, error: PollError) -> None:
        self._source.failed(self.slug, error)

    def _step(self) -> None:
        if not self._loaded:
            self.load()
        if self._cells.held:  # two exports at once would not be shown one after the other
            self._release()
            return
        attempts, config = self._attempts, self._source.config
        if attempts.client.lost is not None:
            return  # as polls are held; what was started is looked at later
        self._bounds = config.defaults.pipelines.wait_buckets
        self._drop_others()
        if not self._progress.id or attempts.client.date() is None:  # asking tells what time it is, too
            self._identify()
        now = attempts.clocks.wall()
        self._progress = planning.believed(self._progress, now, config.usage.interval)
        self._reconcile()
        try:
            match planning.next_step(self._progress, now, self._today(), restarted=self._restarted):
                case Start() as window:
                    self._start(window)
                case Look() if self._names_known() and self._reading.acquire(blocking=False):
                    try:
                        self._look()
                    finally:
                        self._reading.release()
        finally:
            self._decide_wait()

    def _decide_wait(self) -> None:
        now = self._clocks.wall()
        step = planning.next_step(self._progress, now, self._today(), restarted=self._restarted)
        until = now if self._cells.held else getattr(step, "until", now + 1)
        self.wait = min(max(until - now, 0.05), LONGEST_WAIT)

    def load(self) -> None:
        """Read and show what the state knows, once. Raises StateError; then the first step does it."""
        found = self._state.read(self.slug, _PROGRESS.read)
        if found is not None:
            self._progress, self._cells = found
        self._loaded, self._restarted = True, self._progress.export is not None
        self._show()

    def _identify(self) -> None:
        projects = identity.polled(self.slug, self._source.config, self._store)
        found = identity.find(self.slug, projects, self._attempts)
        if found != self._progress.id:
            self._write(replace(self._progress, id=found))

    def _start(self, window: Start) -> None:
        interval, clock = self._source.config.usage.interval, self._clocks.wall
        self._write(planning.starting(self._progress, clock(), interval))
        try:
            export = self._api.start(self._progress.id, window)
        except HeldBackError as error:
            now = clock()
            self._write(replace(self._progress, not_before=now, paused_until=now + error.seconds))
            raise
        self._write(replace(self._progress, export=Export(export, window.first, window.end, clock())))
        start, end = planning.written(window.first), planning.written(window.end)
        self._attempts.log.info("Usage export started", organization=self.slug, start=start, end=end)

    def _look(self) -> None:
        export = self._progress.export
        if export is None:
            return
        interval, clock = self._source.config.usage.interval, self._clocks.wall
        self._restarted = False
        self._write(planning.looking(self._progress, clock()))
        try:
            urls = self._api.look(self._progress.id, export.id)
            if urls is not None:
                self._read(export, urls)
            elif planning.too_old(export, clock()):
                raise DeadlineError("the export was not ready after 5 h")
        except HeldBackError as error:
            self._write(replace(self._progress, paused_until=clock() + error.seconds))
            raise
        except PollError as error:
            if isinstance(error, LostError | FailedError) or planning.too_old(export, clock()):
                self._write(planning.given_up(self._progress, clock(), interval))
            raise

    def _read(self, export: Export, urls: tuple[str, ...]) -> None:
        """Read a completed export, count it, and show its series at 0 or as they were before."""
        judge = self._reconciling.begin(self._progress.newest)
        sums = Sums(identity.labels(self._store), self._bounds, judge)
        files = Files(self._api, self._state, self._source.parts.stop, self.failed, self._reconciling.due)
        files.read(self.slug, self._progress.exports, urls, sums)
        self._count(export, sums)
        self._source.recovered(self.slug)

    def _count(self, export: Export, sums: Sums) -> None:
        attempts, before = self._attempts, self._progress
        read = planning.counted(before, sums.newest, self._today())
        end = planning.start_of(export.end)
        book = CellBook(self._cells, end, inf)  # all of it is held, to be shown at once
        for key, amount in sums.added(self.slug).items() if sums.rows else ():
            book.add(key, zero_of(amount) if before.uncounted else amount)
        book.drop_old(end - FURTHEST, but=())
        self._write(replace(read, exports=before.exports + 1), book, planning.next_first(read))
        attempts.telemetry.unread(COLLECTOR, sums.unread)
        day = planning.written(read.newest)[:10] if read.newest else None
        attempts.log.info("Usage export read", organization=self.slug, rows=sums.rows, day=day)
        self._show()

    def _reconcile(self) -> None:
        """Hold the newest day against the ledgers, once after each export."""
        progress = self._progress
        if progress.uncompared:
            found = self._reconciling.reconciled(progress.newest, progress.exports)
            if found is not None:
                kept = found if found.projects or not found.day else progress.reconciled
                self._write(replace(progress, uncompared=False, reconciled=kept))
                self._show()

    def _release(self) -> None:
        """Show the newest export once its series have been there at 0 for long enough."""
        clocks = self._clocks
        hold = hold_of(self._source.config.usage.interval)
        left = self._showing_since + hold - clocks.monotonic()
        if left > 0:
            self.wait = left
            return
        book = CellBook(self._cells, 0.0, 0.0)
        book.release()
        self._write(self._progress, book)
        self._show()
        self._decide_wait()

    def _show(self) -> None:
        """Publish what is known: while an export is held, the gauges are those of the one before."""
        progress, cells = self._progress, self._cells
        if cells.held:
            shown = replace(self.shown, cells=cells.values, newest=progress.before)
        else:
            shown = Shown(self.slug, cells.values, progress.newest, self._use())
        self.shown = replace(shown, reconciled=progress.reconciled)
        self._showing_since = self._clocks.monotonic()
        self._source.publish()

    def _use(self) -> list[dict[tuple[str, ...], float]]:
        labels = self._labels()
        used = self._state.use_of(self.slug, self._progress.newest) if self._progress.newest else []
        return [{labels[series]: value for series, value in each.items() if series in labels} for each in used]

    def _labels(self) -> dict[int, tuple[str, ...]]:
        """The labels of each job in a resource class, by the number that job runs are stored with."""
        return {series_id(key.labels): key.labels for key in self._cells.values if key.family == JOB_CREDITS.name}

    def _projects(self) -> dict[int, str]:
        return {series: project for series, (_, project, *_rest) in self._labels().items()}

    def _drop_others(self) -> None:
        """Let histograms with other buckets begin at 0, and nothing else."""
        book = CellBook(self._cells, 0.0, 0.0)
        book.drop_where(lambda _, cell: isinstance(cell.value, Distribution) and cell.value.bounds != self._bounds)
        if book.changed:
            self._write(self._progress, book)
            self._show()

    def _write(self, progress: Progress, book: CellBook | None = None, first: int = 0) -> None:
        """Commit how far the exports are and what was counted, before anything is done that depends on it.

        Job runs of which all days are before the `first` are met no more.
        """
        book = book or CellBook(self._cells, 0.0, 0.0)
        self._state.write(self.slug, progress, book.changed, first)
        self._progress, self._cells = progress, book.closed()

    def _today(self) -> int:
        """The day by CircleCI's clock: by one that is ahead, an export of the future would be asked for."""
        attempts = self._attempts
        return planning.day_of(attempts.clocks.wall() - attempts.ahead())

    def _names_known(self) -> bool:
        """Whether the ids of projects with a name of their own are known, or have been waited for long enough."""
        waited = self._clocks.monotonic() - self._began
        return waited > PROJECTS_WITHIN or identity.labels_known(self.slug, self._store)
