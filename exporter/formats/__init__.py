"""Prometheus' text formats and the gzip member that they are sent in. Pure."""
