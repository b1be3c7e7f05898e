"""Reading a YAML file: its values, the place of each, and every mistake in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from exporter.config.events import Builder
from exporter.config.places import START, Document, Place, fatal
from exporter.errors import ConfigError

LARGEST_FILE: Final = 16 * 1024 * 1024

_UNREADABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def open_document(path: str | Path) -> Document:
    """Read the YAML file. Raise ConfigError if it cannot be read at all; other mistakes are kept in the document."""
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError.of(str(path), "", file_error(error)) from None
    return parse_document(content, str(path))


def parse_document(content: bytes | str, file: str) -> Document:
    """Parse YAML of at most 16 MiB, 1,000,000 values and 32 levels. Raise ConfigError as `open_document` does."""
    return Builder(file).build(_decoded(content, file))


def file_error(error: OSError) -> str:
    """Return why a file cannot be read, such as `no such file` or `permission denied`."""
    return "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "input/output error").lower()


def _decoded(content: bytes | str, file: str) -> str:
    if len(content) > LARGEST_FILE:
        raise fatal(file, START, "larger than 16 MiB")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        place = Place(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise fatal(file, place, f"not UTF-8: byte 0x{error.object[error.start]:02x}") from None
    unreadable = _UNREADABLE.search(text)
    if unreadable:
        at = unreadable.start()
        place = Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise fatal(file, place, f"character U+{ord(text[at]):04X} is not allowed")
    return text
