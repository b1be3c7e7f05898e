"""YAML to plain values, strictly: a duplicate key is an error, and each value keeps its place in the file.

PyYAML's events become values here instead of in its constructor, which silently keeps the last of two equal keys,
recurses, and reads `no`, `1:30` and `2026-11-24` as a boolean, a number and a date. Scalars are read by the core
schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `true`, `false`, `null`, decimal numbers;
everything else is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from exporter.config.places import START, Document, Key, Place, describe, dotted, fatal
from exporter.errors import ConfigError, Problem, UnexpectedValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Mark = yaml.Mark | yaml._yaml.Mark  # noqa: SLF001  that of the loader in C

MOST_VALUES: Final = 1_000_000
DEEPEST: Final = 32

LOADER: Final[type[yaml.SafeLoader | yaml.CSafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?")
_TEXT_TAGS: Final = (None, "!", "tag:yaml.org,2002:str")
_GLOB: Final = "put a glob that begins with * in quotes"
_NO_TAG: Final = "put text that begins with ! in quotes"
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def _hint(error: yaml.MarkedYAMLError) -> str:
    if error.context and "alias" in error.context:
        return _GLOB
    return "indent with spaces, not tabs" if "start any token" in (error.problem or "") else ""


def _at(mark: _Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else START


def _scalar(text: str) -> str | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return text


class _Unkept(NamedTuple):
    """A key whose value is not kept under it."""

    name: str


_MERGE: Final = _Unkept("<<")


class _Node(NamedTuple):
    """A finished value, how many values it holds with its aliases written out, and how deep it is."""

    value: Any
    size: int = 1
    height: int = 0


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end is not reached yet; `key` is what the next value of a mapping belongs to."""

    value: Any
    place: Place
    anchor: str | None
    places: dict[Key, Place] = field(default_factory=dict)
    key: str | _Unkept | None = None
    merged: list[Any] = field(default_factory=list)
    size: int = 1
    height: int = 1


class Builder:
    """Turns events into values with a stack of its own, so that no file is too deep for it."""

    def __init__(self, file: str, loader: type[yaml.SafeLoader | yaml.CSafeLoader] = LOADER) -> None:
        self._file = file
        self._loader = loader
        self._root: Any = None
        self._open: list[_Open] = []
        self._anchors: dict[str, _Node] = {}
        self._places: dict[int, dict[Key, Place]] = {}
        self._mistakes: list[tuple[Place, Problem]] = []

    def build(self, text: str) -> Document:
        """Return the document. Raise ConfigError where it is no YAML, too large, or has tags."""
        try:
            self._read(text)
        except yaml.MarkedYAMLError as error:
            place = _at(error.problem_mark)
            raise fatal(self._file, place, f"syntax error: {error.problem}", _hint(error)) from None
        return Document(self._file, self._root, self._mistakes, self._places)

    def _read(self, text: str) -> None:
        documents = 0
        for event in yaml.parse(text, Loader=self._loader):
            place = _at(event.start_mark)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event, place)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._start(event, place)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event, place)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise fatal(self._file, place, "second YAML document", "put everything in one document")

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        if event.tag not in _TEXT_TAGS:
            raise fatal(self._file, place, "YAML tags are not supported", _NO_TAG)
        if event.style == '"' and _SURROGATE.search(event.value):  # as an escape; the loader in C refuses it by itself
            raise fatal(self._file, place, "half of a surrogate pair", "write the whole character")
        plain = event.implicit[0] and event.tag is None
        value = _scalar(event.value) if plain else event.value
        node = _Node(value)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._add(
            node, place if isinstance(value, str) else place._replace(text=event.value), merge=plain and value == "<<"
        )

    def _start(self, event: yaml.CollectionStartEvent, place: Place) -> None:
        if event.tag is not None:
            raise fatal(self._file, place, "YAML tags are not supported", _NO_TAG)
        self._open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], place, event.anchor))
        if len(self._open) > DEEPEST:
            raise self._too_large(place)

    def _end(self) -> None:
        top = self._open.pop()
        for mapping in top.merged:
            for key in [key for key in mapping if key not in top.value]:
                top.value[key] = mapping[key]
                top.places[key] = self._places[id(mapping)][key]
        self._places[id(top.value)] = top.places
        node = _Node(top.value, top.size, top.height)
        if top.anchor:
            self._anchors[top.anchor] = node
        self._add(node, top.place)

    def _alias(self, event: yaml.AliasEvent, place: Place) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise fatal(self._file, place, "unknown alias", f"define it above, or {_GLOB}")
        self._add(node, place)

    def _add(self, node: _Node, place: Place, *, merge: bool = False) -> None:
        if not self._open:
            self._root = node.value
            return
        top = self._open[-1]
        top.size += node.size
        top.height = max(top.height, node.height + 1)
        if top.size > MOST_VALUES or len(self._open) + node.height > DEEPEST:
            raise self._too_large(place)
        if isinstance(top.value, list):
            top.places[len(top.value)] = place
            top.value.append(node.value)
        elif top.key is None:
            top.key = _MERGE if merge else self._key(top, node.value, place)
        else:
            self._entry(top, node.value, place)
            top.key = None

    def _key(self, top: _Open, value: object, place: Place) -> str | _Unkept:
        """Return what the next value is kept under; a key that cannot stand is reported, and its value dropped."""
        if not isinstance(value, str):
            shown = place.text or describe(value)
            self._mistake(place, self._path(), f"key {shown} is not text", "put it in quotes")
            return _Unkept(shown)
        if value in top.places:
            self._mistake(place, [*self._path(), value], f"duplicate key, first on line {top.places[value].line}")
            return _Unkept(value)
        top.places[value] = place
        return value

    def _entry(self, top: _Open, value: object, place: Place) -> None:
        if top.key is _MERGE:
            merged = value if isinstance(value, list) else [value]
            if all(isinstance(mapping, dict) for mapping in merged):
                top.merged += merged
            else:
                found = place.text or describe(value)
                path, allowed = dotted([*self._path(), "<<"]), "a mapping or a list of mappings"
                self._mistakes.append((place, UnexpectedValue(place.within(self._file), path, found, allowed)))
        elif isinstance(top.key, str):
            top.value[top.key] = value
            if place.text:
                top.places[top.key] = top.places[top.key]._replace(text=place.text)

    def _path(self) -> list[Key]:
        """Return the path of the innermost open mapping or list."""
        keys = (len(level.value) if level.key is None else level.key for level in self._open[:-1])
        return [key.name if isinstance(key, _Unkept) else key for key in keys]

    def _mistake(self, place: Place, path: Sequence[Key], what: str, hint: str = "") -> None:
        self._mistakes.append((place, Problem(place.within(self._file), dotted(path), what, hint)))

    def _too_large(self, place: Place) -> ConfigError:
        hint = f"at most {MOST_VALUES:,} values, with aliases counted in full, and {DEEPEST} levels are read"
        return fatal(self._file, place, "too large", hint)
