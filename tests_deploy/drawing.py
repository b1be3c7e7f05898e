"""Dashboards drawn by Grafana's own components in a real browser."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.conftest import find_program
from tests.running.waiting import wait_until
from tests_deploy.dashboards import View, read, unfolded

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE = Path(__file__).parent / "node"
PAGE = """<!doctype html><html><head><meta charset="utf-8"><link rel="stylesheet" href="app.css"><style>
body { margin: 0; font-family: Inter, Helvetica, Arial, sans-serif } #root { width: %dpx }
</style></head><body><div id="root"></div><script src="app.js"></script></body></html>"""

WITH_TEXTS = """for (const drawn of document.querySelectorAll('[data-panel]')) {
  window.drawn[drawn.dataset.panel].text = drawn.innerText;
}
return window.drawn;"""


def bundle(folder: Path) -> None:
    """Build the page's script from Grafana's components."""
    command: list[str | Path] = [NODE / "node_modules/.bin/esbuild", NODE / "app/app.jsx", "--bundle"]
    command += [f"--loader:.{kind}={how}" for kind, how in (("ttf", "dataurl"), ("woff2", "dataurl"), ("svg", "text"))]
    command += [f"--outfile={folder / 'app.js'}", '--define:process.env.NODE_ENV="production"', "--log-level=error"]
    subprocess.run(command, check=True)
    (folder / "app.css").touch()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def browser(folder: Path) -> Iterator[Chrome]:
    """A headless Chromium."""
    options = ChromeOptions()
    options.binary_location = str(find_program("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    driver = Chrome(options=options, service=Service(str(find_program("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(folder / "profile", ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a dashboard, and what its panels were drawn from, by their titles."""

    picture: bytes
    panels: dict[str, dict[str, Any]]


def draw(
    driver: Chrome, folder: Path, name: str, prometheus: str, view: View, *, theme: str = "dark", **size: int
) -> Drawing:
    """Draw a dashboard, so `width` and with `rows` of the grid from the `first`; `folder` is that of `bundle`."""
    settings: dict[str, Any] = {"prometheus": prometheus, "theme": theme, "width": 1500, "first": 0, "rows": 999}
    settings |= size | view.settings()
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "dashboard.json").write_text(json.dumps(unfolded(read(name))), encoding="utf-8")
    (folder / "index.html").write_text(PAGE % settings["width"], encoding="utf-8")
    with _serving(folder) as url:
        driver.set_window_size(settings["width"], 1200)
        driver.get(url)
        wait_until(lambda: driver.title.startswith(("done", "error")), interval=0.1, why=f"the drawing of {name}")
        assert driver.title == "done", driver.title
        height = int(driver.execute_script("return document.getElementById('root').scrollHeight"))
        metrics = {"width": settings["width"], "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        return Drawing(driver.get_screenshot_as_png(), driver.execute_script(WITH_TEXTS))
