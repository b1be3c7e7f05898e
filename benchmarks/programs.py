"""Processes under measurement: started, waited for, and asked for what they have used."""

from __future__ import annotations

import http
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 120.0
READY_EVERY = 0.05
"""Seconds between two looks whether it is ready: each takes CPU from what is waited for."""
ROOT = Path(__file__).parent.parent


class Program:
    """A process, ended at the end of the block; `port` is where it listens."""

    def __init__(
        self, command: Sequence[str], port: int, environ: Mapping[str, str] | None = None, *, root: Path = ROOT
    ) -> None:
        """Start it in the folder of a version; its output goes nowhere but for errors."""
        self.port = port
        self.process = subprocess.Popen(  # noqa: S603  programs of our own choice
            command, stdout=subprocess.DEVNULL, env={**os.environ, **(environ or {})}, cwd=root
        )

    @property
    def pid(self) -> int:
        """The process that does the work."""
        return self.process.pid

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def wait(self) -> None:
        """Wait until it accepts connections."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return
        raise RuntimeError(f"{self.process.args!r} does not listen")

    def wait_until_ready(self) -> None:
        """Wait until it says that it is ready."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.request("GET", "/-/ready")
            status = connection.getresponse().status
            connection.close()
            if status == http.HTTPStatus.OK:
                return
            time.sleep(READY_EVERY)
        raise RuntimeError(f"{self.process.args!r} does not become ready")

    def cpu(self) -> float:
        """CPU seconds used so far by all its threads, from /proc/PID/stat: in steps of a hundredth."""
        return cpu_of(self.pid)

    def rss(self) -> int:
        """Resident memory in bytes."""
        return rss_of(self.pid)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_of(pid: int | str = "self") -> int:
    """Resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def module(name: str, *arguments: object) -> list[str]:
    """The command that runs one of our modules."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def printed(root: Path, name: str, *arguments: object) -> Any:  # noqa: ANN401  what the program printed
    """What one of our modules prints as JSON when it runs against the version in a folder."""
    done = subprocess.run(module(name, *arguments), check=True, capture_output=True, cwd=root)  # noqa: S603  our own
    return json.loads(done.stdout)
