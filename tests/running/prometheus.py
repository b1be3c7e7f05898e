"""A real Prometheus that scrapes one address, or what it is told to, asked through its HTTP API."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError

from tests.running.scrapes import series
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ['{target}']}}]
"""
LISTENING = re.compile(r'msg="Listening on".* address=(\S+)')


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
        proxy: str = "",
        port: int = 0,
        interval: str = "500ms",
        configured: str = "",
    ) -> None:
        """Scrape one target, through a proxy if one is given, or what a configuration says. Port 0 is a free one."""
        folder.mkdir(parents=True, exist_ok=True)
        configuration, self._log_file = folder / "prometheus.yml", folder / "prometheus.log"
        self._log = self._log_file.open("wb")
        configured = configured or CONFIGURATION.format(interval=interval, target=target)
        configuration.write_text(configured + (f"    proxy_url: {proxy}\n" if proxy else ""))
        self.process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=info",
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
        log = self._log_file.read_text()
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {log}"
        if not (found := LISTENING.search(log)):
            return False
        self.url = f"http://{found[1]}"
        try:
            with self._opener.open(f"{self.url}/-/ready", timeout=PATIENCE):
                return True
        except HTTPError as error:  # it is up, and not ready yet
            error.close()
            return False

    def exemplars(self, query: str, start: float, end: float) -> list[dict[str, Any]]:
        """The exemplars of the series that a query selects, by series, as Prometheus answers."""
        return list(self.get("query_exemplars", query=query, start=str(start), end=str(end)))

    def get(self, what: str, **asked: str) -> Any:
        """What its API answers."""
        with self._opener.open(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(asked)}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def ask(self, query: str) -> list[Answered]:
        """An instant query now; a range selector gives all samples of the range."""
        found = []
        for each in self.get("query", query=query)["result"]:
            samples = each["values"] if "values" in each else [each["value"]]
            found.append(Answered(each["metric"], tuple((float(at), float(value)) for at, value in samples)))
        return found

    def values(self, query: str) -> dict[str, float]:
        """The newest values by series, as the exporter's sample lines have them."""
        found = {}
        for each in self.ask(query):
            labels = {name: value for name, value in each.labels.items() if name not in {"job", "instance"}}
            found[series(labels.pop("__name__", ""), labels)] = each.value
        return found

    def wait_for_scrape(self) -> None:
        """Wait until it has scraped its target."""
        wait_until(lambda: self.ask("up == 1"), interval=0.1, why="the first scrape")
