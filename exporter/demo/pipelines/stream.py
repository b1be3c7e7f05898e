"""Brings generated pipelines into the book as time goes on, and takes those away that are of no more use."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from exporter.demo.generated import DAY
from exporter.demo.pipelines.generated import make, plans_of_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.model import DemoProject, DemoWorkflow, Run
    from exporter.demo.pipelines.book import PipelineBook
    from exporter.demo.pipelines.generated import Plan

Ran: TypeAlias = "Callable[[DemoProject, int], list[tuple[DemoWorkflow, Run]]]"
"""A project's runs of a day, with their workflows."""
KEPT_DAYS = 4
"""How far back pipelines are listed: further than an exporter looks unless told otherwise."""
_HOUR = 3_600
_NUMBERS_BEGIN = 90


class PipelineStream:
    """The generated pipelines of all projects. Safe for threads."""

    def __init__(
        self,
        book: PipelineBook,
        ran: Callable[[DemoProject, int], list[tuple[DemoWorkflow, Run]]],
        epoch: float,
        pace: float,
    ) -> None:
        """Fill the book; `ran` gives a project's runs of a day with their workflows."""
        self._book = book
        self._ran = ran
        self._pace = pace
        self._first_day = int(epoch // DAY) - _NUMBERS_BEGIN
        self._hours: dict[str, int] = {}
        self._made: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()
        self._plans = lru_cache(maxsize=256)(self._uncached_plans)

    def fill(self, project: DemoProject, now: float) -> None:
        """Bring the pipelines of a project up to the present hour."""
        hour = int(now // _HOUR)
        if self._hours.get(project.slug, -1) >= hour:
            return
        with self._lock:
            made = self._made.setdefault(project.slug, {})
            begin = (int(now // DAY) - KEPT_DAYS) * DAY
            for each in range(max(self._hours.get(project.slug, -1) + 1, begin // _HOUR), hour + 1):
                for plan in self._plans(project, each * _HOUR // DAY):
                    if plan.created // _HOUR == each:
                        made[make(self._book, project, plan)] = plan.over
            past = {pipeline_id for pipeline_id, over in made.items() if over < begin}
            if past:
                self._book.forget(past)
            self._made[project.slug] = {key: over for key, over in made.items() if key not in past}
            self._hours[project.slug] = hour

    def _uncached_plans(self, project: DemoProject, day: int) -> list[Plan]:
        a_day = 10 + int(2 * self._pace * sum(each.runs_per_day for each in project.workflows))
        return plans_of_day(project, self._ran(project, day), 1 + (day - self._first_day) * a_day)
