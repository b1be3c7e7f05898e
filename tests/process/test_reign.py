from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.errors import StateError
from exporter.process.fixed import Options
from exporter.process.reign import Reign
from exporter.replicas import SharedState
from exporter.state.postgres.lease_table import Hold
from exporter.state.postgres.login import Login
from exporter.system.logs import Logger
from tests.postgres import free_port
from tests.samples import NOW
from tests.state.postgres.making import PLACE
from tests.waiting import wait_until


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


def test_a_close_does_not_wait_for_what_holds_up_the_state() -> None:
    config, environ = parse("projects: [gh/acme/web]"), {"CIRCLECI_TOKEN": "t"}
    reign = Reign(config, Options(), cast("Logger", CapturingLogger()), environ, webhooks=False)
    with reign.engine.state._access.lock:
        reign.close()
        closing = [thread for thread in threading.enumerate() if thread.name == "closing"]
        assert closing
    wait_until(lambda: not any(thread.is_alive() for thread in closing), why="the state to be closed")
