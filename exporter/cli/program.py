"""The program around its commands: how Ctrl-C ends it, and what it says where its output takes nothing.

The commands are imported only after that is settled: it is most of what a start does.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from exporter.cli.codes import INTERRUPTED, NOT_WRITTEN
from exporter.errors import OutputError
from exporter.system.garbage import collection_paused

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def main() -> None:
    """Run the command that the arguments name."""
    signal.signal(signal.SIGINT, _interrupted)  # until a command has something to stop
    sys.stdout, sys.stderr = _output(), sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    with collection_paused():  # what is imported stays
        from exporter.cli.command import main as commands  # noqa: PLC0415  see above
    try:
        commands()
    except OutputError as error:
        with suppress(OSError):
            os.write(2, f"{error}\n".encode())
        os._exit(NOT_WRITTEN)  # what is left to write is not tried again


def _interrupted(*_: object) -> NoReturn:
    os._exit(INTERRUPTED)


def _output() -> io.TextIOWrapper:
    """Standard output, whose errors are told from those of every other file."""
    while (spare := os.open(os.devnull, os.O_RDONLY)) <= 2:  # noqa: PLR2004  a closed one would be the next file's
        pass
    os.close(spare)
    raw = _Output(1, "w", closefd=False)
    usual = sys.stdout or io.TextIOWrapper(io.BytesIO())  # none where it is closed
    return io.TextIOWrapper(io.BufferedWriter(raw), usual.encoding, usual.errors, line_buffering=raw.isatty())


class _Output(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {error.strerror}") from None
