"""Programs that a test starts, and ends whatever happens."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def fetch(url: str, timeout: float = PATIENCE) -> bytes:
    """The body of a good answer; another one is a ConnectionError with its text."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        with error:
            raise ConnectionError(f"{url}: {error.code} {error.read().decode()}") from None


def query(url: str, path: str, **parameters: str | float) -> Any:
    """The data of an answer of Prometheus' API; an error of a query is a ConnectionError."""
    return json.loads(fetch(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]


@contextmanager
def running(
    command: Sequence[str | Path], ready: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program, from when `ready` is answered; its output is in `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            wait_until(
                lambda: process.poll() is not None or fetch(ready), interval=0.05, why=f"{command[0]} at {ready}"
            )
            assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
