"""One process on the shared database, with a wire of its own, an address that it keeps, and a clock that is wrong."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING

from tests.campaigns.frame import TOKEN
from tests.running.altered import altered
from tests.running.ports import free_port
from tests.running.program import Exporter
from tests.running.wire import COMMIT, RENEWAL, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.samples import Samples
    from tests.circleci import Circle, RemoteCircle

SECRET = "a-webhook-secret"


class Replica:
    """Runs from the start to `end`; another process takes its place when it was killed."""

    def __init__(self, folder: Path, wire: Wire, configuration: str, skew: float) -> None:
        self.folder, self.wire, self.configuration, self.skew = folder, wire, configuration, skew
        self.port, self.frozen = free_port(), False
        self.exporter = self.started()

    def started(self) -> Exporter:
        """Start the process, without waiting for it."""
        self.exporter = Exporter(
            self.folder,
            self.configuration,
            token=TOKEN,
            address=f"127.0.0.1:{self.port}",
            environ={"CIRCLECI_WEBHOOK_SECRET": SECRET, **altered(skew=self.skew)},
        )
        return self.exporter

    def start(self) -> None:
        """Start the process; it stands by, or leads."""
        self.started().wait_for_start()

    @property
    def answers(self) -> bool:
        """Whether it is worth asking."""
        return self.exporter.lives and not self.frozen

    def leads(self) -> bool:
        """Whether it says so; a stopped or dead one says nothing."""
        with suppress(OSError, HTTPException):
            return self.answers and self.exporter.get("/-/leader")[0] == 200
        return False

    def freeze(self) -> None:
        """Stop it, as a machine that sleeps."""
        self.frozen = True
        self.exporter.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.exporter.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def end(self) -> None:
        """Whatever it does, it is gone afterwards."""
        if self.frozen:
            self.wake()
        self.exporter.end()
        self.wire.__exit__()


@dataclass
class Sends:
    """A replica sends a statement to the database, and its wire holds that back until this is over."""

    wire: Wire
    mark: bytes

    def arm(self, exporter: Exporter, circle: Circle | RemoteCircle) -> None:  # noqa: ARG002  others want them
        self.wire.hold_next(self.mark)

    def has_come(self, shown: Samples | None = None) -> bool:  # noqa: ARG002  as above
        return self.wire.holds.is_set()

    def over(self) -> None:
        self.wire.let_go()


def commits(replica: Replica) -> Sends:
    """It commits what it has counted."""
    return Sends(replica.wire, COMMIT)


def renews(replica: Replica) -> Sends:
    """It renews its lease."""
    return Sends(replica.wire, RENEWAL)
