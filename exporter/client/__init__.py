"""CircleCI's API over HTTP, within its rate limit. The only package that knows requests."""

from exporter.client.access import Access
from exporter.client.client import Client
from exporter.client.limiter import Limiter, LimiterState
from exporter.client.waiter import Waiter

__all__ = ["Access", "Client", "Limiter", "LimiterState", "Waiter"]
