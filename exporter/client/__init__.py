"""CircleCI's API over HTTP, asked politely: the only place that knows requests."""

from exporter.client.client import Client
from exporter.client.limiter import Limiter, LimiterState, Waiter

__all__ = ["Client", "Limiter", "LimiterState", "Waiter"]
