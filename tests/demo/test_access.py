from __future__ import annotations

import base64

import pytest

from exporter.demo.access import carries

TOKENS = frozenset({"secret-token"})


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"circle-token": "secret-token"},
        {"authorization": "Bearer secret-token"},
        {"authorization": "bearer secret-token"},
        {"authorization": basic("secret-token:")},
        {"authorization": basic("secret-token")},
    ],
)
def test_the_token_is_taken_in_each_of_its_forms(headers: dict[str, str]) -> None:
    assert carries(headers, TOKENS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"circle-token": ""},
        {"circle-token": "other"},
        {"circle-token": "other", "authorization": "Bearer secret-token"},
        {"authorization": "Bearer other"},
        {"authorization": "Digest secret-token"},
        {"authorization": basic(":secret-token")},
        {"authorization": "Basic no base64!"},
        {"authorization": "secret-token"},
    ],
)
def test_anything_else_is_refused(headers: dict[str, str]) -> None:
    assert not carries(headers, TOKENS)
