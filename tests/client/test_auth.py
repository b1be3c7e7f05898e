from __future__ import annotations

import pickle

import pytest
import requests

from exporter.client.auth import TokenAuth
from exporter.config import Secret
from exporter.errors import UnauthorizedError
from tests.client.conftest import TOKEN


@pytest.mark.parametrize(
    ("kind", "header", "value"),
    [
        ("circle-token", "Circle-Token", "t0ken"),
        ("bearer", "Authorization", "Bearer t0ken"),
        ("basic", "Authorization", "Basic dDBrZW46"),
    ],
)
def test_each_kind_of_authentication_has_its_header(kind: str, header: str, value: str) -> None:
    auth = TokenAuth(kind, Secret("t0ken"))
    request = requests.Request("GET", "http://127.0.0.1/", auth=auth).prepare()
    assert request.headers == {header: value}
    auth.forget(request)
    assert request.headers == {}


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "caf\u00e9", "\ud800"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(UnauthorizedError) as raised:
        TokenAuth("bearer", Secret(token))
    assert not token or token not in str(raised.value)


def test_the_token_does_not_show_in_what_holds_it() -> None:
    auth = TokenAuth("circle-token", Secret(TOKEN))
    assert TOKEN not in repr(auth)
    assert TOKEN not in repr(vars(auth))
    with pytest.raises(TypeError):
        pickle.dumps(auth)
