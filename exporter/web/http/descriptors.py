"""File descriptors: each connection takes one, and the usual limit of 1024 is less than what the caps allow."""

from __future__ import annotations

import resource
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.web.http.connections import Limits

# For everything else in the process: the API's connections, the state file, the logs.
OTHERS = 256


def affordable(limits: Limits) -> Limits:
    """Raise the soft limit as far as the caps need it, as Go programs do, or lower the caps to what is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.total + OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        # Half of what little there is, when it is less than what the others may need.
        total = min(limits.total, max(soft - OTHERS, soft // 2))
        limits = replace(limits, total=total, per_peer=min(limits.per_peer, max(1, total // 2)))
    return limits
