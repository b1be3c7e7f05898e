"""The architecture, read from the import statements: layers, doorways to outside packages, and what is pure."""

from __future__ import annotations

import ast
import graphlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "exporter"

# From what knows nothing to what knows all: an import may only point up. A package is one layer with all that is in it.
LAYERS = (
    "exporter",
    "exporter.errors",
    "exporter.system",
    "exporter.formats",
    "exporter.insights",
    "exporter.config",
    "exporter.telemetry",
    "exporter.client",
    "exporter.runs",
    "exporter.counting",
    "exporter.knowledge",
    "exporter.state",
    "exporter.publishing",
    "exporter.polling",
    "exporter.runners",
    "exporter.usage",
    "exporter.history",
    "exporter.web",
    "exporter.process",
    "exporter.demo",
    "exporter.cli",
    "exporter.__main__",
)

# A scrape must have no way to the API.
UNSEEN_BY_WEB = {
    "exporter.client",
    "exporter.polling",
    "exporter.runners",
    "exporter.usage",
    "exporter.process",
}

# Each package with a world of its own behind it, and the only layers that may know it.
DOORWAYS = {
    "apscheduler": {"exporter.polling"},
    "bcrypt": {"exporter.web"},
    "click": {"exporter.cli"},
    "h11": {"exporter.web"},
    "http.server": {"exporter.demo"},
    "isal": {"exporter.formats"},
    "jinja2": {"exporter.web"},
    "prometheus_client": {"exporter.formats", "exporter.telemetry"},
    "psycopg": {"exporter.state"},
    "pydantic": {"exporter.config", "exporter.state", "exporter.web"},
    "pydantic_core": {"exporter.config", "exporter.web"},
    "requests": {"exporter.client"},
    "rich": {"exporter.cli"},
    "sqlite3": {"exporter.history", "exporter.state"},
    "starlette": {"exporter.web"},
    "urllib3": {"exporter.client"},
    "uvicorn": {"exporter.web"},
    "yaml": {"exporter.config"},
}
# Logging has no world behind it; the other is there for type checkers alone.
ANYWHERE = {"structlog", "_typeshed"}

PURE = {
    "exporter.counting",
    "exporter.formats",
    "exporter.insights",
    "exporter.knowledge",
    "exporter.runs",
}
# Pure modules of layers that are not pure as a whole.
PURE_MODULES = {
    "exporter.cli.remedies",
    "exporter.history.grid",
    "exporter.history.growth",
    "exporter.history.lines",
    "exporter.polling.agenda",
    "exporter.publishing.blocks",
    "exporter.publishing.exposition",
    "exporter.publishing.figures",
    "exporter.publishing.own_lines",
    "exporter.publishing.rendering",
    "exporter.publishing.counted_lines",
    "exporter.publishing.sections",
    "exporter.publishing.tables",
    "exporter.runners.answers",
    "exporter.runners.families",
    "exporter.runners.lines",
    "exporter.runners.questions",
    "exporter.usage.columns",
    "exporter.usage.counting",
    "exporter.usage.families",
    "exporter.usage.lines",
    "exporter.usage.planning",
    "exporter.usage.unpacking",
}
# Clock, threads, logs, files, sockets, chance.
IMPURE_MODULES = {
    "asyncio",
    "concurrent",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "structlog",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
IMPURE_CALLS = {"open", "print", "input"}
IMPURE_METHODS = {"now", "utcnow", "today"}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, and the statement that does it."""

    importer: str
    imported: str
    line: int
    at_run_time: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@dataclass(frozen=True)
class Module:
    """One file of the package, parsed."""

    name: str
    is_package: bool
    tree: ast.Module

    @cached_property
    def statements(self) -> list[tuple[ast.Import | ast.ImportFrom, bool]]:
        """Its imports, and whether each is there at run time and not for types alone."""
        only_for_types = {
            inner
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
            for statement in node.body
            for inner in ast.walk(statement)
        }
        return [
            (node, node not in only_for_types)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]

    @property
    def layer(self) -> str:
        return layer_of(self.name)

    def base_of(self, node: ast.ImportFrom) -> str:
        """Resolve the dots of a relative import."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        parts = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*parts, node.module] if node.module else parts)

    def imports(self, known: frozenset[str]) -> list[Import]:
        """List what this file imports, in functions too; `known` tells a module from another name of its package."""
        found = []
        for node, at_run_time in self.statements:
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            else:
                base = self.base_of(node)
                members = {alias.name: f"{base}.{alias.name}" for alias in node.names}
                names = {full if full in known or full in DOORWAYS else base for full in members.values()}
            found += [Import(self.name, name, node.lineno, at_run_time) for name in sorted(names)]
        return found


def layer_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def parse(name: str, source: str, *, is_package: bool = False) -> Module:
    return Module(name, is_package, ast.parse(source))


def read_package() -> list[Module]:
    modules = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(parse(name, path.read_text(encoding="utf-8"), is_package=is_package))
    return modules


MODULES = read_package()
KNOWN = frozenset({module.name for module in MODULES} | set(LAYERS))


def inner_imports(modules: list[Module]) -> list[Import]:
    return [
        found for module in modules for found in module.imports(KNOWN) if found.imported.split(".")[0] == "exporter"
    ]


def unknown_layers(modules: list[Module]) -> list[str]:
    return [module.name for module in modules if module.layer not in LAYERS]


def imports_downwards(modules: list[Module]) -> list[str]:
    rank = {name: number for number, name in enumerate(LAYERS)}
    return [
        str(found)
        for found in inner_imports(modules)
        if rank.get(layer_of(found.imported), len(LAYERS)) > rank.get(layer_of(found.importer), -1)
    ]


def ways_from_web_to_the_api(modules: list[Module]) -> list[str]:
    """Follow the imports of `exporter.web` wherever they lead, and list those that end at the API."""
    imports = [found for found in inner_imports(modules) if found.at_run_time]
    reached = {"exporter.web"}
    ends: list[Import] = []
    while True:
        new = [
            found
            for found in imports
            if layer_of(found.importer) in reached and layer_of(found.imported) not in reached
        ]
        if not new:
            direct = [
                found
                for found in inner_imports(modules)
                if layer_of(found.importer) == "exporter.web" and layer_of(found.imported) in UNSEEN_BY_WEB
            ]
            return sorted({str(found) for found in [*ends, *direct]})
        ends += [found for found in new if layer_of(found.imported) in UNSEEN_BY_WEB]
        reached |= {layer_of(found.imported) for found in new}


def doors_passed_by(modules: list[Module]) -> list[str]:
    """List imports of outside packages elsewhere than in their doorway, and of packages that have none."""
    wrong = []
    for module in modules:
        for found in module.imports(KNOWN):
            top = found.imported.split(".")[0]
            guarded = [name for name in DOORWAYS if found.imported == name or found.imported.startswith(f"{name}.")]
            outside = top not in sys.stdlib_module_names and top != "exporter" and top not in ANYWHERE
            if any(module.layer not in DOORWAYS[name] for name in guarded) or (outside and not guarded):
                wrong.append(str(found))
    return wrong


def impurities(modules: list[Module]) -> list[str]:
    wrong = []
    for module in modules:
        if module.layer not in PURE and module.name not in PURE_MODULES:
            continue
        wrong += [str(found) for found in module.imports(KNOWN) if found.imported.split(".")[0] in IMPURE_MODULES]
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if (isinstance(called, ast.Name) and called.id in IMPURE_CALLS) or (
                isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS
            ):
                wrong.append(f"{module.name}:{node.lineno} calls {ast.unparse(called)}")
    return wrong


def cycles(modules: list[Module]) -> list[str]:
    graph: dict[str, set[str]] = {module.name: set() for module in modules}
    for found in inner_imports(modules):
        if found.at_run_time and found.imported in graph:
            graph[found.importer].add(found.imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def test_every_module_has_its_place_among_the_layers() -> None:
    assert MODULES
    assert unknown_layers(MODULES) == []


def test_an_import_only_points_up_the_list_of_layers() -> None:
    assert imports_downwards(MODULES) == []


def test_the_web_has_no_way_to_the_api() -> None:
    assert ways_from_web_to_the_api(MODULES) == []


def test_each_outside_package_is_known_at_its_doorway_alone() -> None:
    assert doors_passed_by(MODULES) == []


def test_the_pure_modules_have_no_clock_thread_logger_socket_or_file() -> None:
    assert impurities(MODULES) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycles(MODULES) == []


# What follows holds that these tests can fail.


def test_a_module_that_no_layer_names_is_reported() -> None:
    assert unknown_layers([parse("exporter.helpers", ""), parse("exporter.web.page", "")]) == ["exporter.helpers"]


@pytest.mark.parametrize(
    "source",
    [
        "import exporter.polling",
        "from exporter import polling",
        "from exporter.polling import Poller",
        "from . import polling",
        "from .polling import Poller",
        "def late():\n    from exporter.polling import Poller",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from exporter.polling import Poller",
    ],
)
def test_an_import_downwards_is_reported_however_it_is_written(source: str) -> None:
    [found] = imports_downwards([parse("exporter.runs", source)])
    assert found.startswith("exporter.runs:")
    assert found.endswith("imports exporter.polling")


def test_a_relative_import_inside_a_package_stays_in_its_layer() -> None:
    inside = [
        parse("exporter.client", "from .limiter import Limiter", is_package=True),
        parse("exporter.client.client", "from .limiter import Limiter\nfrom ..errors import PollError"),
    ]
    assert imports_downwards(inside) == []
    assert [found.imported for found in inside[1].imports(KNOWN)] == ["exporter.client.limiter", "exporter.errors"]


def test_a_way_to_the_api_is_reported_even_through_another_module() -> None:
    around = [
        parse("exporter.web.app", "from exporter.state import StateStore"),
        parse("exporter.state", "from exporter.client import Client"),
    ]
    assert ways_from_web_to_the_api(around) == ["exporter.state:1 imports exporter.client"]
    direct = [parse("exporter.web.app", "if TYPE_CHECKING:\n    from exporter.polling import Schedule")]
    assert ways_from_web_to_the_api(direct) == ["exporter.web.app:2 imports exporter.polling"]


def test_an_outside_package_away_from_its_doorway_is_reported() -> None:
    strange = [
        parse("exporter.polling", "import requests.adapters\nfrom http import server\nimport structlog\nimport json"),
        parse("exporter.client.client", "import requests\nimport httpx"),
    ]
    assert doors_passed_by(strange) == [
        "exporter.polling:1 imports requests.adapters",
        "exporter.polling:2 imports http.server",
        "exporter.client.client:2 imports httpx",
    ]


def test_an_impurity_is_reported() -> None:
    source = "import os.path\nfrom time import monotonic\nfrom datetime import datetime\nopen('x')\ndatetime.now()"
    assert impurities([parse("exporter.runs", source), parse("exporter.polling", source)]) == [
        "exporter.runs:1 imports os.path",
        "exporter.runs:2 imports time",
        "exporter.runs:4 calls open",
        "exporter.runs:5 calls datetime.now",
    ]


def test_a_circle_is_reported_unless_it_is_one_of_types_alone() -> None:
    there = parse("exporter.web.app", "from exporter.web.pages import Page")
    back = parse("exporter.web.pages", "from exporter.web.app import App")
    assert set(cycles([there, back])) == {"exporter.web.app", "exporter.web.pages"}
    types = parse("exporter.web.pages", "if TYPE_CHECKING:\n    from exporter.web.app import App")
    assert cycles([there, types]) == []
