from __future__ import annotations

from tests.demo.conftest import circle, quiet, reference

__all__ = ["circle", "quiet", "reference"]
