"""A checksum with each document, so that a changed bit is found even where it makes another good number."""

from __future__ import annotations

from zlib import crc32


def sealed(written: str, *of: str) -> str:
    """A document with its checksum on a line of its own; `of` is what else it belongs to, such as a name."""
    return f"{written}\n{_checksum(written, of)}"


def unsealed(stored: object, *of: str) -> object:
    """The document. Raises ValueError where it, or what it belongs to, has changed. The first version had no seals."""
    if not isinstance(stored, str) or "\n" not in stored:
        return stored
    written, _, checksum = stored.rpartition("\n")
    if checksum != _checksum(written, of):
        raise ValueError("the checksum is another")
    return written


def _checksum(written: str, of: tuple[str, ...]) -> str:
    whole = "\n".join((written, *of))
    return f"{crc32(whole.encode()):08x}"
