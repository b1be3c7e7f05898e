"""Globs as of a shell, on whole names and with their case: `*`, `?`, `[ab]`, `[!ab]`."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache


def matches(name: str, globs: tuple[str, ...]) -> bool:
    """Say whether the name matches one of the globs."""
    return "*" in globs or bool(globs and _any(globs).match(name))


def is_glob(text: str) -> bool:
    """Say whether the text is more than a plain name."""
    return not set("*?[").isdisjoint(text)


@lru_cache(maxsize=4096)
def _any(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)))
