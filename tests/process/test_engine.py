from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.errors import ConfigError, StartError, Stopped
from exporter.insights.questions import Question
from exporter.knowledge.snapshots import Snapshot
from exporter.process.engine import Engine
from tests.circleci import Circle
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.system.logs import Logger

LOG = cast("Logger", CapturingLogger())
ME = Question("workflows", "/me", "")


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=1_790_000_000, speed=0) as running:
        yield running


@pytest.fixture
def engine_of(circle: Circle) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(circleci: str = "", more: str = "", **options: object) -> Engine:
        config = parse(text(circle.url, circleci, more))
        engine = Engine(config, LOG, environ={"CIRCLECI_TOKEN": circle.token}, **options)  # type: ignore[arg-type]
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def text(url: str, circleci: str = "", more: str = "") -> str:
    return f"circleci: {{url: '{url}'{circleci}}}\n{more}projects: [gh/acme/web]\n"


def ask(engine: Engine) -> object:
    return engine.client.fetch(ME, deadline=engine.clocks.monotonic() + PATIENCE)


def test_it_asks_circleci_with_the_token_of_the_environment(engine_of: Callable[..., Engine], circle: Circle) -> None:
    assert isinstance(ask(engine_of()), dict)
    assert circle.requests[-1].token_ok


def test_without_a_token_nothing_is_built(circle: Circle) -> None:
    with pytest.raises(ConfigError, match="CIRCLECI_TOKEN"):
        Engine(parse(text(circle.url)), LOG, environ={})


def test_a_state_file_without_a_folder_is_a_failure_to_start(engine_of: Callable[..., Engine], tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no folder"):
        engine_of(more=f"state: {{path: '{tmp_path / 'none' / 'state.db'}'}}\n")


def test_check_keeps_no_state(engine_of: Callable[..., Engine], tmp_path: Path) -> None:
    engine_of(more=f"state: {{path: '{tmp_path / 'state.db'}'}}\n", keep_state=False)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_takes_its_part_of_rate_and_burst_and_all_of_the_concurrency(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of(", requests_per_second: 8, burst: 10, concurrency: 6", total_shards=4, shard=1)
    state = engine.limiter.state()
    assert (state.rate, state.burst, state.concurrency) == (2, 2, 6)


def test_a_change_of_limits_holds_at_once_and_keeps_what_was_learned(
    engine_of: Callable[..., Engine], circle: Circle
) -> None:
    engine = engine_of(", requests_per_second: 5, burst: 10")
    before = engine.store, engine.state, engine.telemetry, engine.limiter
    engine.prepare(parse(text(circle.url, ", requests_per_second: 50, burst: 7, concurrency: 3")))()
    state = engine.limiter.state()
    assert (state.rate, state.burst, state.concurrency) == (50, 7, 3)
    assert before == (engine.store, engine.state, engine.telemetry, engine.limiter)
    assert isinstance(ask(engine), dict)


def test_a_change_of_projects_alone_keeps_the_connections(engine_of: Callable[..., Engine], circle: Circle) -> None:
    engine = engine_of()
    client, access = engine.client, engine.client._access
    engine.prepare(parse(text(circle.url).replace("acme/web", "acme/api")))()
    assert engine.client is client
    assert client._access is access


def test_a_change_of_how_the_token_is_sent_holds_for_the_next_request(
    engine_of: Callable[..., Engine], circle: Circle
) -> None:
    engine = engine_of()
    ask(engine)
    engine.prepare(parse(text(circle.url, ", auth: bearer")))()
    ask(engine)
    first, second = (set(one.header_names) & {"circle-token", "authorization"} for one in circle.requests)
    assert (first, second) == ({"circle-token"}, {"authorization"})


def test_a_poll_under_way_goes_on_by_the_new_settings_and_one_request_is_of_one_of_them(
    engine_of: Callable[..., Engine], circle: Circle
) -> None:
    engine = engine_of(", requests_per_second: 1000, burst: 1000")
    engine.store.publish([Snapshot(parse(text(circle.url)).projects[0])], 0)
    poll = engine.begin("gh/acme/web")
    assert poll is not None
    assert poll.step()
    before = len(circle.requests)
    engine.prepare(parse(text(circle.url, ", requests_per_second: 1000, burst: 1000, auth: bearer")))()
    assert not poll.step()
    assert len(circle.requests) > before > 0
    sent = [set(one.header_names) & {"circle-token", "authorization"} for one in circle.requests]
    assert sent == [{"circle-token"}] * before + [{"authorization"}] * (len(sent) - before)
    snapshot = engine.store.get("gh/acme/web")
    assert snapshot is not None
    assert all(outcome.success for outcome in snapshot.outcomes.values())


@pytest.mark.parametrize("key", ["ca_file", "token_file"])
def test_a_change_to_a_file_that_is_not_there_changes_nothing(
    key: str, engine_of: Callable[..., Engine], circle: Circle, tmp_path: Path
) -> None:
    engine = engine_of()
    client = engine.client
    missing = f", {key}: '{tmp_path / 'none'}', requests_per_second: 99"
    with pytest.raises((ConfigError, StartError), match=key):
        engine.prepare(parse(text(circle.url, missing)))()
    assert engine.client is client
    assert engine.limiter.state().rate == 5
    assert isinstance(ask(engine), dict)


def test_after_the_end_every_wait_gives_up(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of()
    engine.close()
    with pytest.raises(Stopped):
        ask(engine)
