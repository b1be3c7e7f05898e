"""Draw the dashboards for the documents, from an exporter that has polled a synthetic CircleCI for two weeks."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests_deploy.dashboards import NAMES, read, view
from tests_deploy.drawing import Drawing, browser, bundle, draw
from tests_deploy.prometheus import watching
from tests_deploy.rehearsal import rehearsal

PICTURES = Path(__file__).parent.parent / "docs" / "images"
WIDTH = 1440
# As many rows of the grid as a reader looks at.
ROWS = {"overview": 27, "now": 45, "workflow": 53, "delivery": 42, "cost": 45, "exporter": 33}
# Rows of panels from which on there is a picture of its own.
FROM = {"runners": ("now", "Self-hosted runners (runners)"), "cost-jobs": ("cost", "Jobs that could be smaller")}


def row_of(dashboard: str, title: str) -> int:
    """Where a row begins, in rows of the grid."""
    found: int = next(panel["gridPos"]["y"] for panel in read(dashboard)["panels"] if panel["title"] == title)
    return found


def keep(name: str, drawing: Drawing) -> None:
    """Write a picture."""
    path = PICTURES / f"{name}.png"
    path.write_bytes(drawing.picture)
    print(f"{path}: {len(drawing.picture) // 1000} kB")


def main() -> int:
    """Write one PNG for each dashboard, and those of rows further down."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle(folder)
        with rehearsal(folder) as lived, watching(folder, lived) as url, browser(folder) as driver:
            for dashboard in NAMES:
                seen = view(dashboard, int(time.time()), lived.address)
                keep(dashboard, draw(driver, folder, dashboard, url, seen, width=WIDTH, rows=ROWS[dashboard]))
            for picture, (dashboard, title) in FROM.items():
                seen = view(dashboard, int(time.time()), lived.address)
                first = row_of(dashboard, title)
                keep(picture, draw(driver, folder, dashboard, url, seen, width=WIDTH, first=first))
    return 0


if __name__ == "__main__":
    sys.exit(main())
