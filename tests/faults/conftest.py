"""The stage of the campaign: a synthetic CircleCI whose clock stands still, and an exporter beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.circleci import RemoteCircle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "CCIPAT_campaign-5f3e1c7b9d_must-be-seen-nowhere"


@pytest.fixture(scope="module", autouse=True)
def unmeasured() -> Iterator[None]:
    """Coverage is not measured in processes here: it would double their time, and what is killed loses it anyway."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_PROCESS")}
    yield
    os.environ.update(kept)


@pytest.fixture(scope="module")
def circle() -> Iterator[RemoteCircle]:
    """A fleet of alike projects: two workflows of two jobs each, whose figures never change."""
    arguments = ("--projects", "80", "--workflows", "2", "--jobs", "2", "--start", "1790000000", "--speed", "0")
    with RemoteCircle.spawn(*arguments, token=TOKEN) as remote:
        yield remote


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
