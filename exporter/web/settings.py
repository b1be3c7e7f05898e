"""What the web configuration file says now: read at the start, and again whenever it or a file it names has changed."""

from __future__ import annotations

import ssl
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from exporter.config import file_error
from exporter.errors import StartError
from exporter.system.file_watch import FileWatch, WatchedFile
from exporter.web.http.incidents import Incidents, Log
from exporter.web.logins import Logins
from exporter.web.settings_file import TlsFiles, WebConfig, read_web_config


@dataclass(frozen=True, slots=True)
class WebSettings:
    """One reading of the files, ready for use. Without `context` connections are plain."""

    config: WebConfig
    logins: Logins
    context: ssl.SSLContext | None = None


class LiveSettings(WatchedFile[WebSettings]):
    """The settings now. A look reads files, so it is not for the event loop."""

    def __init__(self, path: Path | None, executor: Executor, log: Log, incidents: Incidents) -> None:
        self._path, self._executor, self._log, self._incidents = path, executor, log, incidents
        self._users, self._logins = dict[str, str](), Logins({}, executor)
        # A certificate that is gone is worth an error before the restart that would fail without it.
        super().__init__(FileWatch(*([path] if path else []), absence=True))

    def _read(self) -> WebSettings:
        if self._path is None:
            return WebSettings(WebConfig(), self._logins)
        config = read_web_config(self._path)
        # Each file is watched before it is used, so a change in between is seen at the next look.
        self._watch.watch(self._path, *(config.tls.paths() if config.tls else ()))
        context = tls_context(config.tls) if config.tls else None
        if config.users != self._users:
            self._users, self._logins = config.users, Logins(config.users, self._executor)
        return WebSettings(config, self._logins, context)

    def _was_read(self) -> None:
        self._log.info("web configuration reloaded", file=str(self._path))

    def _was_refused(self, error: Exception) -> None:
        self._incidents.count("web_config_refused")
        self._log.error("web configuration not reloaded", file=str(self._path), error=str(error))


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
            raise StartError(f"cannot read {path}: {file_error(error)}") from None
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
