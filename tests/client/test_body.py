from __future__ import annotations

import gzip
import io
import json
import math
import tracemalloc
import zlib

import pytest

from exporter.client import body
from exporter.errors import PayloadError, TooLargeError, TruncatedError

MIB = 1024 * 1024


class Stream(io.BytesIO):
    """Bytes as urllib3 offers them; counts how many were taken."""

    taken = 0

    def read(self, amt: int, decode_content: bool) -> bytes:  # type: ignore[override]
        assert not decode_content
        data = super().read(amt)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_plain_body_is_read_whole(encoding: str) -> None:
    content = bytes(range(256)) * 1000
    assert body.read(Stream(content), encoding) == content


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_body_is_unpacked(encoding: str) -> None:
    content = bytes(range(256)) * 1000
    assert body.read(Stream(gzip.compress(content)), encoding) == content


def test_a_packed_body_of_several_members_is_unpacked() -> None:
    packed = gzip.compress(b'{"items":') + gzip.compress(b"") + gzip.compress(b"[]}")
    assert body.read(Stream(packed), "gzip") == b'{"items":[]}'


def test_a_body_of_just_the_limit_is_read_and_one_byte_more_is_not() -> None:
    for encoding, pack in (("", bytes), ("gzip", gzip.compress)):
        assert len(body.read(Stream(pack(b"a" * 1000)), encoding, 1000)) == 1000
        with pytest.raises(TooLargeError, match="1000 bytes"):
            body.read(Stream(pack(b"a" * 1001)), encoding, 1000)


def test_no_more_of_an_oversized_body_is_read_than_needed() -> None:
    stream = Stream(b"a" * (10 * MIB))
    with pytest.raises(TooLargeError):
        body.read(stream, "", MIB)
    assert stream.taken <= MIB + body.CHUNK


def test_a_gzip_bomb_is_never_in_memory() -> None:
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(64)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            body.read(Stream(bomb), "gzip", MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense\x1b[31m"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(PayloadError, match="encoding") as raised:
        body.read(Stream(b"{}"), encoding)
    assert "\x1b" not in str(raised.value)


def test_what_is_no_gzip_although_it_says_so_is_refused() -> None:
    for content in (b"{}", b"\x1f\x8b\x08garbage everywhere", gzip.compress(b"{}") + b"trailing"):
        with pytest.raises(PayloadError, match="not valid gzip"):
            body.read(Stream(content), "gzip")


@pytest.mark.parametrize("kept", [0, 5, 15, -1])
def test_a_packed_body_that_ends_early_is_truncated(kept: int) -> None:
    with pytest.raises(TruncatedError):
        body.read(Stream(gzip.compress(b'{"items": []}')[:kept]), "gzip")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><title>hello</title>",
        b'{"items": [',
        b"{'items': []}",
        b'{"n": ' + b"9" * 6000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"caf\xe9"',
        b"\xff\xfe\x00",
        b"{} {}",
    ],
)
def test_what_is_no_json_is_refused_with_a_reason_that_quotes_little(content: bytes) -> None:
    with pytest.raises(PayloadError) as raised:
        body.decode(content)
    assert len(str(raised.value)) < 300
    assert "hello" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_nan_infinity_and_lone_surrogates_are_decoded() -> None:
    value = body.decode(b'[NaN, Infinity, -Infinity, "\\ud800", 1e999]')
    assert isinstance(value, list)
    assert math.isnan(value[0])
    assert value[1:] == [math.inf, -math.inf, "\ud800", math.inf]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert body.decode(b"\xef\xbb\xbf[1]") == [1]


def test_a_small_body_of_very_many_values_is_too_large() -> None:
    with pytest.raises(TooLargeError, match="values"):
        body.decode(b"[" + b"{}," * (body.MOST_VALUES + 1) + b"{}]")


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("application/json", b"oops", True),
        ("Application/Problem+JSON; charset=utf-8", b"", True),
        ("text/plain", b' \r\n{"message": "no"}', True),
        ("", b"[]", True),
        ("text/html", b"<html>", False),
        ("text/plain", b"Rate limited.", False),
        ("", b"", False),
    ],
)
def test_an_answer_is_the_apis_own_by_its_type_or_its_first_character(
    content_type: str, content: bytes, expected: bool
) -> None:
    assert body.is_json(content_type, content) is expected


def test_circlecis_explanation_is_one_short_printable_line() -> None:
    text = "Project\nnot \x1b[31mfound\u202e\ud800 " + "x" * 500
    said = body.message(json.dumps({"message": text}).encode(), "token")
    assert said == ("Project not  [31mfound   " + "x" * 500)[:200]


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b"{}", b'{"message": null}', b'{"message": 5}', b"[" + b"1," * 1_000_001 + b"1]"]
)
def test_without_an_explanation_nothing_is_quoted(content: bytes) -> None:
    assert body.message(content, "token") == ""


def test_an_echoed_secret_is_not_quoted_even_where_the_text_is_cut() -> None:
    said = body.message(json.dumps({"message": "x" * 195 + "SECRET-TOKEN"}).encode(), "SECRET-TOKEN")
    assert said == "x" * 195 + "***"


@pytest.mark.parametrize(
    "echo",
    ["t0ken-of-letters", "T0KEN-OF-LETTERS", "Bearer t0ken-of-letters", "Basic dDBrZW4tb2YtbGV0dGVyczo="],
)
def test_a_secret_is_hidden_in_every_form_in_which_it_is_sent(echo: str) -> None:
    text = body.hidden(f"no use for {echo}, sorry", "t0ken-of-letters")
    assert text in {"no use for ***, sorry", "no use for Bearer ***, sorry", "no use for Basic ***, sorry"}
