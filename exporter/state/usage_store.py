"""The Usage exports of organizations in the state. What is counted is committed with its ids, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.state import usage_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.state.access import Access
    from exporter.state.damage import Damage
    from exporter.state.usage_tables import StoredCell, StoredJobRun

    Facts = TypeVar("Facts")
    CellT = TypeVar("CellT")


class UsageStore:
    """Every method raises Stopped, or StateError where the database does not serve: then nothing is written."""

    def __init__(self, access: Access, damage: Damage) -> None:
        """Use the `usage` of a state store."""
        self._access, self._damage = access, damage

    def read(
        self,
        slug: str,
        facts: Callable[[object], Facts],
        cell: Callable[[str, tuple[str, ...], object], CellT],
    ) -> tuple[Facts, list[CellT]] | None:
        """What is known of an organization, made from its documents; None where nothing is."""
        access = self._access
        with access.reading(), access.database.view():
            return usage_tables.read(access.connection, access.server, slug, self._damage, facts, cell)

    def write(self, slug: str, facts: object) -> None:
        """Write how far the exports of an organization are."""
        with self._access.counting():
            usage_tables.write(self._access.connection, self._access.server, slug, facts)

    def begin_export(self, slug: str, counted: int) -> None:
        """Forget the job runs of an export that was not read to its end; `counted` exports were."""
        access = self._access
        with access.counting():
            organization = usage_tables.number(access.connection, access.server, slug)
            if organization is not None:
                usage_tables.drop_pending(access.connection, organization, counted)

    def keep_new(self, slug: str, export: int, runs: Mapping[int, StoredJobRun]) -> set[int]:
        """Write the job runs of an export that no export had before, by their keys; returns those keys."""
        access = self._access
        with access.counting():
            organization = usage_tables.number(access.connection, access.server, slug)
            return (
                set() if organization is None else usage_tables.keep_new(access.connection, organization, export, runs)
            )

    def count(self, slug: str, facts: object, cells: Iterable[StoredCell], first: int) -> None:
        """Write facts that count an export, and its sums. Job runs before the day `first` are forgotten."""
        access = self._access
        with access.counting():
            organization = usage_tables.write(access.connection, access.server, slug, facts)
            usage_tables.write_cells(access.connection, organization, cells)
            usage_tables.prune(access.connection, organization, first)

    def begin_anew(self, slug: str, facts: object, family: str) -> None:
        """Forget the counters or histograms of a family."""
        access = self._access
        with access.counting():
            organization = usage_tables.write(access.connection, access.server, slug, facts)
            usage_tables.drop_cells(access.connection, organization, family)

    def use_of(self, slug: str, day: int) -> list[dict[int, float]]:
        """The use of CPU and memory on a day by series, in percent: see `usage_tables.use_of`."""
        access = self._access
        with access.reading():
            organization = usage_tables.number(access.connection, access.server, slug)
            return [] if organization is None else usage_tables.use_of(access.connection, organization, day)
