"""Connecting to the database, and what it means when that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import ClientCursor, conninfo

from exporter.config import StateSettings
from exporter.errors import ExporterError, StartError

PROGRAM: Final = "circleci-insights-exporter"
# Before a session exists, the protocol's library passes on no error code, only the server's words.
_REFUSED: Final = re.compile(
    r"authentication failed|authentication method|no password supplied|no pg_hba\.conf entry"
    r"|role .* does not exist|not permitted to log in|no such user|database .* does not exist|no such database"
    r"|permission denied for database|certificate|SSL was required|does not support SSL"
    r"|could not read password|invalid sslmode|invalid (?:integer|port|connection|URI)",
    re.IGNORECASE,
)
_UTF8: Final = {"utf-8", "utf8"}

Connection = psycopg.Connection[tuple[object, ...]]


class UnreachableError(ExporterError):
    """The database cannot be used now; later it may be."""


class BusyError(UnreachableError):
    """What is under way in the database has to end first."""


class Unusable(psycopg.OperationalError):
    """What is configured cannot be used."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where the database is, and how long one attempt to connect may take, in seconds."""

    url: str
    password_file: Path | None
    timeout: float

    @classmethod
    def of(cls, settings: StateSettings) -> Login:
        assert settings.url is not None  # noqa: S101  nobody asks without it
        return cls(settings.url, settings.password_file, max(2.0, min(5.0, settings.lease / 6)))

    def connect(self) -> Connection:
        """Log in. Raises psycopg.Error."""
        given = {"application_name": PROGRAM, **conninfo.conninfo_to_dict(self.url)}
        password = self._password()
        if password is not None:
            given["password"] = password
        made = conninfo.make_conninfo("", **{**given, "connect_timeout": int(self.timeout)})
        # Values are put into the text of statements: prepared ones would live in a session.
        connection = psycopg.connect(made, autocommit=True, prepare_threshold=None, cursor_factory=ClientCursor)
        if connection.info.encoding not in _UTF8:
            connection.close()
            raise Unusable(f"the database has the encoding {connection.info.encoding}; use UTF8")
        return connection

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise Unusable(f"{self.password_file}: {why.lower()}") from None


def is_refusal(error: psycopg.Error) -> bool:
    """Whether waiting does not help: the login is refused, the database is not there, a parameter is wrong."""
    return isinstance(error, psycopg.ProgrammingError | Unusable) or bool(_REFUSED.search(str(error)))


def words(error: Exception) -> str:
    """An error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def reach() -> Iterator[None]:
    """Raise UnreachableError for what the driver raises."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise BusyError(words(error)) from None
    except psycopg.Error as error:
        raise UnreachableError(words(error)) from None


@contextmanager
def first_contact() -> Iterator[None]:
    """Raise StartError for what waiting does not help against, UnreachableError for anything else of the driver's."""
    try:
        yield
    except psycopg.Error as error:
        if is_refusal(error) or not isinstance(error, psycopg.OperationalError):
            raise StartError(f"state.url: {words(error)}") from None
        raise UnreachableError(words(error)) from None
