"""The address of a PostgreSQL database: one that holds no secret, so that it may be shown."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from exporter.config.values import Scalar, mistake

RULE: Final = "postgresql://USER@HOST/DATABASE, with parameters of libpq such as ?sslmode=verify-full"
PASSWORDLESS: Final = "a URL without password; set state.password_file, PGPASSWORD or PGPASSFILE"
TORN: Final = f"{PASSWORDLESS}; in any other place, write @ as %40"
SECRETS: Final = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")
STARTUP: Final = {"options", "replication"}
"""Parameters that a session keeps: behind a pooler they would be another client's."""
HIDDEN: Final = "a URL that is not shown"


def read(value: Any) -> str:  # noqa: ANN401  whatever stands in the file
    """Return the URL. Raise ValueError for what is none, and what holds a password: the message does not show it."""
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise mistake(RULE, HIDDEN if isinstance(value, str) else "")
    try:
        parts = urlsplit(value)
        parameters = {name.strip() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        raise mistake(RULE, HIDDEN) from None
    user, at, _ = parts.netloc.rpartition("@")
    if (at and ":" in user) or not parameters.isdisjoint(SECRETS):
        raise mistake(PASSWORDLESS, HIDDEN)
    if "@" in parts.path + parts.query:  # a password with a slash or a question mark in it
        raise mistake(TORN, HIDDEN)
    if parts.scheme != "postgresql" or not value.startswith("postgresql://") or parts.fragment:
        raise mistake(RULE, HIDDEN if "@" in value or "?" in value else "")
    if parameters & STARTUP:
        raise mistake(f"a URL without {' and '.join(sorted(parameters & STARTUP))}: nothing may live in a session")
    return value


_PATTERN: Final = (
    r"^postgresql://(?![^\s/?#]*:[^\s/?#]*@)(?![^\s/?#]*[/?]\S*@)"
    rf"(?!\S*[?&](?:{'|'.join((*SECRETS, *sorted(STARTUP)))})=)[^\s#]*$"
)
SCALAR: Final = Scalar("PostgreSQL URL", RULE, {"type": "string", "pattern": _PATTERN}, read)
