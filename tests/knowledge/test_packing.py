"""Rows of a part, packed so that another version reads what it knows."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import PayloadError
from exporter.formats import deflate
from exporter.formats.deflate import unpacked
from exporter.formats.exposition import number_text
from exporter.insights.collectors import COLLECTORS
from exporter.knowledge.packing import pack, unpack, unpack_texts, verify

JOBS = COLLECTORS["jobs"]
(TABLE,) = JOBS.tables
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
numbers = st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(st.tuples(st.tuples(texts), st.tuples(*[numbers] * len(TABLE.families))))


def again(packed: bytes) -> bytes:
    """The same, as if this process had not packed it: it has to be decoded."""
    return zlib.compress(unpacked(packed), 0)


@given(rows)
def test_rows_come_back_as_they_were_packed(given_rows: list[tuple[tuple[str, ...], tuple[float | None, ...]]]) -> None:
    packed = pack(JOBS, {"job": given_rows})
    assert list(unpack(packed, TABLE)) == given_rows
    assert list(unpack(again(packed), TABLE)) == given_rows


@given(rows)
def test_numbers_are_packed_as_they_stand_in_samples(
    given_rows: list[tuple[tuple[str, ...], tuple[float | None, ...]]],
) -> None:
    packed = pack(JOBS, {"job": given_rows})
    texts = [[None if value is None else number_text(value) for value in values] for _, values in given_rows]
    assert [list(values) for _, values in unpack_texts(packed, TABLE)] == texts
    assert [list(values) for _, values in unpack_texts(again(packed), TABLE)] == texts


def test_what_was_packed_a_moment_ago_is_not_decoded_and_what_was_packed_long_ago_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[bytes] = []

    def noted(packed: bytes) -> bytes:
        decoded.append(packed)
        return unpacked(packed)

    monkeypatch.setattr(deflate, "unpacked", noted)
    values = tuple(range(len(TABLE.families)))
    many = [pack(JOBS, {"job": [((f"job {number}",), values)]}) for number in range(33)]
    for number in (1, 32, 0, 0):
        assert list(unpack(many[number], TABLE)) == [((f"job {number}",), values)]
    assert decoded == [many[0]]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_not_finite_is_not_packed(value: float) -> None:
    with pytest.raises(PayloadError, match="a number of job is not finite"):
        pack(JOBS, {"job": [(("lint",), (value, *[None] * (len(TABLE.families) - 1)))]})


def test_a_family_that_the_packing_version_did_not_have_is_absent() -> None:
    older = replace(JOBS, tables=(replace(TABLE, families=TABLE.families[1:3]),))
    packed = pack(older, {"job": [(("lint",), (5, 7))]})
    ((labels, values),) = unpack(packed, TABLE)
    assert labels == ("lint",)
    assert values == (None, 5, 7, *[None] * (len(TABLE.families) - 3))


def test_a_family_that_this_version_does_not_have_is_left_out() -> None:
    packed = pack(JOBS, {"job": [(("lint",), tuple(range(len(TABLE.families))))]})
    assert list(unpack(packed, replace(TABLE, families=TABLE.families[2:3]))) == [(("lint",), (2,))]


def test_a_table_that_the_packing_version_did_not_have_has_no_rows() -> None:
    assert list(unpack(pack(JOBS, {"job": []}), replace(TABLE, name="later"))) == []


def test_rows_in_a_form_that_this_version_does_not_know_are_none() -> None:
    packed = zlib.compress(b'{"job": {"columns": [], "rows": [["lint", 5]]}}')
    assert list(unpack(packed, TABLE)) == []


@given(rows)
def test_what_was_packed_is_no_damage(given_rows: list[tuple[tuple[str, ...], tuple[float | None, ...]]]) -> None:
    packed = pack(JOBS, {"job": given_rows})
    verify(packed, (TABLE,))
    verify(again(packed), (TABLE,))


ANY = st.sampled_from(
    (
        *(
            "7",
            "-7.5",
            "1e22",
            "1.5e+300",
            "null",
            "true",
            "false",
            '"7"',
            '"null"',
            "NaN",
            "Infinity",
            "-1e999",
            "1E999",
        ),
        *("1e+400", "1" + "0" * 400, "{}", "[]", "[7]", '"]]"', '{"numbers":[[1]]}', '"\\"numbers\\":[["'),
    )
)


def is_good(document: Any) -> bool:
    """Whether a table of two columns can be shown, said value by value."""
    labels, numbers = document["job"]["labels"], document["job"]["numbers"]
    return all(type(label) is str for label in labels[0]) and all(
        value is None or (type(value) in {int, float} and -math.inf < value < math.inf) for value in numbers[0]
    )


@given(st.lists(ANY, min_size=2, max_size=2), ANY | st.just('"lint"'), st.sampled_from([",", " , "]))
def test_what_cannot_be_shown_is_damage_however_it_is_written(values: list[str], label: str, comma: str) -> None:
    head = f'{{"job":{{"columns":["a","b"],"labels":[[{label}]],"numbers":[['
    text = f"{head}{comma.join(values)}]]}}}}"
    packed = zlib.compress(text.encode())
    if is_good(json.loads(text)):
        verify(packed, (TABLE,))
    else:
        with pytest.raises((ValueError, TypeError, AttributeError)):
            verify(packed, (TABLE,))
