"""A real Prometheus that scrapes one address, asked through its HTTP API."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError

from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ['{target}']}}]
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """One series of a query's answer."""

    labels: dict[str, str]
    values: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.values[-1][1]


class Prometheus:
    """One process; use it as a context."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        *flags: str,
        target: str = "",
        port: int,
        interval: str = "500ms",
        configured: str = "",
    ) -> None:
        """Scrape one target, or what a configuration says."""
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{port}"
        configuration, self._log = folder / "prometheus.yml", (folder / "prometheus.log").open("wb")
        configuration.write_text(configured or CONFIGURATION.format(interval=interval, target=target))
        self.process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
                *flags,
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Self:
        wait_until(self._is_ready, interval=0.1, why="Prometheus")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._log.close()

    def _is_ready(self) -> bool:
        try:
            with self._opener.open(f"{self.url}/-/ready", timeout=PATIENCE):
                return True
        except HTTPError as error:  # it is up, and not ready yet
            error.close()
            return False

    def exemplars(self, query: str, start: float, end: float) -> list[dict[str, Any]]:
        """The exemplars of the series that a query selects, by series, as Prometheus answers."""
        return list(self._get("query_exemplars", query=query, start=str(start), end=str(end)))

    def _get(self, what: str, **asked: str) -> Any:
        with self._opener.open(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(asked)}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def ask(self, query: str) -> list[Answered]:
        """An instant query now; a range selector gives all samples of the range."""
        found = []
        for each in self._get("query", query=query)["result"]:
            samples = each["values"] if "values" in each else [each["value"]]
            found.append(Answered(each["metric"], tuple((float(at), float(value)) for at, value in samples)))
        return found
