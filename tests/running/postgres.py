"""A real PostgreSQL on loopback, started by the tests as a user without rights, and addresses of databases in it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from exporter.state.postgres.login import Login
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = "/usr/lib/postgresql"
USERS = ("postgres", "nobody")


def find_server() -> Path | None:
    """The folder of PostgreSQL's programs: of the newest version that Debian has installed, or on the path."""
    found = sorted(Path(FOLDERS).glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def unprivileged() -> dict[str, Any]:
    """What to start a program with that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in USERS if name in known)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Address:
    """A database of a server."""

    url: str

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own; returns what it found."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def login(self) -> Login:
        return Login(self.url, None, PATIENCE)


@dataclass
class Server:
    """Runs from `__enter__` to `__exit__`; `settings` are those of postgresql.conf."""

    programs: Path
    settings: dict[str, str] = field(default_factory=dict)
    login: str = "host all all all trust\n"
    port: int = field(default_factory=free_port)
    _numbers: Any = field(default_factory=lambda: count(1))

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as = unprivileged()
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        data = self.folder / "data"
        made: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run([*made, "--no-sync"], check=True, capture_output=True, cwd=self.folder, **self._as)
        (data / "pg_hba.conf").write_text(self.login)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, also again."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
            "autovacuum": "off",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as,
            )
        wait_until(self.answers, why="PostgreSQL to answer")

    def stop(self) -> None:
        """Stop it at once, its sessions too."""
        with suppress(ProcessLookupError):
            self.process.terminate() if self.process.poll() is None else None
            self.process.send_signal(2)  # fast: sessions are ended
        self.process.wait(PATIENCE)

    def copy(self) -> Path:
        """A copy of all that it holds now."""
        copied = self.folder / "older"
        self.stop()
        shutil.copytree(self.folder / "data", copied)
        self.start()
        return copied

    def fail_over(self, copied: Path) -> None:
        """Put an older copy in the place of what it holds."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        copied.rename(self.folder / "data")
        if self._as:
            for path in (self.folder / "data", *(self.folder / "data").rglob("*")):
                os.chown(path, self._as["user"], self._as["group"], follow_symlinks=False)
        self.start()

    def dump(self, database: Address) -> Path:
        """A dump of a database."""
        file = self.folder / "state.dump"
        subprocess.run([self.programs / "pg_dump", "--format=custom", "--file", file, database.url], check=True)
        return file

    def restore(self, database: Address, file: Path) -> None:
        """Put a dump in the place of what a database holds."""
        options = ["--clean", "--if-exists", "--single-transaction"]
        subprocess.run([self.programs / "pg_restore", *options, "--dbname", database.url, file], check=True)

    def answers(self) -> bool:
        """Whether one can log in."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=int(PATIENCE)).close()
        except psycopg.OperationalError as error:
            return "does not support SSL" in str(error) or "password" in str(error)
        return True

    def url(self, database: str, user: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def database(self) -> Address:
        """A new database."""
        name = f"state_{next(self._numbers)}"
        Address(self.url("postgres")).run(f"CREATE DATABASE {name}")
        return Address(self.url(name))


def emptied(database: Address) -> Address:
    """A database with nothing in its tables, as if they had just been made: faster than a new one."""
    [(tables,)] = database.run(
        "SELECT string_agg(tablename, ', ') FROM pg_tables"
        " WHERE schemaname = 'public' AND tablename <> 'circleci_exporter_schema'"
    )
    if tables:
        database.run(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    return database
