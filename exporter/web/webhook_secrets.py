"""The secrets that webhooks are signed with: one a line, each of them valid, so that one can follow another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from exporter.config import Secret, file_error
from exporter.errors import ConfigError
from exporter.system.file_watch import FileWatch
from exporter.web.http.incidents import Log

VARIABLE: Final = "CIRCLECI_WEBHOOK_SECRET"
KEY: Final = "webhooks.secret_file"
LARGEST_FILE: Final = 64 * 1024
MOST: Final = 16
"""Secrets at once: an unsigned body is compared with each."""
LOOK_EVERY: Final = 1.0
HINT: Final = f"it must hold 1 to {MOST} secrets, one per line, in UTF-8"


def webhook_secrets(file: Path | None, environ: Mapping[str, str], log: Log) -> WebhookSecrets | None:
    """Return the secrets of the file or else of the environment; None where neither is set. Raise ConfigError."""
    return WebhookSecrets(file, environ, log) if file or VARIABLE in environ else None


class WebhookSecrets:
    """The secrets as they are now: a file is read again after it has changed, at most once a second.

    A file that is missing, empty or unreadable, as one may be in the middle of a rotation, leaves the last good
    secrets in use. Safe from any thread.
    """

    def __init__(
        self, file: Path | None, environ: Mapping[str, str], log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file, or CIRCLECI_WEBHOOK_SECRET without one. Raise ConfigError where neither has a secret."""
        self._file, self._log, self._clock = file, log, clock
        self._lock = threading.Lock()
        self._watch = FileWatch(*([file] if file else []))
        self._secrets = _of_file(file) if file else _of_text(environ.get(VARIABLE, ""), "environment", VARIABLE)
        self._looked = clock()

    def current(self) -> tuple[Secret, ...]:
        """Return every secret that is valid now. It may read a file."""
        with self._lock:
            now = self._clock()
            if self._file and now - self._looked >= LOOK_EVERY:
                self._looked = now
                if self._watch.changed():
                    self._read(self._file)
            return self._secrets

    def _read(self, file: Path) -> None:
        try:
            self._secrets = _of_file(file)
        except ConfigError as error:
            self._log.error("webhook secrets not reloaded", error=str(error))
        else:
            self._log.info("webhook secrets reloaded", file=str(file), secrets=len(self._secrets))


def _of_file(file: Path) -> tuple[Secret, ...]:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError.of(str(file), KEY, file_error(error)) from None
    if len(content) > LARGEST_FILE:
        raise ConfigError.of(str(file), KEY, f"more than {LARGEST_FILE} bytes", HINT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:  # out here, or the error would keep the one that keeps the secrets
        raise ConfigError.of(str(file), KEY, "bytes that are not UTF-8", HINT)
    return _of_text(text, str(file), KEY)


def _of_text(text: str, place: str, path: str) -> tuple[Secret, ...]:
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    if not lines:
        raise ConfigError.of(place, path, "no secret", HINT)
    if len(lines) > MOST:
        raise ConfigError.of(place, path, f"{len(lines)} secrets", HINT)
    if not all(line.isprintable() for line in lines):
        raise ConfigError.of(place, path, "a control character", HINT)
    return tuple(map(Secret, lines))
