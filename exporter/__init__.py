"""Prometheus exporter for CircleCI Insights."""

__version__ = "0.1.0"
