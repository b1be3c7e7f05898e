"""What a PromQL expression names: metrics, and the labels that it selects them by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STRING = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
COMMENT = re.compile(r"#.*")
RANGE = re.compile(r"\[[^\]]*\]")
OFFSET = re.compile(r"\boffset\s+-?\w+")
NUMBER = re.compile(r"(?<![\w:])\d[\w.]*")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
NAME = re.compile(r"(?<![\w:$])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])")
WORDS = frozenset(
    [
        "and",
        "or",
        "unless",
        "bool",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "offset",
        "inf",
        "nan",
    ]
)


def selectors(expression: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each metric that is named, with the labels that it is selected by."""
    bare = COMMENT.sub("", STRING.sub('""', expression))
    for name, inside in SELECTOR.findall(bare):
        yield name, tuple(re.findall(r"([a-zA-Z_]\w*)\s*[=!]", inside))
    for pattern in (SELECTOR, GROUPING, RANGE, OFFSET, NUMBER):
        bare = pattern.sub(" ", bare)
    for name in NAME.findall(bare):
        if name.lower() not in WORDS:
            yield name, ()


def metrics(expression: str) -> set[str]:
    """The names of the metrics that an expression reads."""
    return {name for name, _ in selectors(expression)}
