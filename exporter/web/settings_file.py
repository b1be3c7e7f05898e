"""The file of `--web.config.file`: exporter-toolkit's format, read strictly.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from __future__ import annotations

import difflib
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bcrypt

from exporter.config.document import open_document
from exporter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from exporter.config.places import Document

_TOP_KEYS = ("tls_server_config", "http_server_config", "basic_auth_users")
_TOP_UNSUPPORTED = ("auth_excluded_paths", "rate_limit")
_TLS_KEYS = ("cert_file", "key_file", "client_ca_file", "client_auth_type", "min_version", "max_version")
_TLS_UNSUPPORTED = (
    "cert",
    "key",
    "client_ca",
    "client_allowed_sans",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
)
_HTTP_KEYS = ("headers",)
_HTTP_UNSUPPORTED = ("http2",)

CLIENT_AUTH_TYPES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED_CLIENT_AUTH_TYPES = ("RequestClientCert", "RequireAnyClientCert")
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_OLD_VERSIONS = ("TLS10", "TLS11")
# Those that the toolkit lets one set, with the values it takes.
HEADERS: Mapping[str, tuple[str, ...] | None] = {
    "Strict-Transport-Security": None,
    "X-Content-Type-Options": ("nosniff", ""),
    "X-Frame-Options": ("deny", "sameorigin", ""),
    "X-XSS-Protection": None,
    "Content-Security-Policy": None,
}
_BCRYPT = re.compile(r"\$2[abxy]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a TLS context is made from."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    def paths(self) -> tuple[Path, ...]:
        """Return every file that is read."""
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The whole file. `users` maps a name to its bcrypt hash, `headers` a response header to its value."""

    tls: TlsFiles | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def read_web_config(path: Path) -> WebConfig:
    """Read and check the file. Raise ConfigError with every mistake in it. Files it names are not opened."""
    document = open_document(path)
    reader = _Reader(document)
    top = reader.mapping((), _TOP_KEYS, _TOP_UNSUPPORTED)
    tls = _tls(reader, path.parent) if "tls_server_config" in top else None
    users = _users(reader) if "basic_auth_users" in top else {}
    headers = _headers(reader) if "http_server_config" in top else {}
    if document.mistakes:
        raise ConfigError(document.problems())
    return WebConfig(tls, users, headers)


class _Reader:
    """Looks values up in the document and reports what cannot be."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def value(self, path: tuple[str, ...]) -> Any:  # noqa: ANN401  whatever the file holds
        found = self._document.data
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def report(self, path: tuple[str, ...], found: str | None, allowed: str) -> None:
        self._document.report(path, found, allowed)

    def mapping(
        self, path: tuple[str, ...], known: Collection[str] | None = None, unsupported: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the mapping at `path`, empty when nothing stands there; report keys that are not `known`."""
        found = self.value(path)
        if found is None:
            return {}
        if not isinstance(found, dict):
            self.report(path, None, "a mapping")
            return {}
        for key in found:
            if key in unsupported:
                self.report((*path, key), f"the key {key}, known but unsupported", f"the keys {', '.join(known or ())}")
            elif known is not None and key not in known:
                close = difflib.get_close_matches(key, [*known, *unsupported], 1)
                meant = f" (did you mean {close[0]}?)" if close else ""
                self.report((*path, key), f"an unknown key{meant}", f"the keys {', '.join(known)}")
        return found

    def text(self, path: tuple[str, ...], allowed: str) -> str:
        """Return the text at `path`, empty when nothing stands there."""
        found = self.value(path)
        if found is None:
            return ""
        if not isinstance(found, str):
            self.report(path, None, allowed)
            return ""
        return found

    def choice(self, path: tuple[str, ...], known: Collection[str], unsupported: Mapping[str, str]) -> str:
        """Return one of `known` names, or an empty text. `unsupported` names have a reason each."""
        allowed = f"one of {', '.join(known)}"
        found = self.text(path, allowed)
        if found in unsupported:
            self.report(path, f"{found}, known but unsupported ({unsupported[found]})", allowed)
        elif found and found not in known:
            self.report(path, None, allowed)
        return found if found in known else ""


def _tls(reader: _Reader, folder: Path) -> TlsFiles | None:
    at = "tls_server_config"
    if not reader.mapping((at,), _TLS_KEYS, _TLS_UNSUPPORTED):
        return None
    files = {}
    for key in ("cert_file", "key_file", "client_ca_file"):
        name = reader.text((at, key), "the path of a file")
        if name:
            files[key] = folder / name
        elif key != "client_ca_file" and not reader.value((at, key)):
            reader.report((at, key), "nothing", "the path of a PEM file: TLS needs cert_file and key_file")
    reason = "Python's ssl cannot ask for a certificate without verifying it"
    auth = reader.choice(
        (at, "client_auth_type"), CLIENT_AUTH_TYPES, dict.fromkeys(_UNVERIFIED_CLIENT_AUTH_TYPES, reason)
    )
    old = dict.fromkeys(_OLD_VERSIONS, "deprecated by RFC 8996")
    low = VERSIONS[reader.choice((at, "min_version"), VERSIONS, old) or "TLS12"]
    high = VERSIONS[reader.choice((at, "max_version"), VERSIONS, old) or "TLS13"]
    if low > high:
        reader.report((at, "max_version"), None, "no version below min_version")
    mode = CLIENT_AUTH_TYPES[auth or "NoClientCert"]
    if mode is not ssl.CERT_NONE and "client_ca_file" not in files:
        reader.report((at, "client_ca_file"), "nothing", f"the path of a PEM file: {auth} needs client_ca_file")
    if mode is ssl.CERT_NONE and "client_ca_file" in files and reader.value((at, "client_auth_type")) in (None, auth):
        reader.report((at, "client_auth_type"), auth or "nothing", "a type that verifies, since client_ca_file is set")
    if not {"cert_file", "key_file"} <= files.keys():
        return None
    return TlsFiles(files["cert_file"], files["key_file"], files.get("client_ca_file"), mode, low, high)


def _users(reader: _Reader) -> dict[str, str]:
    at = "basic_auth_users"
    users = {}
    for name in reader.mapping((at,)):
        hashed = reader.value((at, name))
        if not name or ":" in name:
            reader.report((at, name), "such a user name", "a name without a colon, as HTTP sends it")
        # What stands there may be a password: it is not repeated.
        if not isinstance(hashed, str) or not is_bcrypt(hashed):
            reader.report((at, name), "something else", "a bcrypt hash, as `htpasswd -nBC 10 NAME` makes it")
        else:
            users[name] = hashed
    return users


def is_bcrypt(text: str) -> bool:
    """Say whether a text is a hash that can be checked against; the salt's last bits can be wrong."""
    if not _BCRYPT.fullmatch(text):
        return False
    try:
        bcrypt.checkpw(b"", f"{text[:4]}04{text[6:]}".encode())
    except ValueError:
        return False
    return True


def _headers(reader: _Reader) -> dict[str, str]:
    at = "http_server_config"
    reader.mapping((at,), _HTTP_KEYS, _HTTP_UNSUPPORTED)
    headers = {}
    for name in reader.mapping((at, "headers"), HEADERS):
        value = reader.text((at, "headers", name), "text")
        values = HEADERS.get(name)
        if values is not None and value not in values:
            reader.report((at, "headers", name), None, f"one of {', '.join(filter(None, values))}")
        elif not _HEADER_VALUE.fullmatch(value):
            reader.report((at, "headers", name), None, "printable ASCII")
        headers[name] = value
    return headers
