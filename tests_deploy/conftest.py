"""The programs, and one rehearsed life of an exporter for all tests that look at data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests_deploy.prometheus import watching
from tests_deploy.rehearsal import Rehearsal, rehearsal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent


def tool(name: str) -> Path:
    """A program that scripts/deploy-tools.sh has unpacked."""
    path = ROOT / ".venv-deploy" / "tools" / "bin" / name
    assert path.exists(), "run make deploy-test"
    return path


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path_factory.mktemp("exporter")) as made:
        yield made


@pytest.fixture(scope="session")
def prometheus_url(lived: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with watching(tmp_path_factory.mktemp("prometheus"), lived) as url:
        yield url
