from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest
import trustme
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.counting.cells import Cell, Key
from exporter.errors import ConfigError, StartError, StateError
from exporter.process.engine import Engine
from exporter.process.fixed import Options
from exporter.process.keeper import Keeper
from exporter.process.lease import Lease
from exporter.process.term import Term
from exporter.state.postgres.lease_table import Acquired, Hold, LeaseTable, Place
from exporter.state.postgres.link import Link
from exporter.state.postgres.login import Login
from exporter.system.logs import Logger
from exporter.usage.families import CREDITS
from exporter.usage.planning import Progress
from tests.knowledge.samples import NOW
from tests.running.postgres import free_port
from tests.running.waiting import wait_until
from tests.state.postgres.making import PLACE, linked

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.config import Config
    from tests.running.postgres import Address


def keeper_of(config: Config) -> Keeper:
    """A keeper that has asked for no lease yet."""
    login = Login.of(config.state)
    return Keeper(LeaseTable(Link(login, 1.0), 30.0), PLACE, login, cast("Logger", CapturingLogger()))


def test_a_term_that_cannot_read_its_state_leaves_nothing_behind() -> None:
    config = parse(f"state: {{url: 'postgresql://u@127.0.0.1:{free_port()}/db'}}\nprojects: [gh/acme/web]")
    keeper = keeper_of(config)
    before = {*threading.enumerate()}
    for epoch in (1, 2, 3):
        lease = Lease(keeper, Acquired(Hold(PLACE, "one", epoch), NOW, None), keeper.clock())
        with pytest.raises(StateError):
            Term(
                config,
                Options(),
                cast("Logger", CapturingLogger()),
                {"CIRCLECI_TOKEN": "t"},
                webhooks=False,
                lease=lease,
            )
    wait_until(lambda: {*threading.enumerate()} <= before, why="no thread of theirs")


def test_a_close_does_not_wait_for_what_holds_up_the_state() -> None:
    config, environ = parse("projects: [gh/acme/web]"), {"CIRCLECI_TOKEN": "t"}
    term = Term(config, Options(), cast("Logger", CapturingLogger()), environ, webhooks=False)
    with term.engine.state._access.lock:
        term.close()
        closing = [thread for thread in threading.enumerate() if thread.name == "closing"]
        assert closing
    wait_until(lambda: not any(thread.is_alive() for thread in closing), why="the state to be closed")


def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")

    def settings(projects: list[str], more: str = "") -> Config:
        return parse(f"circleci: {{token_file: {token}}}\nprojects: [{', '.join(projects)}]\n{more}")

    term = Term(settings(["gh/acme/web"]), Options(), cast("Logger", CapturingLogger()), {}, webhooks=False)
    term.restore()
    token.unlink()
    with pytest.raises(ConfigError, match="token"):
        term.change(settings(["gh/acme/other"], "runners: {namespaces: [acme]}"))
    assert term.engine.store.published.keys() == {"gh/acme/web"}
    token.write_text("t")
    term.change(settings(["gh/acme/other"], "runners: {namespaces: [acme]}"))
    assert term.engine.store.published.keys() == {"gh/acme/other"}
    term.stop()
    term.close()


def test_what_the_state_knows_of_usage_is_shown_with_the_first_scrape(tmp_path: Path) -> None:
    config = parse(f"state: {{path: {tmp_path / 'state.db'}}}\nusage: {{organizations: [gh/acme]}}")

    def term() -> Term:
        return Term(config, Options(), cast("Logger", CapturingLogger()), {"CIRCLECI_TOKEN": "t"}, webhooks=False)

    before = term()
    spent = Key(CREDITS.name, ("compute", "gh/acme"))
    before.engine.state.usage.write("gh/acme", Progress(exports=1), {spent: Cell(7, 0.0, 0.0)})
    before.close()
    after = term()
    after.restore()
    assert b'circleci_usage_credits_total{kind="compute",organization="gh/acme"} 7' in b"".join(
        after.exposition(openmetrics=False, gzip=False)[0]
    )
    after.close()


def test_what_was_read_while_the_database_fell_back_is_not_shown(database: Address) -> None:
    config = parse(f"state: {{url: '{database.url}'}}\nprojects: [gh/acme/web]")
    keeper = keeper_of(config)
    with linked(database) as link:
        acquired = LeaseTable(link, 30.0).acquire(Place(config.circleci.api_url, 0, 1), "one")
        assert acquired is not None
        lease, log = Lease(keeper, acquired, keeper.clock()), cast("Logger", CapturingLogger())
        term = Term(config, Options(), log, {"CIRCLECI_TOKEN": "t"}, webhooks=False, lease=lease)
        database.run("UPDATE lease SET commits = commits - 1")
        with pytest.raises(StateError, match="has to be read again"):
            term.restore()
        assert keeper.commits.newest.commits > 0, "for the next attempt it lacks commits"


def test_an_engine_that_cannot_be_made_leaves_nothing_behind(database: Address, tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authorities))
    config = parse(f"circleci: {{ca_file: {authorities}}}\nstate: {{url: '{database.url}'}}\nprojects: [gh/a/b]")
    authorities.unlink()
    keeper = keeper_of(config)
    lease = Lease(keeper, Acquired(Hold(PLACE, "one", 1), NOW, None), keeper.clock())
    before = {*threading.enumerate()}
    with pytest.raises(StartError, match="ca_file"):
        Engine(config, cast("Logger", CapturingLogger()), environ={"CIRCLECI_TOKEN": "t"}, lease=lease)
    assert {*threading.enumerate()} <= before
