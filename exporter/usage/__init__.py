"""What jobs cost, and where they waited: CircleCI's Usage export, read day by day."""

from exporter.usage.exports import UsageExports

__all__ = ["UsageExports"]
