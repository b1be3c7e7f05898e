"""Opening the state file: one process at a time, nothing foreign, nothing broken, nothing lost.

SQLite's exclusive locking mode holds the file for one process: the lock is the kernel's, so that it ends
with the process however that ends, and WAL then needs no shared memory of the mount.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from structlog.stdlib import BoundLogger

from exporter.errors import StartError
from exporter.state import versions
from exporter.telemetry import Telemetry

APPLICATION_ID = 0x43494558
LOCK_WAIT = 1.0
"""Seconds for which the start waits for the process before it to let go of the file."""
WAL_LIMIT = 16 * 1024 * 1024
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT}
"""What statements that are right fail with on a file that is wrong."""
FOREIGN = "it belongs to another program"
_PRIMARY = 0xFF  # the low byte of an extended error code
_HEADER = 100
_MAGIC = b"SQLite format 3\0"
_OWNER = slice(68, 72)  # PRAGMA application_id in the file's header


class _Unusable(Exception):  # noqa: N818  raised and caught here
    """The file is not ours, or no longer whole."""


def connect(path: Path | None, telemetry: Telemetry, log: BoundLogger) -> tuple[sqlite3.Connection, bool]:
    """Open the file, or memory for None; also returns whether what is written there will last.

    A file that is broken or not ours is moved aside, one that cannot be written is copied to memory.
    Raises StartError when another process holds it, when it is of a newer version, or has no folder.
    """
    if path is None:
        return _memory(), True
    problem: Exception
    path = Path(os.path.realpath(path))  # where SQLite has what stands beside the file, too; a link may dangle
    try:
        if not path.parent.is_dir():
            raise StartError(f"state file {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise StartError(f"state file {path} is a folder")
        try:
            return _usable(path, telemetry, log), True
        except _Unusable as found:
            problem = found
        aside = _move_aside(path)
        telemetry.state_moved_aside.inc()
        log.error("the state file cannot be used and was moved aside", path=str(path), to=aside, problem=str(problem))
        return _usable(path, telemetry, log), True
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_BUSY:
            raise StartError(f"state file {path} is in use by another process") from None
        problem = error
    log.error(
        "the state file cannot be written; nothing lasts until the next start", path=str(path), error=str(problem)
    )
    return _copy(path, telemetry, log), False


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def _usable(path: Path, telemetry: Telemetry, log: BoundLogger) -> sqlite3.Connection:
    """Open the file, hold it, and verify or make what is in it."""
    if path.exists():
        _recognize(path)
    else:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
        connection.execute("BEGIN IMMEDIATE")  # takes the lock that the locking mode then keeps
        _verify(connection, telemetry, log)
        connection.execute("COMMIT")
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.DatabaseError) and _code(error) in _BROKEN:
            raise _Unusable(str(error)) from None
        if isinstance(error, UnicodeDecodeError):  # SQLite's own message has damaged names in it
            raise _Unusable("its tables have no readable names") from None
        raise
    return connection


def _recognize(path: Path) -> None:
    """Raise _Unusable for a file of another program, before a byte of it is changed."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise _Unusable("it is no database")
    owner = int.from_bytes(header[_OWNER], "big")
    if owner not in {APPLICATION_ID, 0}:
        raise _Unusable(FOREIGN)
    if not owner:  # a new file whose tables are still in the log beside it, or another program's
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            try:
                (entries,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise _Unusable(str(error)) from None
        if entries:
            raise _Unusable(FOREIGN)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.text_factory = _text
    for setting in (
        "locking_mode = EXCLUSIVE",
        "journal_mode = WAL",  # a mount that cannot do it stays with a journal that is as safe
        "synchronous = FULL",
        f"journal_size_limit = {WAL_LIMIT}",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _text(stored: bytes) -> str:
    """Text as it is stored; what is no UTF-8 is refused by whoever reads it, not by the statement."""
    return stored.decode(errors="surrogateescape")


def _verify(connection: sqlite3.Connection, telemetry: Telemetry, log: BoundLogger) -> None:
    """Make the tables, or check them and bring those of an older version up to date."""
    owner, number, tables = (
        connection.execute(query).fetchone()[0]
        for query in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_master WHERE type = 'table'",
        )
    )
    if not (owner or number or tables):
        _create(connection)
        return
    if owner != APPLICATION_ID:
        raise _Unusable(FOREIGN)
    try:
        version, number = versions.found(connection)
    except versions.NoVersionError as problem:
        raise _Unusable(str(problem)) from None
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise _Unusable(found)
    if (version, number) != (versions.VERSION, versions.VERSION):
        versions.upgrade(connection, version)
    if version != number:
        telemetry.state_damaged.labels("version").inc()
        log.error("the damaged version of the state file was repaired", found=number, version=version)


def _create(connection: sqlite3.Connection) -> None:
    versions.create(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _move_aside(path: Path) -> str:
    """Rename the file and what belongs to it; returns the new name."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    path.rename(aside)
    for suffix in ("-wal", "-shm", "-journal"):
        beside = Path(f"{path}{suffix}")
        if beside.exists():
            beside.rename(f"{aside}{suffix}")
    return str(aside)


def _memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _prepare(connection)
    _create(connection)
    return connection


def _copy(path: Path, telemetry: Telemetry, log: BoundLogger) -> sqlite3.Connection:
    """The file's content in memory, or nothing where it cannot be read.

    Reading takes a lock and makes files beside it, so it is done on a copy.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, path.name)
            for suffix in ("", "-wal"):
                if Path(f"{path}{suffix}").exists():
                    shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            with closing(sqlite3.connect(copy)) as file:
                file.backup(connection)
        _prepare(connection)
        _verify(connection, telemetry, log)
    except (OSError, sqlite3.Error, UnicodeDecodeError, _Unusable):
        connection.close()
        return _memory()
    return connection
