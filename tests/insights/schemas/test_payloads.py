"""The sample bodies are held against the schemas of their endpoints."""

from __future__ import annotations

import pytest

from tests.insights import payloads, schemas


@pytest.mark.parametrize("name", payloads.NAMES)
def test_a_sample_body_fits_the_schema_of_its_endpoint(name: str) -> None:
    assert schemas.problems(name.partition(".")[0], payloads.document(name)) == []


def test_every_endpoint_has_a_sample_body() -> None:
    assert {name.partition(".")[0] for name in payloads.NAMES} == set(schemas.NAMES)


def test_a_schema_refuses_a_key_that_is_not_known() -> None:
    body = payloads.document("workflows")
    body["items"][0]["metrics"]["surprise"] = 1
    assert schemas.problems("workflows", body) != []


def test_a_schema_refuses_a_row_without_a_required_key() -> None:
    body = payloads.document("jobs")
    del body["items"][0]["metrics"]["success_rate"]
    assert schemas.problems("jobs", body) != []
