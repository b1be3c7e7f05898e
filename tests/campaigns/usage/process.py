"""An exporter's Usage exports as a process of their own, which ends where it is told to die, or when all days are read.

`python -m tests.campaigns.usage.process FOLDER URL TOKEN GOAL DIES`: what is shown goes to a file of the
folder, one line of JSON at each publication. Time is that of the campaign, and passes while this process waits.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from exporter.demo.clock import Clock
from tests.usage.reading import Exporter, values

if TYPE_CHECKING:
    from tests.circleci import Circle

READ_DAY = 'circleci_usage_day_timestamp_seconds{organization="gh/acme"}'
AT_ZERO, RISEN = "at 0", "risen"


class SharedClock(Clock):
    """The time of several processes: it stands in a file, and passes as any of them says."""

    def __init__(self, file: Path, start: float | None = None) -> None:
        super().__init__(0.0, 0.0)
        if start is not None:
            file.write_bytes(struct.pack("d", start))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 8)

    def now(self) -> float:
        return float(struct.unpack("d", self._memory[:8])[0])

    def advance(self, seconds: float) -> float:
        self._memory[:8] = struct.pack("d", self.now() + seconds)
        return self.now()


@dataclass
class Distant:
    """What an exporter has to know of CircleCI."""

    url: str
    token: str
    clock: SharedClock


class Mortal(Exporter):
    """Tells of every publication, and dies of one that has all that is new at 0, or of one in which it has risen."""

    def __init__(self, folder: Path, circle: Distant, dies: str) -> None:
        self._dies, self._told = dies, (folder / "shown").open("a")
        self.read = 0.0
        """The newest day that is shown."""
        super().__init__(cast("Circle", circle), folder / "state.db", interval="1h")

    def _published(self) -> None:
        found = values(self.text())
        self._told.write(json.dumps(found) + "\n")
        self._told.flush()
        self.read = found.get(READ_DAY, 0.0)
        if self._dies == (AT_ZERO if self.organization._cells.held else RISEN):
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run until a day is read."""
    folder, url, token, goal, dies = sys.argv[1:]
    circle = Distant(url, token, SharedClock(Path(folder) / "clock"))
    with Mortal(Path(folder), circle, dies) as exporter:
        while exporter.read < float(goal):
            exporter.organization.step()
            exporter.clock.skip(exporter.organization.wait)
        print(*exporter.log.events, sep="\n", file=sys.stderr)  # noqa: T201  for whoever looks at a failure


if __name__ == "__main__":
    main()
