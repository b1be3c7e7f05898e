"""Organizations searched again and again: projects come and go, and what is known survives what fails."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import owner, parse
from exporter.insights.collectors import ORGANIZATIONS
from exporter.polling.attempt import Clocks
from exporter.polling.schedule import Schedule
from exporter.process.engine import Engine
from exporter.process.fleet import Fleet
from exporter.process.organizations import Organizations
from exporter.process.project_list import ProjectList
from exporter.publishing.scrape import scrape
from tests.circleci import Circle
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.config import Config, Project
    from exporter.system.logs import Logger

NOON, HOUR = 1_790_000_000.0, 3600.0
ACME, INITECH, APP = "gh/acme", "bb/initech", "circleci/8vLqd1AbCdEf"
ACMES = {f"{ACME}/{name}" for name in ("web", "api", "mobile", "odd.names_1")}
RUNS = "circleci_insights_organization_runs"


@pytest.fixture(name="circle", scope="module")
def one_circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0) as api:
        yield api


@pytest.fixture(autouse=True)
def healed(circle: Circle) -> None:
    circle.heal()
    circle.forget_requests()


@dataclass
class Process:
    """The organizations of one process, whose clock a test moves, and what they settled last."""

    config: Config
    engine: Engine
    schedule: Schedule
    organizations: Organizations
    projects: ProjectList
    log: CapturingLogger
    now: list[float]
    settled: list[tuple[Project, ...]] = field(default_factory=list)

    def search(self, slug: str) -> bool:
        """Search one organization as the schedule would; returns whether all went well."""
        search = self.organizations.begin(slug)
        if search is None:
            return True
        assert not search.step()
        snapshot = self.engine.store.get(slug)
        return snapshot is None or snapshot.outcomes[ORGANIZATIONS].success

    def search_all(self) -> bool:
        outcomes = [self.search(slug) for slug in self.projects.organizations]
        return all(outcomes)

    def slugs(self) -> set[str]:
        return {project.slug for project in self.settled[-1]}

    def samples(self, name: str) -> dict[str, float]:
        pieces, _ = scrape(self.engine.store, self.engine.telemetry, openmetrics=False, gzip=False)
        lines = [line.rpartition(" ") for line in b"".join(pieces).decode().splitlines()]
        return {head[len(name) :]: float(value) for head, _, value in lines if head.split("{")[0] == name}


def configuration(circle: Circle, organizations: str, projects: str = "", path: Path | None = None) -> Config:
    return parse(
        f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 60s}}\n"
        f"state: {{path: {path or 'null'}}}\n"
        f"projects: [{projects}]\n"
        f"organizations: [{organizations}]"
    )


@contextmanager
def process(
    circle: Circle, organizations: str, listed: str = "", path: Path | None = None, now: float = NOON, **shard: int
) -> Iterator[Process]:
    config = configuration(circle, organizations, listed, path)
    log, clock = CapturingLogger(), [now]
    engine = Engine(
        config,
        cast("Logger", log),
        environ={"CIRCLECI_TOKEN": circle.token},
        clocks=Clocks(lambda: clock[0]),
        **cast("Any", shard),
    )
    projects = ProjectList(engine.store, engine.telemetry, **shard)
    schedule = Schedule(
        engine.telemetry, cast("Logger", log), size=4, clocks=Clocks(lambda: clock[0], lambda: clock[0])
    )
    settled: list[tuple[Project, ...]] = []
    found = Organizations(engine, projects, schedule, settled.append)
    try:
        yield Process(config, engine, schedule, found, projects, log, clock, settled)
    finally:
        engine.close()


def test_without_organizations_the_projects_are_those_of_the_configuration(circle: Circle) -> None:
    with process(circle, "", "gh/acme/web") as running:
        assert [project.slug for project in running.organizations.restore(running.config)] == ["gh/acme/web"]
        assert running.search_all()
        assert circle.requests == []


def test_a_search_settles_the_projects_that_it_found_and_shows_the_totals(circle: Circle) -> None:
    with process(circle, ACME) as running:
        assert running.organizations.restore(running.config) == ()
        assert running.search(ACME)
        assert running.slugs() == ACMES
        (labels,) = running.samples(RUNS)
        assert labels == '{organization="gh/acme",window="last-7-days"}'
        assert running.samples("circleci_exporter_discovered_projects") == {'{organization="gh/acme"}': 4}
        success = running.samples("circleci_exporter_collector_success")
        assert success == {'{collector="organizations",project="gh/acme"}': 1}
        assert running.engine.store.published == {}


def test_all_organizations_are_searched_and_projects_listed_by_hand_come_first(circle: Circle) -> None:
    with process(circle, f"{ACME}, {INITECH}, {APP}", "{slug: gh/acme/web, name: the web}") as running:
        running.organizations.restore(running.config)
        assert running.search_all()
        assert running.slugs() == {*ACMES, f"{INITECH}/billing", f"{APP}/43G3kM5RtfFE"}
        assert running.settled[-1][0].name == "the web"
        assert len(running.samples(RUNS)) == 3


def test_one_search_that_fails_does_not_stop_the_others(circle: Circle) -> None:
    circle.fail("not_found", "/insights/gh/acme/summary")
    with process(circle, f"{ACME}, {INITECH}") as running:
        running.organizations.restore(running.config)
        assert not running.search_all()
        assert running.slugs() == {f"{INITECH}/billing"}


def test_a_search_that_fails_keeps_what_was_found_and_says_so(circle: Circle) -> None:
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        totals = running.samples(RUNS)
        circle.fail("not_found", "/insights/gh/acme/summary")
        running.now[0] += HOUR
        assert not running.search(ACME)
        assert running.slugs() == ACMES
        assert running.samples(RUNS) == totals
        assert list(running.samples("circleci_exporter_collector_success").values()) == [0]
        success = running.samples("circleci_exporter_collector_last_success_timestamp_seconds")
        assert list(success.values()) == [NOON]
        circle.heal()
        assert running.search(ACME)
        assert list(running.samples("circleci_exporter_collector_success").values()) == [1]
        said = [str(call.args[0]) for call in running.log.calls]
        assert said == ["project is failing", "project recovered"]


def test_projects_come_and_go(circle: Circle) -> None:
    roster = circle.organization.roster
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        roster.add("gh/acme/new")
        roster.hide("gh/acme/api")
        try:
            running.search(ACME)
            assert running.slugs() == ACMES - {"gh/acme/api"} | {"gh/acme/new"}
        finally:
            roster.show("gh/acme/api")
            roster.hide("gh/acme/new")
        running.search(ACME)
        assert running.slugs() == ACMES


def test_what_was_found_is_there_after_a_restart_before_anything_is_asked(circle: Circle, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with process(circle, f"{ACME}, {INITECH}", path=path) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        totals = running.samples(RUNS)
    circle.forget_requests()
    with process(circle, f"{ACME}, {INITECH}", path=path, now=NOON + 60) as running:
        projects = running.organizations.restore(running.config)
        assert {project.slug for project in projects} == ACMES
        assert running.samples(RUNS) == totals
        running.organizations.start()
        assert running.schedule.due == {ACME: NOON + HOUR, INITECH: NOON + 60}
        assert circle.requests == []


def test_a_restart_with_further_windows_searches_at_once_and_one_with_fewer_shows_fewer(
    circle: Circle, tmp_path: Path
) -> None:
    path = tmp_path / "state.db"
    with process(circle, f"{{slug: {ACME}, windows: [last-7-days, last-30-days]}}", path=path) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        assert len(running.samples(RUNS)) == 2
    windows = "windows: [last-30-days, last-90-days]"
    with process(circle, f"{{slug: {ACME}, {windows}}}", path=path, now=NOON + 60) as running:
        running.organizations.restore(running.config)
        assert list(running.samples(RUNS)) == ['{organization="gh/acme",window="last-30-days"}']
        running.organizations.start()
        assert running.schedule.due == {ACME: NOON + 60}


def test_totals_that_are_not_renewed_expire_and_the_projects_stay(circle: Circle) -> None:
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        fleet = Fleet(running.engine, running.schedule)
        running.now[0] += 3 * HOUR - 1
        fleet.expire()
        assert len(running.samples(RUNS)) == 1
        running.now[0] += 1
        fleet.expire()
        assert running.samples(RUNS) == {}
        assert {project.slug for project in running.projects.projects()} == ACMES


def test_a_reload_that_brings_an_organization_searches_it_at_once(circle: Circle) -> None:
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        running.now[0] += 60
        running.organizations.prepare(configuration(circle, f"{ACME}, {INITECH}"))()
        assert running.schedule.due == {INITECH: NOON + 60}
        assert running.slugs() == ACMES
        running.search(INITECH)
        assert running.slugs() == {*ACMES, f"{INITECH}/billing"}


def test_a_reload_that_takes_an_organization_out_forgets_it(circle: Circle, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with process(circle, f"{ACME}, {INITECH}", path=path) as running:
        running.organizations.restore(running.config)
        running.organizations.start()
        running.search(ACME)
        running.organizations.prepare(configuration(circle, "", "gh/acme/web", path))()
        assert running.slugs() == {"gh/acme/web"}
        assert running.samples(RUNS) == {}
        assert running.samples("circleci_exporter_discovered_projects") == {}
        assert running.schedule.due == {}
        assert list(running.engine.state.load()) == []
        assert running.search(ACME)
        assert running.samples(RUNS) == {}


def test_a_reload_that_changes_settings_reaches_found_projects_without_a_search(circle: Circle) -> None:
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        running.search(ACME)
        circle.forget_requests()
        running.organizations.prepare(configuration(circle, f"{{slug: {ACME}, interval: 2h, exclude: ['odd*']}}"))()
        assert {project.interval for project in running.settled[-1]} == {7200}
        assert running.slugs() == ACMES - {"gh/acme/odd.names_1"}
        assert running.samples("circleci_exporter_discovered_projects") == {'{organization="gh/acme"}': 3}
        assert circle.requests == []


def test_a_reload_that_changes_nothing_leaves_the_next_search_where_it_was(circle: Circle) -> None:
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        running.organizations.start()
        running.search(ACME)
        due = dict(running.schedule.due)
        running.now[0] += 60
        running.organizations.prepare(configuration(circle, ACME))()
        assert running.schedule.due == due
        running.organizations.prepare(configuration(circle, f"{{slug: {ACME}, discovery_interval: 2h}}"))()
        assert running.schedule.due == {ACME: NOON + 2 * HOUR}


def test_shards_share_the_projects_and_one_of_them_shows_the_totals(circle: Circle) -> None:
    found: list[set[str]] = []
    for shard in range(3):
        with process(
            circle, f"{{slug: {ACME}, windows: [last-7-days, last-90-days]}}", shard=shard, total_shards=3
        ) as one:
            one.organizations.restore(one.config)
            circle.forget_requests()
            assert one.search(ACME)
            mine = owner(ACME, 3) == shard
            assert len(one.samples(RUNS)) == (2 if mine else 0)
            assert len(circle.requests) == (2 if mine else 1)
            found.append(one.slugs())
    assert sum(map(len, found)) == len(ACMES)
    assert set[str]().union(*found) == ACMES


def test_an_organization_that_is_taken_out_during_its_search_is_not_shown(circle: Circle) -> None:
    with process(circle, ACME) as running:
        running.organizations.restore(running.config)
        answer = circle.fail("hold", "/insights/gh/acme/summary")
        search = threading.Thread(target=running.search, args=(ACME,))
        search.start()
        wait_until(lambda: answer.hits, why="the search's request")
        running.organizations.prepare(configuration(circle, "", "gh/acme/web"))()
        answer.release()
        search.join(PATIENCE)
        assert running.samples(RUNS) == {}
        assert running.engine.store.organizations == {}
        assert len(running.settled) == 1


def test_the_schedule_searches_and_polls_what_is_found(circle: Circle) -> None:
    config = configuration(circle, f"{{slug: {INITECH}, discovery_interval: 1s}}")
    log = cast("Logger", CapturingLogger())
    engine = Engine(config, log, environ={"CIRCLECI_TOKEN": circle.token})
    schedule = Schedule(engine.telemetry, log, size=4)
    fleet = Fleet(engine, schedule)
    organizations = Organizations(engine, ProjectList(engine.store, engine.telemetry), schedule, fleet.settle)
    try:
        fleet.restore(organizations.restore(config))
        fleet.start()
        organizations.start()
        schedule.start(fleet.expire)
        billing = f"{INITECH}/billing"
        wait_until(lambda: (found := engine.store.get(billing)) and found.polled_at, why="the found project's poll")
        circle.organization.roster.hide(billing)
        circle.organization.roster.add(f"{INITECH}/payroll")
        wait_until(lambda: engine.store.published.keys() == {f"{INITECH}/payroll"}, why="the projects to change")
        assert engine.telemetry.failures.labels(ORGANIZATIONS, "internal")._value.get() == 0
        organizations.prepare(configuration(circle, "", "gh/acme/web"))()
        wait_until(lambda: engine.store.published.keys() == {"gh/acme/web"}, why="the organization to go")
        assert INITECH not in schedule.due
    finally:
        circle.organization.roster.show(f"{INITECH}/billing")
        circle.organization.roster.hide(f"{INITECH}/payroll")
        engine.stop.set()
        schedule.stop()
        engine.close()
