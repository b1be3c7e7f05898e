from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.errors import StateError
from exporter.polling.attempt import Clocks
from exporter.process.fixed import Options
from exporter.process.fleet import Fleet
from exporter.process.reign import Reign
from exporter.replicas import SharedState
from exporter.state.postgres.lease_table import Hold
from exporter.state.postgres.login import Login
from exporter.system.logs import Logger
from tests.postgres import free_port
from tests.publishing.test_store import SLUGS, of
from tests.samples import NOW
from tests.state.postgres.making import PLACE
from tests.waiting import wait_until


def of_file(path: Path, clock: list[float]) -> Reign:
    """A reign on a state file, at the time that the clock has."""
    return Reign(
        parse(f"state: {{path: {path}}}\nprojects: {json.dumps(SLUGS)}"),
        Options(),
        cast("Logger", CapturingLogger()),
        {"CIRCLECI_TOKEN": "t"},
        webhooks=False,
        clocks=Clocks(lambda: clock[0], time.monotonic),
    )


def shown(reign: Reign) -> bytes:
    return b"".join(reign.exposition(openmetrics=False, gzip=False)[0])


def test_lines_of_the_process_before_are_hidden_when_the_first_is_too_old_though_all_is_still_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [NOW]
    before = of_file(tmp_path / "state.db", clock)
    before.restore()
    before.engine.store.publish(map(of, SLUGS), NOW)
    expires_at = min(each.expires_at or 0.0 for _, each in before.engine.store.published.values())
    before.close()
    after = of_file(tmp_path / "state.db", clock)
    assert after.shows_all
    assert SLUGS[0].encode() in shown(after)

    def slow(_fleet: Fleet, *_known: object) -> None:
        clock[0] = expires_at
        wait_until(lambda: SLUGS[0].encode() not in shown(after), why="no line of a project")

    clock[0] = expires_at - 0.1
    monkeypatch.setattr(Fleet, "restore", slow)
    after.restore()
    after.close()


def test_a_reign_that_cannot_read_its_state_leaves_nothing_behind() -> None:
    config = parse(f"state: {{url: 'postgresql://u@127.0.0.1:{free_port()}/db'}}\nprojects: [gh/acme/web]")
    keeper: Any = SimpleNamespace(leads=lambda _hold: True, wall=SimpleNamespace(wall=lambda: NOW), reachable=True)
    before = {*threading.enumerate()}
    for epoch in (1, 2, 3):
        shared = SharedState(keeper, Hold(PLACE, "one", epoch), Login.of(config.state), 30.0)
        with pytest.raises(StateError):
            Reign(
                config,
                Options(),
                cast("Logger", CapturingLogger()),
                {"CIRCLECI_TOKEN": "t"},
                webhooks=False,
                shared=shared,
            )
    wait_until(lambda: {*threading.enumerate()} <= before, why="no thread of theirs")
