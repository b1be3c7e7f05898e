"""The process that has imported everything, and forks for each start (`tests.running.starting`)."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import exporter
from exporter.cli import main as command
from tests.running.altered import STARTUP

if TYPE_CHECKING:
    from collections.abc import Iterator

FOR_TESTS = ("tests.circleci.__main__", "tests.web.crowd", "tests.web.hosting")


def main(descriptor: int) -> None:
    """Fork until the socket is closed; in what was forked, do what was asked for."""
    for module in [*_modules(), *FOR_TESTS]:
        importlib.import_module(module)
        sys.modules.pop(module) if module in FOR_TESTS else None
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as requests:
        asked = next((asked for asked in _asked(requests)), None)
    if asked is None:
        return
    sys.argv = asked["arguments"]
    if asked["module"]:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    else:
        command()


def _modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if not found.name.endswith("__main__"):
            yield found.name


def _asked(requests: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield what is asked for, in a process of its own; nothing in this one, once the socket is closed."""
    while True:
        content, files, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not content:
            return
        told, telling = os.pipe()
        between = os.fork()
        if between == 0:
            if child := os.fork():
                os.write(telling, str(child).encode())
                os._exit(0)
            asked = json.loads(content)
            _become(asked, files)
            for each in (told, telling):
                os.close(each)
            yield asked
            return
        os.waitpid(between, 0)  # afterwards it is a child of the one that asked
        requests.send(os.read(told, 32))
        for each in (*files, told, telling):
            os.close(each)


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """Take over its files, folder and environment."""
    for number, each in enumerate(files):
        os.dup2(each, number)
    for each in files:
        os.close(each)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    if os.environ.get("PYTHONPATH") == str(STARTUP):
        importlib.import_module("tests.running.startup.sitecustomize")
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
