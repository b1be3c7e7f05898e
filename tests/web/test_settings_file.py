"""The web configuration file: what it may say, and how each mistake reads."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import bcrypt
import pytest

from exporter.errors import ConfigError
from exporter.web.settings_file import CLIENT_AUTH_TYPES, TlsFiles, WebConfig, is_bcrypt, read_web_config

if TYPE_CHECKING:
    from pathlib import Path

HASH = bcrypt.hashpw(b"right", b"$2b$04$abcdefghijklmnopqrstuu").decode()  # a fixed salt: it is part of tests' names
TLS = "tls_server_config: {cert_file: a.pem, key_file: b.pem"


def read(folder: Path, text: str) -> WebConfig:
    path = folder / "web.yml"
    path.write_text(text)
    return read_web_config(path)


def mistakes(folder: Path, text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [(problem.path, problem.found, problem.allowed) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text", ["", "{}", "basic_auth_users:\n", "http_server_config: {headers: {}}", "tls_server_config:"]
)
def test_an_empty_file_asks_for_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == WebConfig()


def test_paths_are_relative_to_the_file_as_in_the_toolkit(tmp_path: Path) -> None:
    config = read(tmp_path, "tls_server_config: {cert_file: tls/a.pem, key_file: /etc/b.pem}")
    assert config.tls is not None
    assert [str(path) for path in config.tls.paths()] == [str(tmp_path / "tls/a.pem"), "/etc/b.pem"]


def test_everything_that_is_supported_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        f"""
tls_server_config:
  cert_file: a.pem
  key_file: b.pem
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
  min_version: TLS13
  max_version: TLS13
http_server_config:
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: {HASH}
""",
    )
    assert config.tls == TlsFiles.model_construct(
        cert_file=tmp_path / "a.pem",
        key_file=tmp_path / "b.pem",
        client_ca_file=tmp_path / "ca.pem",
        client_auth_type=ssl.CERT_REQUIRED,
        min_version=ssl.TLSVersion.TLSv1_3,
        max_version=ssl.TLSVersion.TLSv1_3,
    )
    assert config.users == {"alice": HASH}
    assert config.headers == {"X-Frame-Options": "deny", "Strict-Transport-Security": "max-age=31536000"}


def test_tls_defaults_to_1_2_and_1_3_without_client_certificates(tmp_path: Path) -> None:
    tls = read(tmp_path, TLS + "}").tls
    assert tls is not None
    assert (tls.client_auth_type, tls.min_version, tls.max_version) == (
        ssl.CERT_NONE,
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    )


@pytest.mark.parametrize("name", CLIENT_AUTH_TYPES)
def test_each_client_auth_type_that_can_be_done_is_done(tmp_path: Path, name: str) -> None:
    ca = "" if name == "NoClientCert" else ", client_ca_file: ca.pem"
    tls = read(tmp_path, f"{TLS}, client_auth_type: {name}{ca}}}").tls
    assert tls is not None
    assert tls.client_auth_type is CLIENT_AUTH_TYPES[name]


@pytest.mark.parametrize("name", ["RequestClientCert", "RequireAnyClientCert"])
def test_client_auth_types_that_cannot_be_done_are_named_as_unsupported(tmp_path: Path, name: str) -> None:
    assert mistakes(tmp_path, f"{TLS}, client_auth_type: {name}}}") == [
        (
            "tls_server_config.client_auth_type",
            f"{name}, which is not supported: Python cannot ask for a certificate without verifying it",
            "one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        )
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (TLS + ", cipher_suites: []}", "tls_server_config.cipher_suites"),
        (TLS + ", curve_preferences: []}", "tls_server_config.curve_preferences"),
        (TLS + ", prefer_server_cipher_suites: true}", "tls_server_config.prefer_server_cipher_suites"),
        (TLS + ", client_allowed_sans: [a]}", "tls_server_config.client_allowed_sans"),
        (TLS + ", cert: x}", "tls_server_config.cert"),
        (TLS + ", key: x}", "tls_server_config.key"),
        (TLS + ", client_ca: x}", "tls_server_config.client_ca"),
        ("http_server_config: {http2: false}", "http_server_config.http2"),
        ("auth_excluded_paths: [/metrics]", "auth_excluded_paths"),
        ("rate_limit: {burst: 5}", "rate_limit"),
    ],
)
def test_a_key_of_the_toolkit_that_is_not_here_is_named_as_unsupported(tmp_path: Path, text: str, path: str) -> None:
    [(where, found, allowed)] = mistakes(tmp_path, text)
    assert where == path
    assert found == "unsupported key"
    assert allowed.startswith("known keys: ")


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ("tls_config: {}", "tls_config", "did you mean tls_server_config? known keys: "),
        (TLS + ", certfile: a.pem}", "tls_server_config.certfile", "did you mean cert_file? known keys: "),
        ("http_server_config: {zzz: 1}", "http_server_config.zzz", "known keys: headers"),
        ("http_server_config: {headers: {Server: x}}", "http_server_config.headers.Server", "known keys: Strict-"),
    ],
)
def test_an_unknown_key_is_told_apart_and_a_near_one_suggested(tmp_path: Path, text: str, path: str, hint: str) -> None:
    [(where, what, allowed)] = mistakes(tmp_path, text)
    assert (where, what) == (path, "unknown key")
    assert allowed.startswith(hint)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("[]", [""]),
        ("tls_server_config: yes", ["tls_server_config"]),
        ("basic_auth_users: [alice]", ["basic_auth_users"]),
        ("http_server_config: {headers: 5}", ["http_server_config.headers"]),
        ("tls_server_config: {cert_file: a.pem}", ["tls_server_config.key_file"]),
        (
            "tls_server_config: {client_auth_type: NoClientCert}",
            ["tls_server_config.cert_file", "tls_server_config.key_file"],
        ),
        (TLS + ", min_version: 1.2}", ["tls_server_config.min_version"]),
        (TLS + ", min_version: TLS14}", ["tls_server_config.min_version"]),
        (TLS + ", min_version: TLS10}", ["tls_server_config.min_version"]),
        (TLS + ", min_version: TLS13, max_version: TLS12}", ["tls_server_config.max_version"]),
        (TLS + ", client_auth_type: RequireAndVerifyClientCert}", ["tls_server_config.client_ca_file"]),
        (TLS + ", client_ca_file: ca.pem}", ["tls_server_config.client_auth_type"]),
        (TLS + ", client_ca_file: ca.pem, client_auth_type: NoClientCert}", ["tls_server_config.client_auth_type"]),
        (TLS + ", client_auth_type: Sometimes}", ["tls_server_config.client_auth_type"]),
        ("http_server_config: {headers: {X-Frame-Options: allow}}", ["http_server_config.headers.X-Frame-Options"]),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\nb"}}', ["http_server_config.headers.X-XSS-Protection"]),
        ("http_server_config: {headers: {X-XSS-Protection: 0}}", ["http_server_config.headers.X-XSS-Protection"]),
        ("basic_auth_users: {alice: secret}", ["basic_auth_users.alice"]),
        ("basic_auth_users: {alice: 5}", ["basic_auth_users.alice"]),
        (f'basic_auth_users: {{"a:b": {HASH}}}', ['basic_auth_users."a:b"']),
    ],
)
def test_an_impossible_value_is_named_by_its_path(tmp_path: Path, text: str, paths: list[str]) -> None:
    assert [path for path, _, _ in mistakes(tmp_path, text)] == paths


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "a: 1\nb: 2\nbasic_auth_users: {alice: secret}\ntls_server_config: {cert_file: 5}")
    assert [path for path, _, _ in found] == [
        "a",
        "b",
        "basic_auth_users.alice",
        "tls_server_config.key_file",
        "tls_server_config.cert_file",
    ]


def test_a_password_that_stands_where_a_hash_belongs_is_repeated_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "basic_auth_users: {alice: hunter2}")
    assert "hunter2" not in str(caught.value)
    assert "htpasswd" in str(caught.value)
    assert HASH not in repr(WebConfig.model_construct(users={"alice": HASH}))


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_web_config(tmp_path / "none.yml")


@pytest.mark.parametrize("prefix", ["2a", "2b", "2y"])
def test_every_usual_kind_of_bcrypt_hash_is_taken(prefix: str) -> None:
    assert is_bcrypt(HASH.replace("2b", prefix, 1))


@pytest.mark.parametrize("text", ["", "$2b$10$short", "$1$04$" + "." * 53, "$2b$32$" + "." * 53, "$2b$04$" + "z" * 53])
def test_what_bcrypt_cannot_check_is_no_hash(text: str) -> None:
    assert not is_bcrypt(text)
