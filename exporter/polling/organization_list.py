"""The list of an organization's newest pipelines, which tells many projects at once that they have something new."""

from __future__ import annotations

from collections.abc import Callable, Collection

from exporter.insights.collectors import PIPELINES
from exporter.polling import pipeline_questions as ask
from exporter.polling.attempt import Attempts
from exporter.polling.coverage import Coverage
from exporter.runs.pipelines import newest_of_organization

MOST_PAGES = 10
"""Pages read at most: what is new beyond them is found in the projects' own lists."""


class OrganizationList:
    """One look at the list; it has one step."""

    def __init__(
        self,
        organization: str,
        projects: Collection[str],
        interval: float,
        attempts: Attempts,
        coverage: Coverage,
        *,
        arrived: Callable[[Collection[str]], None],
    ) -> None:
        """`arrived` is given the slugs of projects that have something new, of those that are polled."""
        self._organization, self._projects, self._interval = organization, projects, interval
        self._attempts, self._coverage, self._arrived = attempts, coverage, arrived

    def step(self) -> bool:
        """Read what is new, and tell the projects of it; returns that there is no more to do."""
        attempt = self._attempts.begin(PIPELINES, self._interval)
        with attempt.guard(f"the pipelines of {self._organization}"):
            known = self._coverage.known(self._organization)
            question = newest_of_organization(self._organization)
            walk = ask.walk(attempt, question, since=0.0, reached=known.__contains__, pages=MOST_PAGES if known else 1)
            if walk.failure is not None:
                raise walk.failure
            mine = [each for each in walk.found.values() if each.slug in self._projects]
            now, interval = attempt.now(), self._interval
            self._arrived(self._coverage.saw(self._organization, walk.found, mine, now, interval, torn=walk.torn))
        if attempt.error is not None:
            self._coverage.failed(self._organization)
        return False
