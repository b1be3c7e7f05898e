"""Processes of the program and of tests' own modules, started without the second that their imports take.

On Linux a process that has imported everything (`tests.running.forking`) forks for each start. What it forks is a
process as any other: it has its own signals, files and locks, and the test is its parent. A start that could differ is
a plain one: with other variables of Python, and where coverage is measured.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, AnyStr

from tests.running.altered import STARTUP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
_PR_SET_CHILD_SUBREAPER = 36
COMMAND = Path(sys.executable).with_name("circleci-insights-exporter")


class Process(subprocess.Popen[AnyStr]):
    """A Popen for `[COMMAND, ...]` and `[sys.executable, "-m", MODULE, ...]`; all else it starts as Popen does."""

    def _execute_child(self, *given: Any) -> None:
        """What Popen calls to start, with all that it was told; the names are those of the standard library."""
        arguments, cwd, env = [os.fsdecode(each) for each in given[0]], given[5], given[6]
        environment = dict(os.environ if env is None else env)
        what = _forkable(arguments, environment)
        if what is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        stdin, to_child, from_child, stdout, errors, stderr = given[10:16]
        request = {"module": what[0], "arguments": what[1], "cwd": os.fsdecode(cwd or Path.cwd()), "env": environment}
        wanted = [plain if own == -1 else own for own, plain in ((stdin, 0), (stdout, 1), (stderr, 2))]
        self.pid = _forker().fork(request, wanted)
        self._child_created = True
        self._close_pipe_fds(stdin, to_child, from_child, stdout, errors, stderr)  # type: ignore[attr-defined]


def run_to_end(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 240,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, like `subprocess.run`, and give what it wrote."""
    pipe = subprocess.PIPE
    with Process(list(map(str, arguments)), cwd=cwd, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def command(
    *arguments: str,
    folder: Path,
    token: str | None = None,
    program: tuple[str, ...] = (str(COMMAND),),
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, with a token in the environment if one is given, and more variables."""
    environment = {name: value for name, value in os.environ.items() if name != "CIRCLECI_TOKEN"} | environ
    if token is not None:
        environment["CIRCLECI_TOKEN"] = token
    return run_to_end([*program, *arguments], cwd=folder, env=environment)


def _forkable(arguments: list[str], environment: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """Module and arguments, if a fork is the same as a plain start."""
    if sys.platform != "linux" or "COVERAGE_PROCESS_CONFIG" in environment:
        return None
    if not _of_python(environment).items() <= _of_python(os.environ).items():
        return None
    if arguments[0] == str(COMMAND):
        return "", arguments
    if arguments[:2] == [sys.executable, "-m"]:
        return arguments[2], arguments[2:]
    return None


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are read before the first line of a program, but for those that a fork honours too."""
    found = {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    return {name: value for name, value in found.items() if (name, value) != ("PYTHONPATH", str(STARTUP))}


class _Forker:
    """The process that forks. It ends when this one closes the socket between them, or is gone."""

    def __init__(self) -> None:
        # What it forks is orphaned at once, and becomes a child of this process.
        assert ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        line = (
            f"import sys; sys.path.append({str(ROOT)!r}); from tests.running.forking import main; main({its.fileno()})"
        )
        with its:
            self._process = subprocess.Popen([sys.executable, "-P", "-c", line], pass_fds=[its.fileno()])

    def fork(self, request: object, files: list[int]) -> int:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], files)
            return int(self._socket.recv(32))

    def stop(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def _forker() -> _Forker:
    """Start it with the first process that a worker of pytest wants."""
    forker = _Forker()
    atexit.register(forker.stop)
    return forker
