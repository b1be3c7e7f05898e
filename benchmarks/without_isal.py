"""Runs a module as if the optional library were not there: `python -m benchmarks.without_isal MODULE ARGUMENTS...`."""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import ModuleType

if __name__ == "__main__":
    sys.modules["isal"] = cast("ModuleType", None)  # what Python takes for "not there"
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
