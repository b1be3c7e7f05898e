"""Update the generated parts of the documents, each between `<!-- generated: NAME -->` and `<!-- end -->`.

With --check, write nothing, name the documents that have drifted, and exit with 1 if there are any.
"""

from __future__ import annotations

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter import config
from exporter.cli import metrics_reference
from exporter.cli.command import main as command_line
from exporter.cli.remedies import REMEDIES
from exporter.errors import REASONS, PollError
from exporter.insights.collectors import COLLECTORS, OF_PROJECTS
from scripts import bucket_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PART = re.compile(r"(?s)(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)")


def table(*rows: Sequence[str]) -> str:
    """A table in Markdown; the first row is its head."""
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    head, *body = (f"| {' | '.join(row)} |" for row in escaped)
    return "\n".join((head, f"|{'---|' * len(rows[0])}", *body)) + "\n"


def commands() -> str:
    """Each command, and what it does."""
    return table(
        ("command", "does"),
        *(
            (f"`{name}`", (command.help or "").partition("\n\n")[0].replace("\n", " "))
            for name, command in sorted(command_line.commands.items())
        ),
    )


def flags() -> str:
    """Each flag, its commands, default and meaning."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for name, command in sorted(command_line.commands.items()):
        for flag in _options(command):
            places.setdefault(flag, []).append(name)
    rows = ((*flag[:1], ", ".join(names), *flag[1:]) for flag, names in places.items())
    return table(("flag", "commands", "default", "meaning"), *rows)


def _options(command: click.Command) -> Iterator[tuple[str, str, str]]:
    context = click.Context(command, info_name=command.name)
    for option in command.params:
        if isinstance(option, click.Option):
            (name,) = option.opts
            value = "" if option.is_flag else f" {option.make_metavar(context).strip('[]') or ''}"
            if option.metavar:
                value = f" {option.metavar}"
            default = option.default
            if isinstance(default, tuple):
                default = ", ".join(default)
            shown = f"`{default}`" if isinstance(default, str | int) and default != "" and not option.is_flag else ""
            yield f"`{name}{value}`", shown, option.help or ""


def collectors() -> str:
    """Each collector of projects, its endpoint, and what it is called for."""
    rows = []
    for name in OF_PROJECTS:
        collector = COLLECTORS[name]
        *others, last = collector.over or ("project",)
        each = f"{', '.join(others)} and {last}" if others else last
        if collector.max_age:
            each += ", if the workflow's row changed"
        rows.append((f"`{name}`", f"`GET {collector.endpoint}`", each))
    return table(("collector", "endpoint", "one call per"), *rows)


def failures() -> str:
    """Each reason for a failed poll, and what to do."""
    kinds = {kind.reason: kind for kind in PollError.__subclasses__()}
    return table(
        ("reason", "means", "what to do"),
        *((f"`{reason}`", (kinds[reason].__doc__ or "").strip(), REMEDIES[reason]) for reason in REASONS),
    )


def _layers() -> tuple[str, ...]:
    """Read the names of the layers, the lowest first, where the test of the imports has them."""
    tree = ast.parse((ROOT / "tests" / "repository" / "test_layers.py").read_text(encoding="utf-8"))
    found: tuple[str, ...] = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS"
    )
    return found[1:]


def packages() -> str:
    """The imports between packages as a picture, without those that a longer way also shows."""
    names = {layer.removeprefix("exporter.") for layer in _layers() if (ROOT / layer.replace(".", "/")).is_dir()}
    below = {name: _imported(name) & names - {name} for name in names}
    reached: dict[str, set[str]] = {}
    for name in TopologicalSorter(below).static_order():
        reached[name] = below[name].union(*(reached[other] for other in below[name]))
    arrows = sorted(
        (name, other)
        for name in names
        for other in below[name]
        if not any(other in reached[between] for between in below[name])
    )
    lines = ("flowchart TD", *(f"    {name} --> {other}" for name, other in arrows))
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _imported(package: str) -> set[str]:
    """Name the packages that the files of one import from, those for type checkers alone included."""
    statement = re.compile(r"(?m)^ *from exporter\.(\w+)|^ *import exporter\.(\w+)")
    found: set[str] = set()
    for path in (ROOT / "exporter" / package).rglob("*.py"):
        found |= {name for names in statement.findall(path.read_text(encoding="utf-8")) for name in names}
    return found


def modules() -> str:
    """Each module and package in the order of the layers, with the first sentence of its docstring."""
    rows = []
    for layer in _layers():
        path = ROOT / layer.replace(".", "/")
        file, shown = (path / "__init__.py", f"{path.name}/") if path.is_dir() else (path.with_suffix(".py"), path.name)
        described = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        rows.append((f"`{shown.removesuffix('.py')}`", described.partition("\n\n")[0].replace("\n", " ")))
    return table(("module", "does"), *rows)


def largest_errors() -> str:
    """By how much quantiles are off with the default buckets, at the worst."""
    bounds = config.parse("projects: [gh/acme/web]").projects[0].runs.buckets

    def worst(median: float, quantile: float) -> str:
        largest = max(abs(bucket_errors.error(bounds, median, each, quantile)) for each in bucket_errors.SPREADS)
        return f"{100 * largest:.1f} %"

    head = ("median", *(f"p{100 * quantile:.0f}" for quantile in bucket_errors.QUANTILES))
    rows = (
        (f"{median // 60} min", *(worst(median, quantile) for quantile in bucket_errors.QUANTILES))
        for median in bucket_errors.MEDIANS
    )
    return table(head, *rows)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "flags": flags,
    "configuration": config.markdown,
    "metrics": metrics_reference.markdown,
    "collectors": collectors,
    "failures": failures,
    "packages": packages,
    "modules": modules,
    "bucket-errors": largest_errors,
}


def generated(text: str) -> str:
    """A document with its generated parts up to date."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", text)


@click.command()
@click.option("--check", is_flag=True, help="Only name the documents that have drifted.")
def main(*, check: bool) -> None:
    """Update the generated parts of the documents."""
    drifted = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        fresh = generated(text)
        if fresh != text:
            drifted.append(document.relative_to(ROOT).as_posix())
            if not check:
                document.write_text(fresh, encoding="utf-8")
    for name in drifted:
        click.echo(f"{name}: {'has drifted; run make docs' if check else 'written'}")
    if check and drifted:
        sys.exit(1)


if __name__ == "__main__":
    main()
