from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from tests.samples import FACTS, NOW
from tests.state.postgres.making import PLACE
from tests.waiting import wait_until


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.monotonic = NOW, 50.0


def of_file(path: Path, clock: Clock, projects: Sequence[str] = SLUGS) -> Reign:
    """A reign on a state file, at the time that the clock has."""
    return Reign(
        parse(f"state: {{path: {path}}}\nprojects: {json.dumps(projects)}"),
        Options(),
        cast("Logger", CapturingLogger()),
        {"CIRCLECI_TOKEN": "t"},
        webhooks=False,
        clocks=Clocks(lambda: clock.wall, lambda: clock.monotonic),
    )


NAMES = {slug: slug.rpartition("/")[2] for slug in SLUGS}


def idle(_reign: Reign, _clock: Clock) -> None:
    pass


def shows_all_after(
    path: Path, end: Callable[[Reign, Clock], None] = idle, names: Mapping[str, str] | None = None
) -> bool:
    """Whether a process shows everything at once after one that had published something, and came to an end.

    `names` are those of the projects at CircleCI, by their slugs.
    """
    clock, names = Clock(), names or NAMES
    before = of_file(path, clock, [*names])
    before.restore()
    for slug, name in names.items():
        facts = replace(FACTS, organization="acme", project_name=name)
        before.engine.store.publish([replace(of(slug), facts=facts)], clock.wall)
    end(before, clock)
    before.close()
    after = of_file(path, clock, [*names])
    after.close()
    return after.shows_all


def test_a_process_shows_at_once_what_the_one_before_has_shown(tmp_path: Path) -> None:
    assert shows_all_after(tmp_path / "state.db")


def test_it_reads_the_state_first_after_a_search_whose_projects_are_not_shown_yet(tmp_path: Path) -> None:
    def taken_out(reign: Reign, _clock: Clock) -> None:
        reign.engine.store.withdraw(SLUGS[:1])

    def found(reign: Reign, clock: Clock) -> None:
        reign.engine.store.publish([of("gh/acme/another")], clock.wall)

    assert not shows_all_after(tmp_path / "one.db", taken_out)
    assert not shows_all_after(tmp_path / "two.db", found)


def test_it_reads_the_state_first_after_the_clock_was_set_back(tmp_path: Path) -> None:
    def set_back_and_right_again(reign: Reign, clock: Clock) -> None:
        reign._fleet.expire()
        clock.wall -= 600
        reign._fleet.expire()
        clock.wall += 600

    assert not shows_all_after(tmp_path / "state.db", set_back_and_right_again)


def test_it_reads_the_state_first_where_names_go_by_who_came_first(tmp_path: Path) -> None:
    one, two = (f"circleci/8vLqd1AbCdEf/{number}" for number in (1, 2))
    assert shows_all_after(tmp_path / "one.db", names={one: "web", two: "api"})
    assert not shows_all_after(tmp_path / "two.db", names={one: "web", two: "web"})


def shown(reign: Reign) -> bytes:
    return b"".join(reign.exposition(openmetrics=False, gzip=False)[0])


def test_lines_of_the_process_before_are_hidden_when_the_first_is_too_old_though_all_is_still_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    before = of_file(tmp_path / "state.db", clock)
    before.restore()
    before.engine.store.publish(map(of, SLUGS), NOW)
    expires_at = min(each.expires_at or 0.0 for _, each in before.engine.store.published.values())
    before.close()
    after = of_file(tmp_path / "state.db", clock)
    assert after.shows_all
    assert SLUGS[0].encode() in shown(after)

    def slow(_fleet: Fleet, *_known: object) -> None:
        clock.wall = expires_at
        wait_until(lambda: SLUGS[0].encode() not in shown(after), why="no line of a project")

    clock.wall = expires_at - 0.1
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
