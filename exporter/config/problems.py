"""Reading one part of a file by its model, with pydantic's errors in words for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from exporter.config.document import Document, Key, dotted
from exporter.config.section import Section

_NOT_HERE: Final = "put the token in a file and name it in token_file, or set CIRCLECI_TOKEN"
_ALLOWED: Final = {
    "bool_type": "true or false",
    "string_type": "text, in quotes",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
}


def read_part(document: Document, file: type[Section], path: Sequence[Key], form: Any, directory: Path) -> Any:  # noqa: ANN401  whatever the form makes
    """Return the part at `path` read as `form`, or None with its mistakes reported; nothing there is read as empty.

    `file` declares the whole file. Relative paths in the part are relative to `directory`.
    """
    value = document.data
    for key in path:
        value = value.get(key, {}) if isinstance(value, dict) else value[key]
    try:
        return _adapter(form).validate_python(value, context={"directory": directory})
    except ValidationError as error:
        _report(document, file, path, error)
        return None


def report_unknown_keys(document: Document, file: type[Section]) -> None:
    """Report each key at the top of the document that the file does not have."""
    unknown = {key: value for key, value in document.data.items() if key not in file.model_fields}
    if unknown:  # otherwise the whole file's model need not be built
        try:
            file.model_validate(unknown)
        except ValidationError as error:
            _report(document, file, (), error)


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    return TypeAdapter(form)


def _report(document: Document, file: type[Section], base: Sequence[Key], error: ValidationError) -> None:
    found = error.errors(include_url=False)
    outer = {details["loc"][:depth] for details in found for depth in range(len(details["loc"]))}
    for details in found:
        path: tuple[Key, ...] = (*base, *details["loc"])
        if details["loc"] in outer:  # a list that is too short without its wrong items is no second mistake
            continue
        if path[-1:] == ("[key]",):  # pydantic's own way to say that the key is meant, not its value
            path = path[:-1]
            document.expected(path, details["ctx"]["allowed"], f"the key {dotted(path[-1:])}")
        elif details["type"] == "extra_forbidden":
            document.report(path, *_unknown(file, path))
        elif details["type"] == "missing":
            document.report(path, "required key is missing")
        else:
            context = details.get("ctx", {})
            allowed = (
                "a slug, or a mapping with a slug"
                if path == tuple(base) and base and isinstance(base[-1], int)
                else _allowed(details, context)
            )
            document.expected(path, allowed, context.get("found", ""))


def _allowed(details: ErrorDetails, context: dict[str, Any]) -> str:
    if details["type"] == "literal_error":
        return f"one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    if details["type"] == "not_allowed":
        return str(context["allowed"])
    return _ALLOWED[details["type"]].format_map(context)


def _unknown(file: type[Section], path: Sequence[Key]) -> tuple[str, str]:
    """Return what is wrong with a key that the file does not have, and the keys that it has there."""
    section, unknown = _section_at(file, path[:-1]), str(path[-1])
    known = section.declared()
    if unknown in section.unsupported:
        return "unsupported key", f"known keys: {', '.join(known)}"
    near = get_close_matches(unknown, known, 1, 0.75 if "token_file" in known else 0.6)
    owner = next((key for key in file.declared() if unknown in _section_at(file, (key,)).declared()), "")
    if near:
        hint = f"did you mean {near[0]}? "
    elif "token_file" in known and "token" in unknown.lower():
        hint = f"{_NOT_HERE}; "
    else:
        hint = f"{unknown} belongs to {owner}; " if owner else ""
    return "unknown key", f"{hint}known keys: {', '.join(known)}"


def _section_at(file: type[Section], path: Sequence[Key]) -> type[Section]:
    section = file
    for key in path:
        if isinstance(key, str):
            section = next(_sections(section.declared()[key].annotation), Section)
    return section


def _sections(annotation: Any) -> Iterator[type[Section]]:  # noqa: ANN401  any type
    """Find the sections in a type, such as a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)
