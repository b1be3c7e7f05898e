"""Which rows of the past `run` has no room for: `max_series`, applied as a scrape applies it. Pure."""

from __future__ import annotations

from exporter.config import Project
from exporter.publishing.run_lines import row
from exporter.runs.ledger import BranchCounters


class Limit:
    """The series that one project may have; rows are offered by workflow and branch, in order.

    Window gauges come before run counters in a scrape, and the past does not know how many there are. So this holds
    back what `run` can never show.
    """

    def __init__(self, project: Project) -> None:
        """`project` has its label as its name."""
        self._project, self._left = project, project.max_series
        self.cut = 0

    def takes(self, workflow: str, branch: str, counters: BranchCounters) -> bool:
        """Whether `run` shows a row with these counters. Once one had no room, no other has."""
        lines = row(self._project, self._project.runs.buckets, (workflow, branch), counters)
        samples = sum(line.samples for line in lines)
        if self.cut or samples > self._left:
            self.cut += samples
            return False
        self._left -= samples
        return True
