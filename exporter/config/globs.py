"""Globs as of a shell, on whole names and with their case: `*`, `?`, `[ab]`, `[!ab]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Globs:
    """A choice of names: those that match one of `include` and none of `exclude`."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def match(self, name: str) -> bool:
        """Say whether the name is chosen."""
        included = "*" in self.include or _any(self.include).match(name)
        return bool(included) and not (self.exclude and _any(self.exclude).match(name))


def is_glob(text: str) -> bool:
    """Say whether the text is more than a plain name."""
    return not set("*?[").isdisjoint(text)


@lru_cache(maxsize=4096)
def _any(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)")
