"""The secrets that webhooks are signed with: one a line, each of them valid, so that one can follow another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from exporter.config import Secret, file_error
from exporter.errors import ConfigError
from exporter.system.file_watch import FileWatch, WatchedFile
from exporter.web.http.incidents import Log

VARIABLE: Final = "CIRCLECI_WEBHOOK_SECRET"
KEY: Final = "webhooks.secret_file"
LARGEST_FILE: Final = 64 * 1024
MOST: Final = 16
"""Secrets at once: an unsigned body is compared with each."""
HINT: Final = f"it must hold 1 to {MOST} secrets, one per line, in UTF-8"


def webhook_secrets(file: Path | None, environ: Mapping[str, str], log: Log) -> WebhookSecrets | None:
    """Return the secrets of the file or else of the environment; None where neither is set. Raise ConfigError."""
    return WebhookSecrets(file, environ, log) if file or VARIABLE in environ else None


class WebhookSecrets(WatchedFile[tuple[Secret, ...]]):
    """Every secret that is valid now."""

    def __init__(
        self, file: Path | None, environ: Mapping[str, str], log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file, or CIRCLECI_WEBHOOK_SECRET without one. Raise ConfigError where neither has a secret."""
        self._file, self._environ, self._log = file, environ, log
        super().__init__(FileWatch(*([file] if file else [])), clock)

    def _read(self) -> tuple[Secret, ...]:
        return (
            _of_file(self._file) if self._file else _of_text(self._environ.get(VARIABLE, ""), "environment", VARIABLE)
        )

    def _was_read(self) -> None:
        self._log.info("webhook secrets reloaded", file=str(self._file), secrets=len(self.newest))

    def _was_refused(self, error: Exception) -> None:
        self._log.error("webhook secrets not reloaded", error=str(error))


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
