"""Signals arrive, however many threads there are to take them."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Threads that come and go take signals from the main thread: of those that only it can hear, one in 15 is lost.
CROWDED = """
import os, queue, signal, threading, time
from exporter.system.signals import on_signals

heard = queue.SimpleQueue()
on_signals({signal.SIGHUP: lambda: heard.put(b"h"), signal.SIGTERM: lambda: heard.put(b"t")})

def churn():
    while True:
        thread = threading.Thread(target=time.sleep, args=(0,))
        thread.start()
        thread.join()

for _ in range(3):
    threading.Thread(target=churn, daemon=True).start()
os.write(1, b"r")
while True:
    os.write(1, heard.get())
"""


@pytest.fixture
def crowded() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", CROWDED], stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


def test_no_signal_is_lost_while_threads_come_and_go(crowded: subprocess.Popen[bytes]) -> None:
    assert crowded.stdout is not None
    assert crowded.stdout.read(1) == b"r"
    for _ in range(150):
        for number, letter in ((signal.SIGHUP, b"h"), (signal.SIGTERM, b"t")):
            crowded.send_signal(number)
            assert crowded.stdout.read(1) == letter
