"""The file of `--web.config.file`: exporter-toolkit's format, read strictly.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import bcrypt
from pydantic import Field, model_validator

from exporter.config.document import Document
from exporter.config.problems import read_part
from exporter.config.section import Section
from exporter.config.values import FilePath, Scalar, mistake
from exporter.config.yaml_file import open_document
from exporter.errors import ConfigError

CLIENT_AUTH_TYPES: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_BCRYPT: Final = re.compile(r"\$2[abxy]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")


def is_bcrypt(text: str) -> bool:
    """Say whether a text is a hash that can be checked against; the salt's last bits can be wrong."""
    if not _BCRYPT.fullmatch(text):
        return False
    try:
        bcrypt.checkpw(b"", f"{text[:4]}04{text[6:]}".encode())
    except ValueError:
        return False
    return True


def _choice(known: Mapping[str, object], unsupported: Collection[str] = (), why: str = "") -> Scalar:
    """Return the scalar that is one of the known names. Those that exporter-toolkit has besides are told why not."""
    allowed = f"one of {', '.join(filter(None, known))}"

    def read(value: object) -> object:
        if value in unsupported:
            raise mistake(allowed, f"{value}, which is not supported: {why}")
        if not isinstance(value, str) or value not in known:
            raise ValueError
        return known[value]

    return Scalar("name", allowed, {"enum": list(known)}, read)


def _matching(title: str, allowed: str, pattern: re.Pattern[str]) -> Scalar:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return Scalar(title, allowed, {"type": "string", "pattern": pattern.pattern}, read)


def _hash(value: object) -> str:
    if not isinstance(value, str) or not is_bcrypt(value):
        # It may be a password, so it is not shown.
        raise mistake("a bcrypt hash from `htpasswd -nBC 10 NAME`", "a value that is not shown")
    return value


ClientAuth = Annotated[
    ssl.VerifyMode,
    _choice(
        CLIENT_AUTH_TYPES,
        ("RequestClientCert", "RequireAnyClientCert"),
        "Python cannot ask for a certificate without verifying it",
    ),
]
Version = Annotated[ssl.TLSVersion, _choice(VERSIONS, ("TLS10", "TLS11"), "deprecated by RFC 8996")]
UserName = Annotated[str, _matching("user name", "a user name without a colon", re.compile(r"[^:]+"))]
BcryptHash = Annotated[str, Scalar("bcrypt hash", "", {"type": "string", "pattern": _BCRYPT.pattern}, _hash)]
HeaderValue = Annotated[str, _matching("header value", "printable ASCII text", _HEADER_VALUE)]


class WebSection(Section):
    """A mapping of the file. As in the toolkit, an empty value is the same as none."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_values(cls, value: Any) -> Any:  # noqa: ANN401  whatever the file holds
        if isinstance(value, dict):
            known = cls.declared()
            return {key: inner for key, inner in value.items() if key not in known or inner not in (None, {})}
        return {} if value is None else value


class TlsFiles(WebSection):
    """What a TLS context is made from."""

    unsupported: ClassVar = frozenset(
        {
            "cert",
            "key",
            "client_ca",
            "client_allowed_sans",
            "cipher_suites",
            "prefer_server_cipher_suites",
            "curve_preferences",
        }
    )

    cert_file: FilePath
    key_file: FilePath
    client_ca_file: FilePath | None = None
    client_auth_type: ClientAuth = ssl.CERT_NONE
    min_version: Version = ssl.TLSVersion.TLSv1_2
    max_version: Version = ssl.TLSVersion.TLSv1_3

    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None)


class Headers(WebSection):
    """The response headers that the toolkit lets one set."""

    hsts: HeaderValue | None = Field(None, alias="Strict-Transport-Security")
    content_type_options: Annotated[str, _choice({"nosniff": "nosniff", "": ""})] | None = Field(
        None, alias="X-Content-Type-Options"
    )
    frame_options: Annotated[str, _choice({"deny": "deny", "sameorigin": "sameorigin", "": ""})] | None = Field(
        None, alias="X-Frame-Options"
    )
    xss_protection: HeaderValue | None = Field(None, alias="X-XSS-Protection")
    content_security_policy: HeaderValue | None = Field(None, alias="Content-Security-Policy")


class HttpServer(WebSection):
    """How answers are sent."""

    unsupported: ClassVar = frozenset({"http2"})

    headers: Headers = Headers()


class WebConfig(WebSection):
    """The whole file."""

    unsupported: ClassVar = frozenset({"auth_excluded_paths", "rate_limit"})

    tls: TlsFiles | None = Field(None, alias="tls_server_config")
    http_server: HttpServer = Field(HttpServer(), alias="http_server_config")
    users: dict[UserName, BcryptHash] = Field({}, alias="basic_auth_users", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        headers: dict[str, str] = self.http_server.headers.model_dump(by_alias=True, exclude_none=True)
        return headers


def read_web_config(path: Path) -> WebConfig:
    """Read the file. Raise ConfigError with every mistake in it. Files that it names are not opened."""
    document = open_document(path)
    config: WebConfig | None = read_part(document, WebConfig, (), WebConfig, path.parent)
    if config and config.tls:
        _check_tls(document, config.tls)
    if config is None or document.mistakes:
        raise ConfigError(document.problems())
    return config


def _check_tls(document: Document, tls: TlsFiles) -> None:
    """Report settings that contradict each other."""
    at = "tls_server_config"
    if tls.min_version > tls.max_version:
        document.expected((at, "max_version"), "no version below min_version")
    if tls.client_auth_type is ssl.CERT_NONE and tls.client_ca_file:
        hint = "set it to VerifyClientCertIfGiven or RequireAndVerifyClientCert, or remove client_ca_file"
        document.report((at, "client_auth_type"), "client_ca_file is not used without verification", hint)
    if tls.client_auth_type is not ssl.CERT_NONE and not tls.client_ca_file:
        document.report((at, "client_ca_file"), "required by client_auth_type", "name a PEM file of CA certificates")
