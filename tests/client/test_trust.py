from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from exporter.client.deadline import BoundedTLSSocket
from exporter.client.trust import ClientContext, filled, first_file, system_authorities, tls_context
from exporter.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_context_verifies_certificate_and_name_over_tls_1_2_at_least() -> None:
    context = tls_context(None)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.sslsocket_class is BoundedTLSSocket


def trusted(context: ClientContext) -> int:
    """How many authorities a context trusts when it connects."""
    context.read_authorities()
    return len(context.get_ca_certs())


def test_the_file_of_the_configuration_is_added(ca_file: Path) -> None:
    assert trusted(tls_context(ca_file)) == trusted(tls_context(None)) + 1


CONNECTIONS = {
    "of its own": lambda context: context.wrap_socket(socket.socket(), server_hostname="example.com").close(),
    "within another": lambda context: context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com"),
}


@pytest.mark.parametrize("connect", CONNECTIONS.values(), ids=CONNECTIONS)
def test_the_systems_authorities_are_read_once_before_the_first_connection(
    connect: Callable[[ClientContext], object], ca_file: Path
) -> None:
    asked = []

    def authorities() -> tuple[str, str]:
        asked.append(str(ca_file))
        return str(ca_file), ""

    context = tls_context(None, authorities)
    context.sslsocket_class = ssl.SSLSocket  # has no budget to keep to
    assert (asked, context.get_ca_certs()) == ([], [])
    connect(context)
    connect(context)
    assert (len(asked), len(context.get_ca_certs())) == (1, 1)


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StartError, match=r"circleci\.ca_file .*ca\.pem: "):
        tls_context(path)


def test_a_system_without_authorities_leaves_those_of_the_file(ca_file: Path) -> None:
    assert trusted(tls_context(None, lambda: ("", ""))) == 0
    assert trusted(tls_context(ca_file, lambda: ("", ""))) == 1


def test_the_environment_names_no_authorities(monkeypatch: pytest.MonkeyPatch, ca_file: Path, tmp_path: Path) -> None:
    before = system_authorities(), trusted(tls_context(None))
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert (system_authorities(), trusted(tls_context(None))) == before


def test_the_first_place_that_is_a_file_is_taken(tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.touch()
    assert first_file((str(tmp_path), str(tmp_path / "missing"), str(there), "/etc/passwd")) == str(there)
    assert first_file((str(tmp_path / "missing"),)) == ""


def test_a_directory_counts_when_something_is_in_it(tmp_path: Path) -> None:
    assert filled(str(tmp_path)) == ""
    assert filled(str(tmp_path / "missing")) == ""
    (tmp_path / "0.pem").touch()
    assert filled(str(tmp_path)) == str(tmp_path)
