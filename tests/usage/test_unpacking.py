"""From the bytes of a file to records: gzip members, quotes, limits, and every way in which a file can end early."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import PayloadError, TooLargeError, TruncatedError
from exporter.usage.unpacking import LIMIT, records

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = b'a,b\n"1, ""x""\ny",\\N\n3,4\n'
FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
RECORDS = [["a", "b"], ['1, "x"\ny', r"\N"], ["3", "4"]]


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[place : place + size] for place in range(0, len(content), size))


def read(content: bytes, size: int = 7, *, bounded: bool = True) -> list[list[str]]:
    return list(records(pieces(content, size), bounded=bounded))


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT,
        TEXT.replace(b"4\n", b"4"),
        gzip.compress(TEXT),
        gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
        gzip.compress(TEXT) + gzip.compress(b""),
        gzip.compress(TEXT) + b"\0" * 100,
    ],
    ids=["plain", "with a mark", "without a last newline", "gzip", "members", "an empty member", "padding"],
)
def test_the_records_are_the_same_however_the_bytes_come(content: bytes, size: int) -> None:
    assert read(content, size) == RECORDS


@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=4)),
    st.integers(1, 50),
    st.booleans(),
)
def test_whatever_a_writer_wrote_is_read_as_it_was(rows: list[list[str]], size: int, packed: bool) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    if content.startswith(b"\xef\xbb\xbf"):
        return
    assert read(gzip.compress(content) if packed else content, size) == rows


def test_a_backslash_is_no_escape_character() -> None:
    assert read(b'"\\N","a\\",b\\\n') == [["\\N", "a\\", "b\\"]]


def test_only_a_newline_ends_a_line() -> None:
    assert read("a\u2028b\x0bc\x1cd,e\n".encode()) == [["a\u2028b\x0bc\x1cd", "e"]]


def test_bytes_that_are_no_text_spoil_their_field_alone() -> None:
    [[spoilt, whole]] = read(b"a\xffb,c\n")
    assert whole == "c"
    assert spoilt.encode("utf-8", "surrogateescape") == b"a\xffb"


def test_a_gzip_file_that_is_cut_anywhere_is_noticed_even_at_the_end_of_a_row() -> None:
    content = gzip.compress(b"".join(b"%d,%d\n" % (each, each * 7919) for each in range(2000)))
    for end in [2, 9, 10, 11, *range(12, len(content) - 1, 97), len(content) - 1]:
        with pytest.raises(TruncatedError):
            read(content[:end], 100)


def test_members_that_are_cut_in_the_second_are_noticed() -> None:
    both = gzip.compress(TEXT) + gzip.compress(TEXT)
    for end in range(len(gzip.compress(TEXT)) + 1, len(both)):
        with pytest.raises((TruncatedError, PayloadError)):
            read(both[:end])


def test_damaged_gzip_is_no_payload() -> None:
    content = bytearray(gzip.compress(TEXT * 100))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(PayloadError):
        read(bytes(content))
    with pytest.raises(PayloadError):
        read(gzip.compress(TEXT) + b"rest")


@pytest.mark.parametrize("place", [-8, -1], ids=["checksum", "length"])
def test_a_wrong_checksum_or_length_is_no_payload(place: int) -> None:
    content = bytearray(gzip.compress(TEXT))
    content[place] ^= 1
    with pytest.raises(PayloadError):
        read(bytes(content))


def test_a_bomb_of_one_line_is_too_large_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"x" * 64 * LIMIT, 1)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        list(records([bomb]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * LIMIT


def test_a_plain_file_whose_end_cannot_be_told_is_not_trusted() -> None:
    with pytest.raises(TruncatedError):
        read(TEXT, bounded=False)
    assert read(gzip.compress(TEXT), bounded=False) == RECORDS


def test_a_line_and_a_field_may_have_a_megabyte_and_no_more() -> None:
    longest = b"x" * (LIMIT - 1)
    assert len(read(longest + b"\n", 100_000)[0][0]) == LIMIT - 1
    for content in (longest + b"xx\n", b"a,b\n" + longest + b"xx\nc,d\n", b"x" * 3 * LIMIT):
        with pytest.raises(TooLargeError):
            read(content, 100_000)
    with pytest.raises(TooLargeError):
        read(b'"' + b"x\n" * LIMIT + b'"\n', 100_000)


def test_a_record_that_never_ends_is_too_large() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b'"a\n",' * 10_000

    with pytest.raises(TooLargeError):
        list(records(endless()))


def test_a_bomb_is_read_in_pieces() -> None:
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000)
    assert len(bomb) < 200_000
    assert sum(1 for _ in records([bomb])) == 1_000_001


def test_quotes_that_do_not_close_are_no_csv() -> None:
    with pytest.raises(PayloadError):
        read(b'a,b\n"1,2\n3,4\n')
