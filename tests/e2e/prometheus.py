"""A real Prometheus that scrapes one exporter through a proxy that remembers what it was asked."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: circleci
    proxy_url: {proxy}
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """Runs from `__enter__` to `__exit__`."""

    def __init__(self, program: Path, folder: Path, target: str, proxy: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file, data = folder / "prometheus.yml", folder / "data"
        file.write_text(CONFIG.format(target=target, proxy=proxy))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        arguments = [f"--config.file={file}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}"]
        with (folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen([str(program), *arguments, "--log.level=warn"], stdout=log, stderr=log)
        self._opener = build_opener(ProxyHandler({}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)

    def wait_for_scrape(self) -> None:
        """Wait until it has scraped its target."""
        wait_until(lambda: self.query("up == 1"), interval=0.1, why="the first scrape")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        asked = urlencode({"query": expression})
        return list(self.ask(f"/api/v1/query?{asked}")["result"])

    def values(self, expression: str) -> dict[str, float]:
        """The same by series, as a line of the text format has it."""
        found = {}
        for sample in self.query(expression):
            labels = {name: value for name, value in sample["metric"].items() if name not in {"job", "instance"}}
            name = labels.pop("__name__", "")
            inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(labels.items()))
            found[f"{name}{{{inside}}}"] = float(sample["value"][1])
        return found

    def ask(self, path: str) -> Any:
        """The data of an answer of its API."""
        with self._opener.open(self.url + path, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
