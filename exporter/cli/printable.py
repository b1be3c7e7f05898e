"""Text that CircleCI or a user wrote, for a terminal: what that would obey is shown instead."""

from __future__ import annotations

from rich.text import Text


def printable(text: str) -> str:
    """The text with escapes in place of control characters, line breaks and what changes the direction of writing."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line(text: str, style: str = "") -> Text:
    """A line of a table or of a message."""
    return Text(printable(text), style=style)
