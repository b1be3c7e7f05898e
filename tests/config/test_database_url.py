"""The address of a database: whatever could be a password is refused, and not shown."""

from __future__ import annotations

import re

import pytest

from exporter.config import parse
from exporter.config.database_url import SCALAR, read
from exporter.errors import ConfigError

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/exporter",
        "postgresql://exporter@db:6432/exporter?sslmode=verify-full&sslrootcert=/etc/ca.crt",
        "postgresql://exporter@[2001:db8::1]:5432/exporter",
        "postgresql://exporter@one:5432,two:5433/exporter?target_session_attrs=read-write",
        "postgresql:///exporter?host=/run/postgresql&user=exporter%40tenant",
        "postgresql://exporter@db/exporter?passfile=/etc/pgpass",
    ],
)
def test_a_url_of_libpq_without_password_is_taken_as_it_is(url: str) -> None:
    assert read(url) == url
    assert re.search(SCALAR.schema["pattern"], url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://exporter:{}@db/exporter",
        "postgresql://:{}@db/exporter",
        "postgresql://exporter:a/{}@db/exporter",
        "postgresql://exporter:a?{}@db/exporter",
        "postgresql://exporter:a#{}@db/exporter",
        "postgresql://exporter:a/b?{}@db/exporter",
        "postgres://exporter:{}@db/exporter",
        "mysql://exporter:{}@db/exporter",
        "postgresql://db/exporter?password={}",
        "postgresql://db/exporter?sslmode=require&sslpassword={}",
        "postgresql://db/exporter?scram_client_key={}",
        "postgresql://db/exporter?scram_server_key={}",
        "postgresql://db/exporter?oauth_client_secret={}",
        "postgresql://db/exporter?pass%77ord={}",
        "postgresql://exporter:{} @db/exporter",
        "postgresql://exporter:{}@[db/exporter",
    ],
)
def test_what_may_hold_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(f"state: {{url: '{url.format(PASSWORD)}'}}\nprojects: [gh/acme/web]")
    assert PASSWORD not in str(refused.value)
    assert "state.url" in str(refused.value)
    if "%" not in url:  # the schema for editors does not decode
        assert not re.search(SCALAR.schema["pattern"], url.format(PASSWORD))
