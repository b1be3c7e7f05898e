"""Holds the newest day of an organization's exports against the ledgers of its projects, once these have caught up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from exporter.knowledge.snapshots import Snapshot
from exporter.polling.source import Parts
from exporter.runs import whole
from exporter.usage import comparing
from exporter.usage.comparing import Comparison, Judge, Reconciled
from exporter.usage.counting import JobRun
from exporter.usage.planning import DAY, start_of, written

CATCHES_UP_WITHIN = 7200.0
"""Seconds after an export for which a project is waited for whose pipelines have not all been looked at."""


class Reconciling:
    """One organization's comparisons. `labels` gives the project of each series of its exports."""

    def __init__(self, slug: str, parts: Parts, labels: Callable[[], Mapping[int, str]]) -> None:
        self._slug, self._parts, self._labels = slug, parts, labels
        self._met: dict[tuple[int, str], dict[int, str]] = {}
        self._judge, self._first, self._since = comparing.NOBODY, 0, parts.attempts.clocks.monotonic()

    def begin(self, first: int) -> Judge:
        """Judge an export that is read now, whose newest day is not before `first`.

        Projects that have not caught up are waited for anew.
        """
        attempts = self._parts.attempts
        self._met, self._first, self._since = {}, first, attempts.clocks.monotonic()
        projects = {label: each.project for label, each in self._snapshots().items()}
        self._judge = Judge(projects, attempts.clocks.wall() - attempts.ahead())
        return self._judge

    def _snapshots(self) -> dict[str, Snapshot]:
        """The projects whose job runs are kept here, by label."""
        published = self._parts.store.published.values()
        return comparing.compared(self._slug, (snapshot for snapshot, _ in published))

    def due(self, runs: Iterable[JobRun]) -> set[int]:
        """The keys of those job runs of an export that a ledger has, or must have.

        Of what it lacks some ids are remembered: only their rows have them.
        """
        rows: dict[str, dict[int, JobRun]] = {}
        for run in runs:
            if run.told and run.last >= self._first:
                rows.setdefault(run.series.labels[1], {})[run.key] = run
        due, known = set[int](), self._snapshots() if rows else {}
        for label, found in rows.items():
            if label in known:
                kept = self._parts.state.known_jobs(known[label].project.slug, found.keys())
                lacking = [run for key, run in found.items() if key not in kept]
                missed = {run.key: run for run in lacking if self._is_found(run)}
                due |= kept | missed.keys()
                for key, run in missed.items():
                    met = self._met.setdefault((run.last, label), {})
                    if len(met) < comparing.TOLD:
                        met[key] = run.told[0]
        return due

    def _is_found(self, run: JobRun) -> bool:
        _, created_at, began_at = run.told
        return run.series.lookback is not None and self._judge.is_found(created_at, began_at, run.series.lookback)

    def reconciled(self, day: int, exports: int) -> Reconciled | None:
        """Compare a day; `exports` were counted. None while some project has not caught up. Raises StateError.

        Where no project is to be compared at all, there is no day.
        """
        attempts, since = self._parts.attempts, start_of(day)
        now, ahead = attempts.clocks.wall(), attempts.ahead()
        kept = self._snapshots()
        if not kept:
            return Reconciled()
        found = comparing.watched(kept, since)
        behind = {
            label
            for label, each in found.items()
            if each.live and not whole.caught_up(each.live, each.project, since + DAY, now=now, ahead=ahead)
        }
        if behind and attempts.clocks.monotonic() - self._since < CATCHES_UP_WITHIN:
            return None
        projects = {label: each.project.slug for label, each in found.items() if label not in behind}
        return Reconciled(day, tuple(each.result for each in self._compared(day, projects, exports)))

    def _compared(self, day: int, projects: Mapping[str, str], exports: int) -> list[Comparison]:
        if not projects:
            return []
        due, known_jobs = self._parts.state.due, self._parts.state.known_jobs
        comparisons, labels = {label: Comparison(label) for label in sorted(projects)}, self._labels()
        for rows in due.exported(self._slug, day, exports):
            keys: dict[str, list[int]] = {}
            for key, series in rows.items():
                keys.setdefault(labels.get(series, ""), []).append(key)
            for label in keys.keys() & projects.keys():
                comparisons[label].exported(keys[label], known_jobs(projects[label], keys[label]))
        for label, slug in projects.items():
            for stops in due.kept(slug, start_of(day), start_of(day) + DAY):
                comparisons[label].kept(stops, due.exported_keys(self._slug, stops.keys(), exports))
        for label, each in comparisons.items():
            self._tell(day, each, projects[label])
        return list(comparisons.values())

    def _tell(self, day: int, comparison: Comparison, slug: str) -> None:
        """Log what differs: what only the export has by id, what only the ledger has by stop, since it keeps no ids."""
        told, log = comparison.result, self._parts.attempts.log
        about = {"project": told.project, "day": written(day)[:10]}
        if told.export_only:
            met = self._met.get((day, told.project), {})
            ids = sorted(met[key] for key in met.keys() - self._parts.state.known_jobs(slug, met.keys()))
            log.warning("job runs missed", **about, count=told.export_only, job_ids=" ".join(ids))
        if told.here_only:
            stops = " ".join(f"{datetime.fromtimestamp(stop, UTC):%H:%M:%S}" for stop in sorted(comparison.lacking))
            log.info("the Usage export lacks job runs", **about, count=told.here_only, stopped_at=stops)
