"""The exporter's own metrics, except those about a single project.

What a project says of itself (`circleci_exporter_collector_success` and its kin) is rendered with that
project's publication instead: at 5,000 projects it would cost each scrape 40,000 lines.
"""

from exporter.telemetry.recent_requests import RecentRequests
from exporter.telemetry.telemetry import StandbyTelemetry, Telemetry

__all__ = ["RecentRequests", "StandbyTelemetry", "Telemetry"]
