"""A scraper: asks as Prometheus does, over one kept connection, reads the whole body and keeps nothing of it."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.programs import Program

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a scrape costs, each the median or mean of several: seconds of wall and of the server's CPU, and bytes."""

    wall: float
    cpu: float
    size: int
    slowest: float


@dataclass(frozen=True, slots=True)
class Turns:
    """What scrapes cost in several turns."""

    costs: list[Cost] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """The median of the turns."""
        return median(self.walls)

    @property
    def cpu(self) -> float:
        """The median of the turns."""
        return median(self.cpus)

    @property
    def size(self) -> int:
        """The bytes of the last one."""
        return self.costs[-1].size

    @property
    def walls(self) -> list[float]:
        """Those of each turn."""
        return [cost.wall for cost in self.costs]

    @property
    def cpus(self) -> list[float]:
        """Those of each turn."""
        return [cost.cpu for cost in self.costs]


class Scraper:
    """One scraper of one server."""

    def __init__(self, port: int, *, gzip: bool, accept: str = ACCEPT) -> None:
        """Connect at the first scrape."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Accept": accept, "Accept-Encoding": "gzip" if gzip else "identity"}
        self._gzip = gzip
        self._buffer = bytearray(1 << 20)

    def scrape(self) -> tuple[float, int]:
        """Scrape once: seconds, and bytes of the body."""
        began = time.perf_counter()
        self._connection.request("GET", "/metrics", headers=self._headers)
        answer = self._connection.getresponse()
        size = 0
        while read := answer.readinto(self._buffer):
            size += read
        took = time.perf_counter() - began
        if answer.status != http.HTTPStatus.OK or (answer.headers.get("Content-Encoding") == "gzip") != self._gzip:
            raise RuntimeError(f"a scrape got {answer.status} and {answer.headers.as_string()}")
        return took, size

    def text(self) -> bytes:
        """The whole plain text of a scrape."""
        self._connection.request("GET", "/metrics", headers=self._headers | {"Accept-Encoding": "identity"})
        return self._connection.getresponse().read()

    def samples(self) -> int:
        """How many samples a scrape has."""
        lines = b"\n" + self.text()
        return lines.count(b"\n") - 1 - lines.count(b"\n#")  # faster than line by line

    def value(self, series: str) -> float:
        """One sample by its name and labels as they are written; the sum where several begin like that."""
        lines = self.text().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def measure(program: Program, *, gzip: bool, seconds: float, least: int = 1, most: int = 1000) -> Cost:
    """Scrape for about so many seconds, after one scrape that does not count unless it is long enough itself."""
    scraper = Scraper(program.port, gzip=gzip)
    before = program.cpu()
    walls = [scraper.scrape()]
    if walls[0][0] < seconds or least > 1:
        before, walls = program.cpu(), []
        end = time.monotonic() + seconds
        while len(walls) < least or (time.monotonic() < end and len(walls) < most):
            walls.append(scraper.scrape())
    cpu = (program.cpu() - before) / len(walls)
    scraper.close()
    took = [wall for wall, _ in walls]
    return Cost(median(took), cpu, walls[-1][1], max(took))
