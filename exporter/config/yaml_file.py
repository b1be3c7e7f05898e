"""Reading a YAML file strictly: a duplicate key is an error, and each value keeps its place in the file.

PyYAML composes the nodes, which become values here instead of in its constructor. That silently keeps the last of two
equal keys, and reads `no`, `1:30` and `2026-11-24` as a boolean, a number and a date. Scalars are read by the core
schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `true`, `false`, `null`, decimal numbers;
everything else is text.
"""

from __future__ import annotations

import re
from copy import copy
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import yaml
from yaml.composer import Composer

from exporter.config.document import START, Document, Key, Place, describe, dotted, fatal, file_error
from exporter.errors import ConfigError, Problem, UnexpectedValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Mark = yaml.Mark | yaml._yaml.Mark  # noqa: SLF001  that of the loader in C

LARGEST_FILE: Final = 16 * 1024 * 1024
MOST_VALUES: Final = 1_000_000
DEEPEST: Final = 32

LOADER: Final[type[yaml.SafeLoader | yaml.CSafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?")
_TEXT: Final = "tag:yaml.org,2002:str"
_PLAIN: Final = "plain"
_MERGE: Final = "<<"
_GLOB: Final = "put a glob that begins with * in quotes"
_SECOND: Final = "expected a single document in the stream"
_TOO_LARGE: Final = f"at most {MOST_VALUES:,} values, with aliases counted in full, and {DEEPEST} levels are read"


def open_document(path: str | Path) -> Document:
    """Read the YAML file. Raise ConfigError if it cannot be read at all; other mistakes are kept in the document."""
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError.of(str(path), "", file_error(error)) from None
    return parse_document(content, str(path))


def parse_document(
    content: bytes | str, file: str, loader: type[yaml.SafeLoader | yaml.CSafeLoader] = LOADER
) -> Document:
    """Parse YAML of at most 16 MiB, 1,000,000 values and 32 levels. Raise ConfigError as `open_document` does."""
    text = _decoded(content, file)
    try:
        composer = type("_Loader", (_Composer, loader), {"__init__": loader.__init__, "anchors": {}})
        return _Reader(file).document(yaml.compose(text, composer))
    except _RefusedError as error:
        raise fatal(file, _at(error.problem_mark), error.problem or "", error.note or "") from None
    except yaml.MarkedYAMLError as error:
        place = _at(error.problem_mark)
        if error.context == _SECOND:
            raise fatal(file, place, "second YAML document", "put everything in one document") from None
        raise fatal(file, place, f"syntax error: {error.problem}", _hint(error)) from None


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


def _hint(error: yaml.MarkedYAMLError) -> str:
    if error.context and "alias" in error.context:
        return _GLOB
    return "indent with spaces, not tabs" if "start any token" in (error.problem or "") else ""


def _at(mark: _Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else START


class _RefusedError(yaml.MarkedYAMLError):
    """YAML that is not read: where, what it is, and what to do about it."""

    def __init__(self, at: yaml.Event | yaml.Node, what: str, hint: str) -> None:
        super().__init__(problem=what, problem_mark=at.start_mark, note=hint)  # type: ignore[arg-type]  # or that of C


class _Composer(Composer):
    """PyYAML's own, for either loader. An alias keeps the place where it stands; an anchor may be given anew.

    What an alias stands for counts in full, before any of it is written out.
    """

    _level = _values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[attr-defined]  # the loader's
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            anchored: Any = self.anchors.get(event.anchor)
            if anchored is None or anchored.end_mark is None:  # not there, or not at its end
                raise _RefusedError(event, "unknown alias", f"define it above, or {_GLOB}")
            self._values += anchored.values - 1
            if self._level + anchored.levels > DEEPEST or self._values > MOST_VALUES:
                raise _RefusedError(event, "too large", _TOO_LARGE)
            self.get_event()  # type: ignore[attr-defined]  # the loader's
            alias = copy(anchored)
            alias.start_mark = event.start_mark
            return cast("yaml.Node", alias)
        scalar = isinstance(event, yaml.ScalarEvent)
        if event.tag not in ((None, "!", _TEXT) if scalar else (None,)):
            raise _RefusedError(event, "YAML tags are not supported", "put text that begins with ! in quotes")
        if scalar and event.style == '"' and _SURROGATE.search(event.value):  # the loader in C refuses it by itself
            raise _RefusedError(event, "half of a surrogate pair", "write the whole character")
        event.tag = event.tag and _TEXT
        self.anchors.pop(event.anchor, None)
        self._level += not scalar
        if self._level > DEEPEST or self._values > MOST_VALUES:
            raise _RefusedError(event, "too large", _TOO_LARGE)
        before = self._values - 1
        node: Any = super().compose_node(parent, index)
        self._level -= not scalar
        inside = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        node.values = self._values - before
        node.levels = 0 if scalar else 1 + max((each.levels for each in inside), default=0)
        return cast("yaml.Node", node)

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:  # noqa: ANN401, ARG002  PyYAML's
        """Say only whether a scalar is plain: what it means is not decided by PyYAML."""
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else _TEXT


class _Reader:
    """Makes a document of nodes. What an alias stands for is read again each time."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._places: dict[int, dict[Key, Place]] = {}
        self._mistakes: dict[Place, Problem] = {}

    def document(self, root: yaml.Node | None) -> Document:
        data = self._value(root, ()) if root else None
        return Document(self._file, data, [*self._mistakes.items()], self._places)

    def _value(self, node: yaml.Node, path: tuple[Key, ...]) -> Any:  # noqa: ANN401  whatever stands in the file
        if isinstance(node, yaml.MappingNode):
            mapping, places = self._mapping(node, path)
            self._places[id(mapping)] = places
            return mapping
        if isinstance(node, yaml.SequenceNode):
            items = [self._value(each, (*path, index)) for index, each in enumerate(node.value)]
            self._places[id(items)] = {index: _place(each) for index, each in enumerate(node.value)}
            return items
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[Key, ...]) -> tuple[dict[str, Any], dict[Key, Place]]:
        """A key that cannot stand is reported, and its value dropped."""
        values, places, merged = dict[str, Any](), dict[Key, Place](), list[Any]()
        for key_node, value_node in node.value:
            key, place = self._value(key_node, (*path, len(values))), _place(key_node)
            name = key if isinstance(key, str) else place.text or describe(key)
            value = self._value(value_node, (*path, name))
            if name == _MERGE and key_node.tag == _PLAIN:
                merged += self._merged(value, _place(value_node), (*path, name))
            elif key is not name:
                self._mistake(Problem, place, path, f"key {name} is not text", "put it in quotes")
            elif key in places:
                self._mistake(Problem, place, (*path, key), f"duplicate key, first on line {places[key].line}", "")
            else:
                values[key], places[key] = value, place._replace(text=_place(value_node).text)
        for mapping in merged:
            for key in [key for key in mapping if key not in values]:
                values[key], places[key] = mapping[key], self._places[id(mapping)][key]
        return values, places

    def _merged(self, value: Any, place: Place, path: Sequence[Key]) -> list[Any]:  # noqa: ANN401  whatever it is
        mappings = value if isinstance(value, list) else [value]
        if all(isinstance(mapping, dict) for mapping in mappings):
            return mappings
        self._mistake(UnexpectedValue, place, path, place.text or describe(value), "a mapping or a list of mappings")
        return []

    def _mistake(self, kind: type[Problem], place: Place, path: Sequence[Key], what: str, hint: str) -> None:
        self._mistakes.setdefault(place, kind(place.within(self._file), dotted(path), what, hint))


def _scalar(node: yaml.Node) -> str | float | bool | None:
    text: str = node.value
    if node.tag != _PLAIN:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _place(node: yaml.Node) -> Place:
    place = _at(node.start_mark)
    shown = isinstance(node, yaml.ScalarNode) and not isinstance(_scalar(node), str)
    return place._replace(text=node.value) if shown else place
