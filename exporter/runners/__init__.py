"""Self-hosted runners: tasks and runners of each resource class, from CircleCI's runner API."""

from exporter.runners.counts import RunnerCounts

__all__ = ["RunnerCounts"]
