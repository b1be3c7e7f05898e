from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan

import pytest

from exporter.state.documents import Reader, document, parse, sealed, unsealed


@dataclass(frozen=True, slots=True)
class Inner:
    count: int
    seconds: int | float = 0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    bounds: tuple[int | float, ...] = ()
    last: Inner | None = None


READER = Reader[Outer](Outer)
OUTER = Outer("größe 🚀", {"a": Inner(1, 2**60 + 1), "b": Inner(2, 0.1)}, (1, 2.5), Inner(3))


def read(written: str) -> Outer:
    return READER.read(parse(written))


def test_facts_are_read_as_they_were_written() -> None:
    assert read(document(OUTER)) == OUTER


def test_a_key_of_a_newer_version_is_ignored_and_a_field_of_a_newer_version_has_its_default() -> None:
    assert read('{"name":"a","color":"red","by_name":{"b":{"count":1,"owner":[]}}}') == Outer("a", {"b": Inner(1)})


@pytest.mark.parametrize("value", [inf, -inf, nan])
def test_a_number_that_is_not_finite_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        document(Inner(1, value))


@pytest.mark.parametrize(
    "written",
    [
        None,
        7,
        b"{}",
        "",
        "{",
        "[" * 100_000,
        "[]",
        '{"name":null}',
        '{"name":"a","bounds":[1e999]}',
        '{"name":"a","bounds":[NaN]}',
        '{"name":"a","bounds":[-Infinity]}',
        '{"name":"a","bounds":{}}',
        '{"name":"lone \\ud800"}',
        '{"name":"lone \udc80"}',
        '{"name":"a","by_name":{"\\udfff":{"count":1}}}',
        '{"name":"a","by_name":{"b":{}}}',
        '{"name":"a","by_name":{"b":{"count":"x"}}}',
        '{"name":"a","last":[1]}',
    ],
)
def test_damage_is_not_read(written: object) -> None:
    with pytest.raises((ValueError, TypeError, RecursionError)):
        READER.read(parse(written))


DOCUMENT = '{"runs":1,"seconds":12.5,"name":"größe"}'


def test_a_sealed_document_is_read_as_it_was_written() -> None:
    assert unsealed(sealed(DOCUMENT, "build"), "build") == DOCUMENT


def test_a_document_of_the_first_version_has_no_seal() -> None:
    assert unsealed(DOCUMENT, "build") == DOCUMENT
    assert unsealed(None) is None


@pytest.mark.parametrize("of", [(), ("deploy",), ("build", "main")])
def test_a_document_that_belongs_to_something_else_is_refused(of: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="the checksum is another"):
        unsealed(sealed(DOCUMENT, "build"), *of)


def test_every_bit_that_is_changed_is_found() -> None:
    stored = sealed(DOCUMENT, "build").encode()
    for bit in range(8 * len(stored)):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError):
            parse(unsealed(changed.decode(errors="surrogateescape"), "build"))
