"""The lines that were shown, in a file beside the state file: it saves the next start from rendering them.

What it says is in the state file as well. So it may be missing, deleted, damaged or of another version at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

from exporter.system.logs import Logger
from exporter.telemetry import Telemetry

SUFFIX, UNFINISHED = ".lines", ".lines.new"
KIND = "lines"
_DIGEST = 32

Value = TypeVar("Value")


class LinesFile:
    """The file beside the state file at a path; with None there is none."""

    def __init__(self, path: Path | None, made_by: bytes, telemetry: Telemetry, log: Logger) -> None:
        """`made_by` is a digest of the program: another might write other lines. Nothing is kept without it."""
        self._path, self._made_by = path if made_by else None, made_by
        self._damaged, self._log = telemetry.state_damaged.labels(KIND), log
        self._failing = False

    @property
    def keeps(self) -> bool:
        return self._path is not None

    def read(self, parse: Callable[[BinaryIO], Value], otherwise: Value) -> Value:
        """What `parse` makes of what was written last; `otherwise` where there is nothing, or it was damaged."""
        if self._path is None:
            return otherwise
        try:
            with Path(f"{self._path}{SUFFIX}").open("rb") as file:
                maker, seal = file.read(_DIGEST), file.read(_DIGEST)
                if maker != self._made_by:
                    return otherwise
                start = file.tell()
                if file_digest(file, "sha256").digest() != seal:
                    raise ValueError("the checksum is another")  # noqa: TRY301  counted with all else
                file.seek(start)
                return parse(file)
        except FileNotFoundError:
            return otherwise
        except Exception as problem:  # noqa: BLE001  damage can raise anything, and all of it is counted
            self._damaged.inc()
            self._log.warning(
                "the lines beside the state file cannot be read; they are rendered again", problem=str(problem)
            )
            return otherwise

    def write(self, pieces: Sequence[bytes]) -> None:
        """Replace what was written; where that fails, the next start finds what was there before."""
        if self._path is None:
            return
        seal, unfinished = sha256(), Path(f"{self._path}{UNFINISHED}")
        for piece in pieces:
            seal.update(piece)
        try:
            unfinished.touch(0o600)
            with unfinished.open("wb") as file:
                file.writelines((self._made_by, seal.digest(), *pieces))
            unfinished.replace(f"{self._path}{SUFFIX}")
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            if not self._failing:
                self._log.warning("the lines beside the state file cannot be written", error=str(error))
            self._failing = True
        else:
            self._failing = False
