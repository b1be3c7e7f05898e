"""What the web configuration file says now: read at the start, and again whenever it or a file it names has changed."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.errors import ConfigError, StartError
from exporter.web.logins import Logins
from exporter.web.settings_file import TlsFiles, WebConfig, read_web_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from exporter.web.http.incidents import Incidents, Log


@dataclass(frozen=True, slots=True)
class Settings:
    """One reading of the files, ready for use. Without `context` connections are plain."""

    config: WebConfig
    logins: Logins
    context: ssl.SSLContext | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers of the operator's own."""
        return self.config.headers


class LiveSettings:
    """`current` is the newest reading that was good; a bad one changes nothing."""

    def __init__(self, path: Path | None, executor: Executor, log: Log, incidents: Incidents) -> None:
        self._path = path
        self._executor = executor
        self._log = log
        self._incidents = incidents
        self._watched: tuple[Path, ...] = ()
        self._seen: list[bytes] = []
        self.current = Settings(WebConfig(), Logins({}, executor))
        if path is not None:
            self.current = self._read(path)

    def check(self) -> None:
        """Take the files as they are now, if they have changed. It reads files, so it is not for the event loop."""
        if self._path is None or _digests(self._watched) == self._seen:
            return
        try:
            self.current = self._read(self._path)
        except (ConfigError, StartError) as error:
            self._incidents.counts["web_config_refused"] += 1
            self._log.error("web configuration not reloaded", file=str(self._path), error=str(error))
        else:
            self._log.info("web configuration reloaded", file=str(self._path))

    def _read(self, path: Path) -> Settings:
        # Digests are taken before the contents are used, so a change in between is seen at the next look.
        self._watched = (path, *self._watched[1:])
        self._seen = _digests(self._watched)
        config = read_web_config(path)
        self._watched = (path, *(config.tls.paths() if config.tls else ()))
        self._seen = [*self._seen[:1], *_digests(self._watched[1:])]
        context = tls_context(config.tls) if config.tls else None
        old = self.current
        logins = old.logins if old.config.users == config.users else Logins(config.users, self._executor)
        return Settings(config, logins, context)


def _digests(files: Iterable[Path]) -> list[bytes]:
    """Digest each file's content, since times of change miss what is written twice within a tick."""
    digests = []
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            content = repr(error.errno).encode()
        digests.append(hashlib.sha256(content).digest())
    return digests


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Make a server's context. Raise StartError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = files.min_version
    context.maximum_version = files.max_version
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    for path in files.paths():
        try:
            path.read_bytes()
        except OSError as error:
            raise StartError(f"cannot read {path}: {error.strerror}") from None
    try:
        # Without a password callback OpenSSL would ask on the terminal for the password of an encrypted key, and wait.
        context.load_cert_chain(files.cert_file, files.key_file, password=lambda: "")
    except (OSError, ValueError) as error:
        what = f"cannot use {files.cert_file} with {files.key_file}"
        raise StartError(f"{what}: {_reason(error)} (a PEM certificate and its key without a password)") from None
    if files.client_ca_file is not None:
        try:
            context.load_verify_locations(files.client_ca_file)
        except (OSError, ValueError) as error:
            raise StartError(f"cannot use {files.client_ca_file}: {_reason(error)} (PEM certificates)") from None
        context.verify_mode = files.client_auth_type
    return context


def _reason(error: Exception) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else None) or str(error)
