"""A synthetic CircleCI: a real HTTP server on loopback that answers as the API does."""

from __future__ import annotations

from exporter.demo.circleci import SyntheticCircleCI

__all__ = ["SyntheticCircleCI"]
