"""An exporter's Usage exports as a process of their own, on a clock that runs fast; a campaign kills it.

`python -m tests.campaigns.usage.process URL STATE START_REAL START SPEED`: what is shown goes to standard output, one
line of JSON at each publication.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from exporter.client import Waiter
from tests.usage.reading import Exporter, values


class FastClock(Waiter):
    """Time that stands still up to a common moment and then runs `speed` times as fast, the same in every process."""

    def __init__(self, real: float, start: float, speed: float) -> None:
        self._real, self._start, self._speed = real, start, speed

    def wall(self) -> float:
        return self._start + max(0.0, time.time() - self._real) * self._speed

    clock = monotonic = wall

    def advance(self, seconds: float) -> None:
        """Wait for so many seconds of this clock, at most a tenth of a real one."""
        time.sleep(min(seconds / self._speed, 0.1))


class Address:
    """What an exporter has to know of CircleCI."""

    def __init__(self, url: str) -> None:
        self.url, self.slug = url, "gh/acme"


class Told(Exporter):
    """Tells of every publication."""

    def _published(self) -> None:
        sys.stdout.write(json.dumps(values(self.text())) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Run until killed."""
    url, state, real, start, speed = sys.argv[1:]
    clock: Any = FastClock(float(real), float(start), float(speed))
    api: Any = Address(url)
    with Told(api, clock, Path(state), interval="1h") as exporter:
        threading.Thread(target=_log, args=(exporter,), daemon=True).start()
        sys.stdout.write("{}\n")
        sys.stdout.flush()
        while True:
            exporter.organization.step()
            clock.advance(exporter.organization.wait)


def _log(exporter: Exporter) -> None:
    """What is logged, to standard error."""
    told = 0
    while True:
        time.sleep(0.05)
        for event in exporter.log.events[told:]:
            sys.stderr.write(f"{event}\n")
            told += 1


if __name__ == "__main__":
    main()
