"""Draws the page of the demo for the README: docs/images/page.png and page-dark.png. Needs chromium and its driver."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1200, 1350
PATIENCE = 60.0
LONG_ENOUGH = 25.0
"""Seconds until there is a trend to show: the synthetic CircleCI counts anew every 10 s."""


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo; gives the page's address."""
    command = [sys.executable, "-u", "-m", "exporter", "demo", "--web.listen-address", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            for line in process.stdout or ():
                if found := re.search(r"page +(http://\S+)", line):
                    yield found[1]
                    break
            else:
                sys.exit("the demo ended before it named its page")
        finally:
            process.terminate()


@contextmanager
def browser(profile: str) -> Iterator[Chrome]:
    """Run Chromium without a window."""
    options = ChromeOptions()
    options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{HEIGHT}",
    ):
        options.add_argument(flag)
    driver = Chrome(options=options, service=Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for_trends(page: str) -> None:
    """Wait until the page has figures, and a while more so that they have moved."""
    until = time.monotonic() + PATIENCE
    while b"build-and-test" not in urllib.request.urlopen(page, timeout=10).read():  # noqa: S310  loopback
        if time.monotonic() > until:
            sys.exit("the demo's page stayed empty")
        time.sleep(0.5)
    time.sleep(LONG_ENOUGH)


def main() -> None:
    """Write both pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with demo() as page, tempfile.TemporaryDirectory() as profile, browser(profile) as driver:
        wait_for_trends(page)
        for scheme, name in (("light", "page.png"), ("dark", "page-dark.png")):
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get(f"{page}?q=acme/web")
            driver.save_screenshot(str(IMAGES / name))
            print(f"{IMAGES / name}: {(IMAGES / name).stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
