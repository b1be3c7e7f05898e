"""Logging in: what waiting does not help against is told apart, and no password is shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest
import trustme

from exporter.config import parse
from exporter.errors import StartError
from exporter.state.postgres.login import Login, UnreachableError, first_contact, reach
from tests.running.postgres import Server, free_port
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def guarded(postgres: Server) -> Iterator[Server]:
    """A server that asks for a password over TLS."""
    authority = trustme.CA()
    server = Server(postgres.programs, login="host all postgres all trust\nhostssl all exporter all scram-sha-256\n")
    with server:
        server.stop()
        data = server.folder / "data"
        authority.cert_pem.write_to_path(str(server.folder / "ca.pem"))
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        (data / "server.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        (data / "server.key").write_bytes(certificate.private_key_pem.bytes())
        (data / "server.key").chmod(0o600)
        for name in ("server.crt", "server.key"):
            if os.geteuid() == 0:
                owner = data.stat()
                os.chown(data / name, owner.st_uid, owner.st_gid)
        server.settings["ssl"] = "on"
        server.start()
        server.database().run(f"CREATE ROLE exporter LOGIN PASSWORD '{PASSWORD}'")
        yield server


def login(url: str, password: Path | None = None) -> Login:
    return Login(url, password, PATIENCE)


def told(made: Login) -> str:
    with pytest.raises(StartError) as refused, first_contact():
        made.connect()
    return str(refused.value)


def test_a_password_of_a_file_and_a_ca_of_its_own(guarded: Server, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    url = guarded.url("postgres", "exporter") + f"?sslmode=verify-full&sslrootcert={guarded.folder / 'ca.pem'}"
    connection = login(url, file).connect()
    assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
    connection.close()


def test_the_password_of_libpq_s_variable(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    login(guarded.url("postgres", "exporter")).connect().close()


def test_a_password_file_is_read_again_at_each_connection(guarded: Server, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong")
    made = login(guarded.url("postgres", "exporter"), file)
    said = told(made)
    assert "password authentication failed" in said
    assert "wrong" not in said
    file.write_text(PASSWORD)
    made.connect().close()


def test_a_certificate_of_another_authority_is_refused(guarded: Server, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    url = guarded.url("postgres", "exporter") + f"?sslmode=verify-full&sslrootcert={other}"
    assert "certificate" in told(login(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody@127.0.0.1:{port}/postgres", 'role "nobody" does not exist'),
        ("postgresql://postgres@127.0.0.1:{port}/nothing", 'database "nothing" does not exist'),
        ("postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=require", "does not support SSL"),
        ("postgresql://postgres@127.0.0.1:{port}/postgres?nonsense=1", "nonsense"),
    ],
)
def test_what_waiting_does_not_help_against_is_told(postgres: Server, url: str, words: str) -> None:
    assert words in told(login(url.format(port=postgres.port)))


def test_a_missing_password_file_is_named(postgres: Server, tmp_path: Path) -> None:
    file = tmp_path / "nothing"
    assert told(login(postgres.url("postgres"), file)) == f"state.url: {file}: no such file or directory"


def test_a_database_of_another_encoding_is_refused(postgres: Server) -> None:
    postgres.database().run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    assert "use UTF8" in told(login(postgres.url("latin")))


def test_nobody_there_is_an_outage() -> None:
    made = login(f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    for context in (first_contact, reach):
        with pytest.raises(UnreachableError, match="refused"), context():
            made.connect()


def test_a_defect_of_a_statement_is_no_outage_at_the_first_contact(postgres: Server) -> None:
    connection = login(postgres.url("postgres")).connect()
    with pytest.raises(StartError), first_contact():
        connection.execute("SELECT nothing")
    with pytest.raises(psycopg.Error):
        connection.execute("SELECT nothing")
    connection.close()


def test_the_time_limit_of_a_connection_follows_the_lease() -> None:
    def limit(lease: str) -> float:
        state = f"state: {{url: 'postgresql://a/b', lease: {lease}}}"
        return Login.of(parse(f"{state}\nprojects: [gh/acme/web]").state).timeout

    assert [limit(lease) for lease in ("3s", "18s", "10m")] == [2.0, 3.0, 5.0]
