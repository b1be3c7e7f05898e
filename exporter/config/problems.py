"""From what pydantic says about a part of the file to what a person is told."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from exporter.config.model import File
from exporter.config.places import dotted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from exporter.config.places import Document, Key

_NOT_HERE: Final = "token_file, or the environment variable CIRCLECI_TOKEN; the token itself never stands in this file"
_SECTIONS: Final = ("circleci", "state", "defaults")
_ALLOWED: Final = {
    "missing": "this key is required",
    "bool_type": "true or false",
    "string_type": "text, in quotes",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "too_short": "at least {min_length} entry",
    "too_long": "at most {max_length} entries",
}


def report_errors(document: Document, base: Sequence[Key], model: type[BaseModel], error: ValidationError) -> None:
    """Report each error of the validation of the part at `base` by `model`."""
    for details in error.errors(include_url=False):
        path: tuple[Key, ...] = details["loc"]
        if path and path[-1] == "[key]":  # pydantic's own way to say that the key is meant, not its value
            path = path[:-1]
            document.report([*base, *path], f"the key {dotted(path[-1:])}", details["ctx"]["allowed"])
        elif details["type"] == "extra_forbidden":
            document.report([*base, *path], "an unknown key", _suggestion(model, path))
        elif details["type"] == "missing":
            document.report([*base, *path], "nothing", _ALLOWED["missing"])
        else:
            context = details.get("ctx", {})
            entry = not path and isinstance(base[-1], int)
            allowed = "a slug, or a mapping with a slug" if entry else _allowed(details, context)
            document.report([*base, *path], context.get("found"), allowed)


def _allowed(details: ErrorDetails, context: dict[str, Any]) -> str:
    if details["type"] == "literal_error":
        return f"one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    if details["type"] == "not_allowed":
        return str(context["allowed"])
    return _ALLOWED[details["type"]].format_map(context)


def _suggestion(model: type[BaseModel], path: Sequence[Key]) -> str:
    """Return what may stand in place of the unknown key: the nearest one, or where it belongs, and all known."""
    unknown = str(path[-1])
    for key in path[:-1]:
        model = _section(model, str(key))
    known = list(model.model_fields)
    near = get_close_matches(unknown, known, 1, 0.75 if "token_file" in known else 0.6)
    if near:
        hint = f"did you mean {near[0]}? "
    elif "token_file" in known and "token" in unknown.lower():
        hint = f"{_NOT_HERE}; "
    else:
        owner = next((key for key in _SECTIONS if unknown in _section(File, key).model_fields), "")
        hint = f"{unknown} belongs to {owner}; " if owner else ""
    return f"{hint}known here: {', '.join(known)}"


def _section(model: type[BaseModel], key: str) -> type[BaseModel]:
    section = model.model_fields[key].annotation
    assert isinstance(section, type)  # noqa: S101  only sections have keys that can be unknown
    assert issubclass(section, BaseModel)  # noqa: S101
    return section
