"""A configuration file as it was read: its values, where each of them stands, and the mistakes found in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from exporter.errors import ConfigError, Problem, UnexpectedValue

Key = str | int
"""A key of a mapping or an index of a list."""

_SECRET: Final = re.compile(r"token|passw|secret|credential|authori[sz]ation|api[-_]?key", re.IGNORECASE)
_TOKEN: Final = re.compile(r"CCIP[A-Z]{2}_\w|\b[0-9a-fA-F]{40}\b")
_LINE: Final = 80


class Place(NamedTuple):
    """Where a value stands, both counted from 1, and its text as written where it is a plain scalar."""

    line: int
    column: int
    text: str = ""

    def within(self, file: str) -> str:
        """Return the place as editors and terminals read it: `file:line:column`."""
        return f"{file}:{self.line}:{self.column}" if self.line else file


START: Final = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Document:
    """One file's value, its mistakes so far, and the place of every value in it."""

    file: str
    data: Any
    mistakes: list[tuple[Place, Problem]]
    places: dict[int, dict[Key, Place]]

    def expected(self, path: Sequence[Key], allowed: str, found: str = "") -> None:
        """Add the mistake of a value that is not what is allowed; without `found` the value itself is shown."""
        place, shown, value = self._at(path)
        secret_key = any(_SECRET.search(key) for key in shown if isinstance(key, str))
        if secret_key or (isinstance(value, str) and _TOKEN.search(value)):
            found = found or "a value that is not shown"
        found = found or place.text or describe(value)
        self.mistakes.append((place, UnexpectedValue(place.within(self.file), dotted(shown), found, allowed)))

    def report(self, path: Sequence[Key], what: str, hint: str = "") -> None:
        """Add any other mistake at `path`: what is wrong, and what to do about it."""
        place, shown, _ = self._at(path)
        self.mistakes.append((place, Problem(place.within(self.file), dotted(shown), what, hint)))

    def _at(self, path: Sequence[Key]) -> tuple[Place, list[Key], Any]:
        """Return where the path leads, the part of it that the file has, and the value there."""
        value: Any = self.data
        place, shown = START, list[Key]()
        for key in path:
            if not isinstance(value, dict | list):
                break
            shown.append(key)
            here = self.places[id(value)].get(key)
            if here is None:
                break
            place, value = here, value[key]  # type: ignore[index]  # its places have its keys
        return place, shown, value

    def problems(self) -> tuple[Problem, ...]:
        """Every mistake, in the order in which they stand in the file."""
        return tuple(
            problem for _, problem in sorted(self.mistakes, key=lambda mistake: (mistake[0][:2], mistake[1].path))
        )


def dotted(path: Sequence[Key]) -> str:
    """Return the path as a person writes it: `projects[2].windows[0]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            plain = re.fullmatch(r"[\w-]{1,80}", key)
            text += f"{'.' if text else ''}{key if plain else describe(key)}"
    return text


def describe(value: object) -> str:
    """Return a short, printable account of a value; text is quoted, containers are not opened."""
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if not isinstance(value, str):
        return "nothing" if value is None else str(value).lower()
    short = value if len(value) <= _LINE else value[: _LINE - 1] + "…"
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)
    return f'"{shown}"'


def fatal(file: str, place: Place, what: str, hint: str = "") -> ConfigError:
    """Return the error of a file of which nothing further can be read."""
    return ConfigError.of(place.within(file), "", what, hint)


def file_error(error: OSError) -> str:
    """Return why a file cannot be read, such as `no such file` or `permission denied`."""
    return "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "input/output error").lower()
