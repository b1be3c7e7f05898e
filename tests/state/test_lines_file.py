from __future__ import annotations

import os
import stat
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest
from prometheus_client import generate_latest

from exporter.state.lines_file import LinesFile
from exporter.telemetry import Telemetry
from tests.state.making import Log

MAKER, PIECES = b"m" * 32, [b"some ", b"lines"]
FAILURES = 'circleci_exporter_state_lines_failures_total{operation="%s"}'
UNREADABLE = "cannot read the lines beside the state file; they are rendered again"
UNWRITABLE = "cannot write the lines beside the state file; the next start renders them again"


class Beside:
    """The file beside a state file, with what is counted and logged."""

    def __init__(self, path: Path | None, made_by: bytes = MAKER) -> None:
        self.log, telemetry = Log(), Telemetry("1", [])
        self._registry = telemetry.registry
        self.file = LinesFile(path, made_by, telemetry, self.log)  # type: ignore[arg-type]

    def read(self) -> bytes | None:
        return self.file.read(lambda data: data.read(), None)

    def write(self, *pieces: bytes) -> None:
        self.file.write(lambda: pieces)

    @property
    def failures(self) -> tuple[float, float]:
        """How often it could not be read, and not be written."""
        text = generate_latest(self._registry).decode().splitlines()
        ends = [line.rpartition(" ") for line in text]
        values = {head: float(value) for head, _, value in ends if head.startswith(FAILURES.partition("%")[0])}
        return values[FAILURES % "read"], values[FAILURES % "write"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def lines(path: Path) -> Path:
    return Path(f"{path}.lines")


def test_what_was_written_last_is_read(path: Path) -> None:
    Beside(path).write(b"older and longer lines")
    Beside(path).write(*PIECES)
    found = Beside(path)
    assert (found.read(), found.failures, found.log.told()) == (b"some lines", (0, 0), [])
    assert [each.name for each in path.parent.iterdir()] == ["state.db.lines"]


def test_only_its_user_may_read_it(path: Path) -> None:
    Beside(path).write(*PIECES)
    assert stat.S_IMODE(lines(path).stat().st_mode) == 0o600


def test_there_may_be_no_file(path: Path) -> None:
    found = Beside(path)
    assert (found.read(), found.failures, found.log.told()) == (None, (0, 0), [])


@pytest.mark.parametrize("made_by", [b"o" * 32, b""])
def test_what_another_program_wrote_is_not_read(path: Path, made_by: bytes) -> None:
    Beside(path).write(*PIECES)
    found = Beside(path, made_by)
    assert (found.read(), found.failures, found.log.told()) == (None, (0, 0), [])


def test_nothing_is_written_without_a_state_file_or_where_the_program_cannot_be_told(path: Path) -> None:
    for found in (Beside(None), Beside(path, b"")):
        found.write(*PIECES)
        assert found.read() is None
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("seed", range(30))
def test_damage_anywhere_is_noticed_and_counted(path: Path, seed: int) -> None:
    Beside(path).write(*PIECES)
    content, random = bytearray(lines(path).read_bytes()), Random(seed)  # noqa: S311  nothing secret hangs on it
    place = random.randrange(len(MAKER), len(content))
    content[place] ^= 1 << random.randrange(8)
    lines(path).write_bytes(content[: place + 1] if seed % 3 == 0 else content)
    found = Beside(path)
    assert (found.read(), found.failures) == (None, (1, 0))
    assert found.log.told() == [UNREADABLE]


@pytest.mark.parametrize("left", [0, 1, 31, 32, 63, 64, 70])
def test_a_file_that_was_cut_says_nothing(path: Path, left: int) -> None:
    Beside(path).write(*PIECES)
    lines(path).write_bytes(lines(path).read_bytes()[:left])
    assert Beside(path).read() is None


def test_what_cannot_be_understood_is_counted(path: Path) -> None:
    Beside(path).write(*PIECES)
    found = Beside(path)

    def refuse(data: BinaryIO) -> str:
        raise KeyError(data.read())

    assert (found.file.read(refuse, "nothing"), found.failures) == ("nothing", (1, 0))


def test_a_folder_in_its_place_is_logged_once_and_stops_nothing(path: Path) -> None:
    lines(path).mkdir()
    found = Beside(path)
    for _ in range(2):
        found.write(*PIECES)
    assert (found.failures, found.log.told()) == ((0, 2), [UNWRITABLE])
    assert [each.name for each in path.parent.iterdir()] == ["state.db.lines"], "what was begun is gone"
    assert found.read() is None
    lines(path).rmdir()
    found.write(*PIECES)
    assert (found.read(), found.failures) == (b"some lines", (1, 2))
    lines(path).unlink()
    lines(path).mkdir()
    found.write(*PIECES)
    assert (found.failures, found.log.told()) == ((1, 3), [UNWRITABLE] * 2)


def test_nobody_waits_for_a_pipe_in_their_places_and_no_link_is_followed(path: Path) -> None:
    os.mkfifo(lines(path))
    os.mkfifo(f"{path}.lines.new")
    found = Beside(path)
    assert (found.read(), found.failures) == (None, (1, 0))
    found.write(*PIECES)
    assert found.read() == b"some lines"
    other = path.with_name("other")
    other.write_bytes(b"of somebody else")
    Path(f"{path}.lines.new").symlink_to(other)
    found.write(b"more lines")
    assert (found.read(), other.read_bytes()) == (b"more lines", b"of somebody else")
    assert not lines(path).is_symlink()


def test_lines_that_cannot_be_made_are_counted_and_leave_what_was_there(path: Path) -> None:
    found = Beside(path)
    found.write(*PIECES)

    def fail() -> list[bytes]:
        raise KeyError("a family")

    found.file.write(fail)
    assert (found.read(), found.failures, found.log.told()) == (b"some lines", (0, 1), [UNWRITABLE])
