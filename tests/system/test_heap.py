"""Threads share one heap of the C library."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from exporter.system.heap import share_one_heap

if sys.argv[1] == "shared":
    assert share_one_heap()
started = threading.Barrier(4)

def work():
    started.wait()
    kept.append([bytearray(50_000) for _ in range(20)])

kept = []
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def heaps(how: str) -> int:
    """How many heaps a process with four busy threads has, by glibc's own account."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True)
    return done.stdout.count(b"<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_threads_share_one_heap_where_each_had_its_own() -> None:
    assert heaps("own") > 1
    assert heaps("shared") == 1
