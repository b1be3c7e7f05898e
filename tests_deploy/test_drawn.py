"""Every panel drawn by Grafana's own component, in a real browser, from a real Prometheus."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests_deploy.dashboards import NAMES, panels, view
from tests_deploy.drawing import browser, bundle, draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

    from tests_deploy.rehearsal import Rehearsal

# One worker has the rehearsed exporter and its Prometheus.
pytestmark = pytest.mark.xdist_group("rehearsal")

# Where the pictures are left, to be looked at.
PICTURES = Path(os.environ.get("PICTURES", "build/pictures"))
# Of a workflow without flaky tests, nothing is to be drawn there.
EMPTY = {"Flakes by job"}


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chrome, Path]]:
    folder = tmp_path_factory.mktemp("page")
    bundle(folder)
    with browser(folder) as driver:
        yield driver, folder


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", NAMES)
def test_grafanas_components_draw_every_panel(
    name: str, theme: str, easel: tuple[Chrome, Path], prometheus_url: str, lived: Rehearsal
) -> None:
    drawing = draw(*easel, name, prometheus_url, view(name, int(time.time()), lived.address), theme=theme)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}-{theme}.png").write_bytes(drawing.picture)

    assert drawing.panels.keys() == {panel["title"] for panel in panels(name)}
    for title, panel in drawing.panels.items():
        assert "error" not in panel, title
        assert bool(panel["rows"]) is (title not in EMPTY), title
        if re.search("vs (last week|the 7 days before)$", title):
            assert re.search(r"^([+-][\d.]+|0) (%|points)$", panel["text"], re.MULTILINE), panel["text"]
