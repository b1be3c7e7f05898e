"""The web configuration's files: errors at the start, and changes while running."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import bcrypt
import pytest

from exporter.errors import ConfigError, StartError
from exporter.web.http.incidents import Incidents
from exporter.web.settings import LiveSettings
from tests.web.conftest import Certificates, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
OTHER_HASH = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()


class Reading:
    """Live settings with what they log and count."""

    def __init__(self, path: Path | None, executor: ThreadPoolExecutor) -> None:
        self.log = Lines()
        self.incidents = Incidents(self.log)
        self.live = LiveSettings(path, executor, self.log, self.incidents)

    def encrypted(self) -> bool:
        return self.live.newest.context is not None

    @property
    def refusals(self) -> int:
        return self.incidents.counts["web_config_refused"]


@pytest.fixture
def read() -> Iterator[Callable[..., Reading]]:
    with ThreadPoolExecutor(1) as executor:
        yield lambda path=None: Reading(path, executor)


def test_without_a_file_there_is_neither_tls_nor_login(read: Callable[..., Reading]) -> None:
    live = read().live
    live.look()
    assert live.newest.context is None
    assert not live.newest.logins
    assert live.newest.config.headers == {}


def test_a_mistake_at_the_start_is_a_mistake_of_the_configuration(read: Callable[..., Reading], tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("tls: {}")
    with pytest.raises(ConfigError):
        read(path)


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem"])
def test_a_certificate_that_cannot_be_read_prevents_the_start(
    read: Callable[..., Reading], certificates: Certificates, missing: str
) -> None:
    path = certificates.web_config()
    (certificates.folder / missing).unlink()
    with pytest.raises(StartError) as caught:
        read(path)
    assert str(caught.value) == f"cannot read {certificates.folder / missing}: no such file"


@pytest.mark.parametrize("name", ["cert.pem", "key.pem", "ca.pem"])
def test_a_certificate_that_is_none_prevents_the_start(
    read: Callable[..., Reading], certificates: Certificates, name: str
) -> None:
    path = certificates.web_config(client_ca_file="ca.pem", client_auth_type="RequireAndVerifyClientCert")
    (certificates.folder / name).write_text("no certificate")
    with pytest.raises(StartError, match=r"^cannot use .*pem"):
        read(path)


def test_a_key_of_another_certificate_prevents_the_start(
    read: Callable[..., Reading], certificates: Certificates
) -> None:
    path = certificates.web_config()
    certificate = certificates.cert.read_bytes()
    certificates.renew("localhost")
    certificates.cert.write_bytes(certificate)
    with pytest.raises(StartError, match="KEY_VALUES_MISMATCH"):
        read(path)


def test_a_key_with_a_password_prevents_the_start_instead_of_asking_for_it(
    read: Callable[..., Reading], certificates: Certificates, program: Callable[[str], Path]
) -> None:
    path = certificates.web_config()
    command = [str(program("openssl")), "pkey", "-aes256", "-passout", "pass:x", "-in", "key.pem", "-out", "locked.pem"]
    subprocess.run(command, cwd=certificates.folder, check=True, capture_output=True)
    (certificates.folder / "locked.pem").replace(certificates.key)
    with pytest.raises(StartError, match="its key without a password"):
        read(path)


def test_a_file_that_is_the_same_is_not_taken_again(read: Callable[..., Reading], certificates: Certificates) -> None:
    reading = read(certificates.web_config())
    before = reading.live.newest
    certificates.web_config()
    reading.live.look()
    assert reading.live.newest is before
    assert reading.log.entries == []


def test_a_renewed_certificate_is_taken_once_both_of_its_files_fit(
    read: Callable[..., Reading], certificates: Certificates
) -> None:
    reading = read(certificates.web_config())
    first = reading.live.newest
    old_key = certificates.key.read_bytes()
    certificates.renew("localhost")
    new_key = certificates.key.read_bytes()
    certificates.key.write_bytes(old_key)
    for _ in range(3):
        reading.live.look()
    assert reading.live.newest is first
    assert (reading.refusals, len(reading.log.events("web configuration not reloaded"))) == (1, 1)
    certificates.key.write_bytes(new_key)
    reading.live.look()
    assert reading.live.newest.context is not first.context
    assert len(reading.log.events("web configuration reloaded")) == 1


def test_a_bad_new_file_keeps_the_old_one_and_is_told_once(read: Callable[..., Reading], tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{alice: {HASH}}}")
    reading = read(path)
    first = reading.live.newest
    path.write_text("basic_auth_users: {alice: secret}")
    for _ in range(3):
        reading.live.look()
    assert reading.live.newest is first
    [line] = reading.log.events("web configuration not reloaded")
    assert line["file"] == str(path)
    assert "basic_auth_users.alice" in line["error"]
    assert "secret" not in line["error"]
    path.unlink()
    reading.live.look()
    assert reading.live.newest is first
    assert reading.refusals == 2


def test_a_file_that_a_bad_configuration_names_is_looked_for_until_it_is_there(
    read: Callable[..., Reading], certificates: Certificates
) -> None:
    path = certificates.web_config()
    reading = read(path)
    certificate = certificates.cert.read_bytes()
    certificates.web_config(cert_file="new.pem")
    reading.live.look()
    assert reading.refusals == 1
    (certificates.folder / "new.pem").write_bytes(certificate)
    reading.live.look()
    tls = reading.live.newest.config.tls
    assert tls is not None
    assert tls.cert_file.name == "new.pem"


def test_tls_and_logins_can_be_switched_on_and_off(read: Callable[..., Reading], certificates: Certificates) -> None:
    path = certificates.folder / "web.yml"
    path.write_text("")
    reading = read(path)
    certificates.web_config(f"basic_auth_users: {{alice: {HASH}}}")
    reading.live.look()
    assert reading.encrypted()
    assert reading.live.newest.logins
    path.write_text("http_server_config: {headers: {X-Frame-Options: sameorigin}}")
    reading.live.look()
    assert not reading.encrypted()
    assert not reading.live.newest.logins
    assert reading.live.newest.config.headers == {"X-Frame-Options": "sameorigin"}


def test_verified_logins_are_kept_when_something_else_changes_and_dropped_with_a_new_password(
    read: Callable[..., Reading], tmp_path: Path
) -> None:
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{alice: {HASH}}}")
    reading = read(path)
    first = reading.live.newest.logins
    path.write_text(f"basic_auth_users: {{alice: {HASH}}}\nhttp_server_config: {{headers: {{X-XSS-Protection: '0'}}}}")
    reading.live.look()
    assert reading.live.newest.logins is first
    path.write_text(f"basic_auth_users: {{alice: {OTHER_HASH}}}")
    reading.live.look()
    assert reading.live.newest.logins is not first
