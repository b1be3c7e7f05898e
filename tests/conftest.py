"""What every test gets: a plain environment, and the programs of the system that it asks for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import settings

from tests.running.postgres import Address, Server, emptied, find_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Place = Path | Address

# Variables that would change what the exporter or its HTTP client does.
FOREIGN_VARIABLES = (
    "CIRCLECI_TOKEN",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "NETRC",
    "NO_COLOR",
    "FORCE_COLOR",
)

# The same examples in each run: a failure is one that anybody can repeat.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)


class Chromium(NamedTuple):
    """The browser and the driver that fits it."""

    browser: Path
    driver: Path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/insights/golden anew from what the code makes"
    )


def pytest_configure() -> None:
    settings.load_profile("repeatable")
    for name in FOREIGN_VARIABLES:
        os.environ.pop(name, None)


def find_program(name: str, folder: Path | None = None) -> Path:
    """Find a program, of the system or in a folder. Without it the test is skipped, or fails where CI=true."""
    found = shutil.which(name, path=folder)
    if found is not None:
        return Path(found)
    reason = f"the program {name} is not installed (see scripts/system-packages.sh)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Look up a program by its name; the test is skipped, or with CI=true fails, where it is missing."""
    return find_program


@pytest.fixture(scope="session")
def prometheus_program() -> Path:
    return find_program("prometheus")


@pytest.fixture(scope="session")
def prometheus_3() -> Path:
    """A newer one than the system's, which the project unpacks for itself."""
    return find_program("prometheus", Path(__file__).parent.parent / ".cache" / "prometheus-3" / "usr" / "bin")


@pytest.fixture(scope="session")
def promtool() -> Path:
    return find_program("promtool")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL of this worker's own. Without its programs the test is skipped, or fails where CI=true."""
    programs = find_server()
    if programs is None:
        find_program("postgres")
        raise AssertionError
    with Server(programs) as server:
        yield server


@pytest.fixture(scope="session")
def _tables(postgres: Server) -> Address:
    return postgres.database()


@pytest.fixture
def database(_tables: Address) -> Address:
    """A database without a row."""
    return emptied(_tables)


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a state is kept: what holds for a file holds for a database."""
    if request.param == "file":
        return tmp_path / "state.db"
    found: Address = request.getfixturevalue("database")
    return found


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    return Chromium(browser=find_program("chromium"), driver=find_program("chromedriver"))
