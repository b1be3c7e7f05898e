"""The lines that were shown, in a file beside the state file: it saves the next start from rendering them.

What it says is in the state file as well. So it may be missing, deleted, damaged or of another version at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, get_args

from exporter.system.logs import Logger
from exporter.telemetry import Telemetry

SUFFIX, UNFINISHED = ".lines", ".lines.new"
Operation = Literal["read", "write"]
"""Label `operation`."""
_EVENTS: Mapping[Operation, str] = {
    "read": "cannot read the lines beside the state file; they are rendered again",
    "write": "cannot write the lines beside the state file; the next start renders them again",
}
_DIGEST = 32

Value = TypeVar("Value")


class LinesFile:
    """The file beside the state file at a path; with None there is none."""

    def __init__(self, path: Path | None, made_by: bytes, telemetry: Telemetry, log: Logger) -> None:
        """`made_by` is a digest of the program: another might write other lines. Nothing is kept without it."""
        self._path, self._made_by = path if made_by else None, made_by
        self._failures, self._log = telemetry.lines_failures, log
        self._failing = False
        for operation in get_args(Operation):
            self._failures.labels(operation)

    def read(self, parse: Callable[[BinaryIO], Value], otherwise: Value) -> Value:
        """What `parse` makes of what was written last; `otherwise` where there is nothing, or it was damaged."""
        if self._path is None:
            return otherwise
        try:
            place = Path(f"{self._path}{SUFFIX}")
            if place.exists() and not place.is_file():  # whoever opens a pipe waits
                raise ValueError("it is no regular file")  # noqa: TRY301  counted with all else
            with place.open("rb") as file:
                maker, seal = file.read(_DIGEST), file.read(_DIGEST)
                if maker != self._made_by:
                    return otherwise
                start = file.tell()
                if file_digest(file, "sha256").digest() != seal:
                    raise ValueError("the checksum is another")  # noqa: TRY301
                file.seek(start)
                return parse(file)
        except FileNotFoundError:
            return otherwise
        except Exception as problem:  # noqa: BLE001  damage can raise anything, and all of it is counted
            self._failed("read", problem)
            return otherwise

    def write(self, make: Callable[[], Sequence[bytes]]) -> None:
        """Replace what was written by the pieces that `make` makes; where that fails, what was there before stays."""
        if self._path is None:
            return
        unfinished = Path(f"{self._path}{UNFINISHED}")
        try:
            pieces, seal = make(), sha256()
            for piece in pieces:
                seal.update(piece)
            unfinished.unlink(missing_ok=True)
            unfinished.touch(0o600, exist_ok=False)
            with unfinished.open("wb") as file:
                file.writelines((self._made_by, seal.digest(), *pieces))
            unfinished.replace(f"{self._path}{SUFFIX}")
        except Exception as problem:  # noqa: BLE001  the next start renders what it does not find
            with suppress(OSError):
                unfinished.unlink()
            self._failed("write", problem)
        else:
            self._failing = False

    def delete(self) -> None:
        """Delete what was written last."""
        if self._path is None:
            return
        try:
            Path(f"{self._path}{SUFFIX}").unlink(missing_ok=True)
        except OSError as problem:
            self._failed("write", problem)

    def _failed(self, operation: Operation, problem: Exception) -> None:
        """Count it, and log the first one in a row."""
        self._failures.labels(operation).inc()
        if not self._failing:
            self._log.warning(_EVENTS[operation], problem=str(problem) or type(problem).__name__)
        self._failing = True
