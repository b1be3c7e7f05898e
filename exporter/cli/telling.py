"""Messages for a person at a terminal: errors one by one, the addresses of the demo, and what others wrote, escaped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from exporter import __version__
from exporter.errors import Problem

EVERYWHERE = ("[::]", "0.0.0.0")  # noqa: S104  shown, not listened on


def at_terminal(log_format: str) -> bool:
    """Whether a person, not a program, is likely to read standard error."""
    return sys.stderr.isatty() and log_format == "logfmt"


def mistakes(problems: Sequence[Problem], missing: Path | None = None) -> None:
    """Print each problem on lines of its own, like a compiler; `missing` is a file that does not exist."""
    for problem in problems:
        hint = f"\n    {problem.hint}" if problem.hint else ""
        click.echo(f"{problem.place}: {problem.what}{hint}", err=True)
    if missing is not None:
        click.echo(
            f"\nThere is no {missing}. Name your file with --config.file, or try `circleci-insights-exporter demo`, "
            "which needs none.\nThe shortest file is one line: projects: [gh/ORGANIZATION/REPOSITORY]",
            err=True,
        )


def not_started(error: Exception) -> None:
    """Print why the process could not start."""
    click.echo(f"could not start: {error}", err=True)


def demo(addresses: Iterable[str], telemetry_path: str, *, tls: bool, every: float) -> None:
    """Print where to look, on standard output."""
    click.echo(f"circleci-insights-exporter {__version__} with a synthetic CircleCI on this machine\n")
    for address in addresses:
        base = f"{'https' if tls else 'http'}://{_reachable(address)}"
        click.echo(f"  page     {base}/\n  metrics  {base}{telemetry_path}\n")
    click.echo(f"It polls every {every:.0f} s, so the figures move while you watch. Press Ctrl-C to stop.")


def _reachable(address: str) -> str:
    """An address that a browser on this machine can open."""
    host, _, port = address.rpartition(":")
    return f"{'localhost' if host in EVERYWHERE else host}:{port}"


def printable(text: str) -> str:
    """The text with escapes in place of control characters, line breaks and what changes the direction of writing."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line(text: str, style: str = "") -> Text:
    """A line of a table or of a message."""
    return Text(printable(text), style=style)


def failure(console: Console, what: str, error: str, remedy: str) -> None:
    """Print what fails, and what to do about it where that is known."""
    console.print(line(f"{what} fails: {error}", style="red"))
    if remedy:
        console.print(line(f"    {remedy}"))
