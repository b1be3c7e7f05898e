"""The exit codes."""

from __future__ import annotations

import signal

GOOD, NOT_STARTED, BAD_CONFIGURATION, SOME_FAILED = 0, 1, 2, 3
NOT_WRITTEN = 1
INTERRUPTED = 128 + signal.SIGINT
