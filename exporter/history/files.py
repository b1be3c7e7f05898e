"""The OpenMetrics files: written in a folder of their own, whole and on the disk before they are moved into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Self

from exporter.formats.exposition import EOF, header
from exporter.history.grid import Grid, Span
from exporter.history.lines import FAMILIES

UNFINISHED = ".unfinished"
_BUFFER = 1 << 20


class Files:
    """Takes lines in any order of families and files; use it as a context. Raises OSError."""

    def __init__(self, output: Path, grid: Grid, spans: list[Span]) -> None:
        self.output, self.folder = output, output / UNFINISHED
        self.names = [grid.file_name(span) for span in spans]
        self._open = ExitStack()
        self._parts: list[list[IO[str]]] = []

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._made = not self.output.exists()
        self.folder.mkdir(parents=True)
        try:
            self._parts = [[self._part(f"{name}.{family.name}") for family in FAMILIES] for name in self.names]
        except OSError:
            self._undo()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Close what is open, and leave nothing of what was not finished: it would fill the disk."""
        if kind is not None:
            self._undo()

    def _undo(self) -> None:
        with suppress(OSError):  # what is buffered does not fit on a full disk
            self._open.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._made:
            with suppress(OSError):
                self.output.rmdir()

    def write(self, family: int, span: int, text: str) -> None:
        """Add lines of a family to the file of a span, both by their numbers."""
        self._parts[span][family].write(text)

    def assemble(self, told: Callable[[float], None]) -> int:
        """Put the families of each file together; returns the bytes of all files, which are on the disk then.

        `told` is called after each family with the share that is done.
        """
        self._open.close()
        size = done = 0
        for name in self.names:
            with (self.folder / name).open("wb") as file:
                for family in FAMILIES:
                    file.write(header(family, openmetrics=True))
                    part = self.folder / f"{name}.{family.name}"
                    with part.open("rb") as lines:
                        shutil.copyfileobj(lines, file, _BUFFER)
                    part.unlink()
                    done += 1
                    told(done / (len(self.names) * len(FAMILIES)))
                file.write(EOF)
                size += file.tell()
                file.flush()
                os.fsync(file.fileno())
        _sync(self.folder)
        return size

    def _part(self, name: str) -> IO[str]:
        part = (self.folder / name).open("w", encoding="utf-8", newline="\n", buffering=_BUFFER)
        return self._open.enter_context(part)


def missing(output: Path, names: Iterable[str]) -> list[str]:
    """The finished files that are neither in place nor waiting for it."""
    return [name for name in names if not (output / UNFINISHED / name).exists() and not (output / name).exists()]


def move(output: Path, names: Iterable[str]) -> None:
    """Move finished files into place; those that are there already stay. Raises OSError."""
    for name in names:
        if (output / UNFINISHED / name).exists():
            (output / UNFINISHED / name).replace(output / name)
    _sync(output)
    shutil.rmtree(output / UNFINISHED, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
