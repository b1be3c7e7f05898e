"""The limit of file descriptors, in processes that may spoil theirs."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from exporter.web.http.connections import Limits
from exporter.web.http.descriptors import affordable
limits = affordable(Limits(per_peer=512, total=1024))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], limits.total, limits.per_peer)
"""


@pytest.mark.parametrize(
    ("soft", "hard", "outcome"),
    [
        (256, 4096, (1280, 1024, 512)),
        (1024, 1024, (1024, 768, 384)),
        (300, 300, (300, 150, 75)),
        (2048, 4096, (2048, 1024, 512)),
    ],
)
def test_the_soft_limit_is_raised_or_the_caps_are_lowered(soft: int, hard: int, outcome: tuple[int, int, int]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert tuple(map(int, done.stdout.split())) == outcome
