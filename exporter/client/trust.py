"""Whom TLS trusts: the system's authorities and `ca_file`, whatever the environment says."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from exporter.client.deadline import BoundedTLSSocket
from exporter.errors import StartError

WELL_KNOWN = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # BSD, macOS
)


def system_authorities() -> tuple[str, str]:
    """File and directory of the system's authorities; either is empty where there is none.

    They are those that OpenSSL was built with, not those that SSL_CERT_FILE and SSL_CERT_DIR name; a Python that
    brings an OpenSSL of its own may know neither, so the usual places serve as well.
    """
    paths = ssl.get_default_verify_paths()
    return first_file((paths.openssl_cafile, *WELL_KNOWN)), filled(paths.openssl_capath)


def first_file(places: Iterable[str]) -> str:
    """The first of the places that is a file, or nothing."""
    return next(filter(os.path.isfile, places), "")


def filled(directory: str) -> str:
    """The directory if it has an entry, or nothing."""
    try:
        return directory if any(Path(directory).iterdir()) else ""
    except OSError:
        return ""


class ClientContext(ssl.SSLContext):
    """Reads the system's authorities before its first connection: they are many, and no start has to wait for them."""

    def __init__(self, *_: object) -> None:
        """A context made without `trust` has no authorities of the system."""
        self._reading = threading.Lock()
        self._unread: Callable[[], tuple[str, str]] | None = None

    def trust(self, authorities: Callable[[], tuple[str, str]]) -> None:
        """Trust the authorities in a file or a directory."""
        self._unread = authorities

    def read_authorities(self) -> None:
        """Read what is not read yet. Raises OSError."""
        with self._reading:
            if self._unread is not None:
                file, directory = self._unread()
                if file or directory:
                    self.load_verify_locations(file or None, directory or None)
                self._unread = None

    def wrap_socket(self, *args: Any, **more: Any) -> ssl.SSLSocket:  # noqa: ANN401  as they are
        self.read_authorities()
        return super().wrap_socket(*args, **more)

    def wrap_bio(self, *args: Any, **more: Any) -> ssl.SSLObject:  # noqa: ANN401  as they are
        """Within another connection, as through a proxy."""
        self.read_authorities()
        return super().wrap_bio(*args, **more)


def tls_context(
    ca_file: Path | str | None, authorities: Callable[[], tuple[str, str]] = system_authorities
) -> ClientContext:
    """A context for clients: TLS 1.2 at least, certificate and host name verified, sockets that keep to a budget.

    Raises StartError when `ca_file` cannot be used.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = BoundedTLSSocket
    context.trust(authorities)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise StartError(f"circleci.ca_file {ca_file}: {error.strerror or error}") from error
    return context
