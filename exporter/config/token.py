"""The API token: where it comes from, how it is kept out of logs, and how a new one is noticed."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from exporter.config.document import file_error
from exporter.config.file import CircleCI
from exporter.errors import ConfigError
from exporter.system.file_watch import FileWatch, WatchedFile

VARIABLE: Final = "CIRCLECI_TOKEN"
LONGEST: Final = 4096

_TOKEN: Final = re.compile(rb"[\x21-\x7e]+")
_LOOKS_LIKE_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,}")


class Secret:
    """Text that is shown only on request: never in logs, reprs, tracebacks or pickles."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def read_token(circleci: CircleCI, environ: Mapping[str, str]) -> Secret:
    """Return the token of `token_file` if that is set, else of CIRCLECI_TOKEN. Raise ConfigError if there is none."""
    if circleci.token_file:
        return _of_file(circleci.token_file)
    token = _examined(environ.get(VARIABLE, "").encode("utf-8", "surrogateescape"))
    if isinstance(token, Secret):
        return token
    if VARIABLE in environ:
        raise ConfigError.of("environment", VARIABLE, token, "set it to one CircleCI API token")
    raise ConfigError.of("environment", VARIABLE, "no API token", "set it, or circleci.token_file in the configuration")


class TokenSource(WatchedFile[Secret]):
    """The token as it is now."""

    def __init__(
        self, circleci: CircleCI, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ConfigError where there is no token."""
        self._circleci, self._environ = circleci, environ
        super().__init__(FileWatch(*([circleci.token_file] if circleci.token_file else [])), clock)

    def _read(self) -> Secret:
        return read_token(self._circleci, self._environ)


def _of_file(file: Path) -> Secret:
    shown = str(file.with_name("***") if _LOOKS_LIKE_TOKEN.fullmatch(file.name) else file)
    try:
        with file.open("rb") as stream:
            token = _examined(stream.read(LONGEST + 1).removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise ConfigError.of(shown, "circleci.token_file", file_error(error)) from None
    if isinstance(token, Secret):
        return token
    raise ConfigError.of(
        shown, "circleci.token_file", token, "the file must hold one CircleCI API token and nothing else"
    )


def _examined(content: bytes) -> Secret | str:
    """Return the token, or what is wrong with the content. Raises nothing: a traceback could show it."""
    stripped = content.strip()
    if not stripped:
        return "empty"
    if len(content) > LONGEST:
        return f"longer than {LONGEST} bytes"
    if not _TOKEN.fullmatch(stripped):
        return "contains spaces, control characters or non-ASCII letters"
    return Secret(stripped.decode("ascii"))
