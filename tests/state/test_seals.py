from __future__ import annotations

import pytest

from exporter.state.documents import parse
from exporter.state.seals import sealed, unsealed

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
