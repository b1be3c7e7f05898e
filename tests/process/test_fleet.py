from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.polling.attempt import Clocks
from exporter.polling.schedule import Schedule
from exporter.process.engine import Engine
from exporter.process.fleet import Fleet
from tests.circleci import Circle
from tests.counting.making import counted as counted_of
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from exporter.config import Project
    from exporter.knowledge.snapshots import Snapshot
    from exporter.polling.agenda import Job
    from exporter.system.logs import Logger

NOON = 1_790_000_000.0
HOUR = 3600.0
WEB, API, MOBILE = "gh/acme/web", "gh/acme/api", "gh/acme/mobile"


@dataclass
class Noted(Schedule):
    """A schedule that runs nothing: what it was told to do, and when."""

    due_at: dict[str, float] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)

    def add(self, job: Job, due: float) -> None:
        self.due_at[job.name], self.jobs[job.name] = due, job

    def missing(self, job: Job) -> None:
        self.wanted.append(job.name)

    def remove(self, name: str) -> None:
        self.due_at.pop(name, None)
        self.jobs.pop(name, None)


class Run:
    """One run of a process: engine, fleet and a schedule that notes, on a clock that a test moves."""

    def __init__(self, circle: Circle, settings: str, projects: str, state: Path | None, now: float) -> None:
        self.circle, self.now, self.monotonic = circle, now, 0.0
        self.reach = f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000}}\n"
        self.reach += f"state: {{path: {f'{chr(34)}{state}{chr(34)}' if state else 'null'}}}\n"
        config = parse(self.text(settings, projects))
        log, clocks = (
            cast("Logger", CapturingLogger()),
            Clocks(lambda: self.now, lambda: time.monotonic() + self.monotonic),
        )
        self.engine = Engine(config, log, environ={"CIRCLECI_TOKEN": circle.token}, clocks=clocks)
        self.schedule = Noted()
        self.fleet = Fleet(self.engine, self.schedule)
        self.fleet.restore(config.projects)
        self.shown_at_first = self.shown()
        self.fleet.start()

    def text(self, settings: str, projects: str) -> str:
        return f"{self.reach}defaults: {{interval: 1h, {settings}}}\nprojects: [{projects}]\n"

    def settle(self, projects: str, settings: str = "") -> None:
        self.fleet.settle(parse(self.text(settings, projects)).projects)

    def poll(self, name: str = WEB, *, missing_only: bool = False) -> None:
        """Poll as the schedule would."""
        task = self.schedule.jobs[name].begin(missing_only)
        while task is not None and task.step():
            pass

    def shown(self, slug: str = WEB) -> int:
        """How many series of CircleCI a project shows."""
        found = self.engine.store.published.get(slug)
        return sum(found[1].series.values()) if found else 0

    def asked(self) -> list[str]:
        paths = [one.path + "?" + one.query for one in self.circle.requests]
        self.circle.forget_requests()
        return paths

    def project(self, slug: str = WEB) -> Project:
        snapshot = self.engine.store.get(slug)
        assert snapshot is not None
        return snapshot.project


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0) as running:
        yield running


@pytest.fixture
def run(circle: Circle) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(projects: str = WEB, settings: str = "", *, state: Path | None = None, now: float = NOON) -> Run:
        made.append(Run(circle, settings, projects, state, now))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()


def test_first_polls_begin_at_once_one_after_the_other(run: Callable[..., Run]) -> None:
    process = run(f"{WEB}, {API}, {MOBILE}")
    assert [due - NOON for due in process.schedule.due_at.values()] == pytest.approx([0, 0.05, 0.1])
    assert process.schedule.wanted == []


def test_runs_are_polled_beside_the_gauges_at_an_interval_of_their_own(run: Callable[..., Run]) -> None:
    process = run(settings="collectors: [workflows, runs], runs: {interval: 5m}")
    intervals = {name: job.interval() for name, job in process.schedule.jobs.items()}
    assert intervals == {WEB: HOUR, f"{WEB} runs": 300.0}
    process.settle(WEB, "collectors: [workflows]")
    assert list(process.schedule.jobs) == [WEB]
    process.settle(WEB, "collectors: [workflows, runs]")
    assert process.schedule.due_at[f"{WEB} runs"] == NOON


def test_a_restart_shows_what_was_known_and_polls_when_the_interval_is_over(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    before = run(state=tmp_path / "state.db")
    before.poll()
    shown = before.shown()
    before.engine.close()
    after = run(state=tmp_path / "state.db", now=NOON + 1000)
    assert after.shown_at_first == shown > 0
    assert after.schedule.due_at == {WEB: NOON + HOUR}
    assert after.schedule.wanted == []


def test_after_a_long_time_off_everything_is_due_and_what_is_too_old_is_not_shown(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    before = run(state=tmp_path / "state.db")
    before.poll()
    before.engine.close()
    after = run(state=tmp_path / "state.db", now=NOON + 3 * HOUR)
    assert after.shown_at_first == 0
    assert after.schedule.due_at == {WEB: NOON + 3 * HOUR}


def test_a_time_in_the_future_puts_a_poll_off_for_an_interval_at_most(run: Callable[..., Run], tmp_path: Path) -> None:
    before = run(state=tmp_path / "state.db", now=NOON + 1000 * HOUR)
    before.poll()
    before.engine.close()
    assert run(state=tmp_path / "state.db").schedule.due_at == {WEB: NOON + HOUR}


def test_a_restart_with_more_to_ask_asks_that_at_once_and_keeps_the_time_of_the_rest(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    before = run(state=tmp_path / "state.db")
    before.poll()
    before.engine.close()
    before.asked()
    after = run(state=tmp_path / "state.db", settings="windows: [last-7-days, last-30-days]", now=NOON + 60)
    assert (after.schedule.due_at, after.schedule.wanted) == ({WEB: NOON + HOUR}, [WEB])
    after.poll(missing_only=True)
    asked = after.asked()
    assert asked
    assert all("last-30-days" in path for path in asked)


def test_what_a_restart_no_longer_asks_is_forgotten_by_the_file_too(run: Callable[..., Run], tmp_path: Path) -> None:
    both = "windows: [last-7-days, last-30-days]"
    process = run(state=tmp_path / "state.db", settings=both)
    process.poll()
    shown = process.shown()
    process.engine.close()
    run(state=tmp_path / "state.db").engine.close()
    process = run(state=tmp_path / "state.db", settings=both)
    assert 0 < process.shown_at_first < shown


def test_a_project_that_is_taken_out_is_gone_from_store_schedule_and_file(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    process = run(f"{WEB}, {API}", state=tmp_path / "state.db")
    process.poll()
    process.poll(API)
    process.settle(API)
    assert list(process.engine.store.published) == list(process.schedule.due_at) == [API]
    assert [stored.slug for stored in process.engine.state.load()] == [API]
    process.settle(f"{WEB}, {API}")
    assert (process.shown(), process.schedule.due_at[WEB]) == (0, NOON)


def test_a_poll_of_a_project_that_was_taken_out_meanwhile_shows_nothing(run: Callable[..., Run]) -> None:
    process = run(f"{WEB}, {API}")
    task = process.schedule.jobs[WEB].begin(False)
    assert task is not None
    assert task.step()
    process.settle(API)
    task.step()
    assert list(process.engine.store.published) == [API]
    assert process.schedule.jobs.keys() == {API}


def test_a_poll_begun_by_old_settings_publishes_by_the_new_ones(run: Callable[..., Run]) -> None:
    process = run()
    task = process.schedule.jobs[WEB].begin(False)
    assert task is not None
    assert task.step()
    process.settle(WEB, "collectors: [workflows]")
    task.step()
    found = process.engine.store.published[WEB][1]
    assert set(found.series) == {"workflows"}


def test_what_stays_keeps_its_parts_and_its_time(run: Callable[..., Run]) -> None:
    process = run(f"{WEB}, {API}")
    process.poll()
    before, due = process.engine.store.get(WEB), process.schedule.due_at[WEB]
    process.now += 60
    process.settle(f"{WEB}, {API}, {MOBILE}")
    assert process.engine.store.get(WEB) is before
    assert (process.schedule.due_at[WEB], process.schedule.wanted) == (due, [])
    assert process.schedule.due_at[MOBILE] == process.now


def test_another_interval_is_counted_from_the_newest_poll(run: Callable[..., Run]) -> None:
    process = run()
    process.poll()
    process.now += 600
    process.settle(f"{{slug: {WEB}, interval: 20m}}")
    assert process.schedule.due_at[WEB] == NOON + 1200
    process.settle(f"{{slug: {WEB}, interval: 5m}}")
    assert process.schedule.due_at[WEB] == process.now, "it is late already"
    assert process.project().interval == 300


def test_what_is_newly_asked_of_a_project_is_asked_at_once(run: Callable[..., Run]) -> None:
    process = run()
    process.poll()
    process.settle(f"{{slug: {WEB}, all_branches: true}}")
    assert process.schedule.wanted == [WEB]
    process.asked()
    process.poll(missing_only=True)
    assert all("all-branches=true" in path for path in process.asked())
    process.settle(f"{{slug: {WEB}, all_branches: true, labels: {{team: web}}}}")
    assert process.schedule.wanted == [WEB], "a label asks nothing"


def test_the_exact_moment_of_expiry_is_three_intervals_after_the_newest_answer(run: Callable[..., Run]) -> None:
    process = run()
    process.poll()
    shown = process.shown()
    process.now = NOON + 3 * HOUR - 0.001
    process.fleet.expire()
    assert process.shown() == shown
    process.now = NOON + 3 * HOUR
    assert process.shown() == shown, "expiry is a publication, not work for the scrape"
    process.fleet.expire()
    assert process.shown() == 0


def test_each_part_expires_by_itself(run: Callable[..., Run], circle: Circle) -> None:
    process = run(settings="stale_after: 90m, jobs: {max_age: 1h}")
    process.poll()
    shown = process.shown()
    jobs = sum("/jobs" in path for path in process.asked())
    process.now += HOUR
    circle.fail("not_found", match="/workflows/build-and-test/jobs")
    process.poll()
    assert process.shown() == shown
    process.now = NOON + 5400
    process.fleet.expire()
    left = process.engine.store.published[WEB][1]
    assert jobs > 1
    assert 0 < left.series["jobs"] < shown - left.series["workflows"]
    assert left.expires_at == NOON + HOUR + 5400


def test_a_settling_and_polls_at_the_same_time_leave_store_and_schedule_at_one(run: Callable[..., Run]) -> None:
    process = run(f"{WEB}, {API}, {MOBILE}")
    ended, polls = threading.Event(), list[str]()

    def poll() -> None:
        while not ended.is_set():
            for job in list(process.schedule.jobs.values()):
                task = job.begin(False)
                while task is not None and task.step():
                    pass
                polls.append(job.name)

    threads = [threading.Thread(target=poll) for _ in range(3)]
    for thread in threads:
        thread.start()
    rounds = 0
    while len(polls) < 200 or rounds < 3:
        process.settle(f"{WEB}, {API}")
        assert set(process.engine.store.published) == {WEB, API}
        process.settle(f"{API}, {MOBILE}, gh/acme/nowhere")
        assert set(process.engine.store.published) == {API, MOBILE, "gh/acme/nowhere"}
        rounds += 1
    ended.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert set(process.engine.store.published) == set(process.schedule.due_at)


def test_a_clock_that_is_set_back_makes_no_data_look_fresh_for_longer(run: Callable[..., Run]) -> None:
    process = run()
    process.poll()
    assert process.shown() > 0
    process.now -= 100 * HOUR
    process.fleet.expire()
    assert process.shown() > 0
    process.now += 3 * HOUR
    process.monotonic += 3 * HOUR
    process.fleet.expire()
    assert process.shown() == 0, "three intervals after the newest answer, by whatever clock"


def test_a_clock_that_is_set_back_leaves_the_schedule_as_it_is_and_the_facts_are_asked_in_time(
    run: Callable[..., Run],
) -> None:
    process = run()
    process.poll()
    due = dict(process.schedule.due_at)
    process.now -= 100 * HOUR
    process.fleet.expire()
    assert process.schedule.due_at == due
    process.now += 24 * HOUR
    process.asked()
    process.poll()
    assert process.asked()[0] == f"/project/{WEB}?", "a day later, not in five days"


def test_after_a_sleep_of_the_machine_what_is_due_is_polled_at_once(run: Callable[..., Run]) -> None:
    process = run(f"{WEB}, {API}")
    process.poll()
    process.schedule.due_at.clear()
    process.now += 7 * HOUR
    process.fleet.expire()
    assert process.schedule.due_at == {WEB: process.now, API: pytest.approx(process.now + 0.05)}


def test_names_that_two_projects_swap_are_shown_at_once(run: Callable[..., Run]) -> None:
    process = run(f"{{slug: {WEB}, name: one}}, {{slug: {API}, name: two}}")
    for slug in (WEB, API):
        process.poll(slug)
    seen: list[set[str]] = []
    store, publish = process.engine.store, process.engine.store.publish

    def noted(snapshots: Iterable[Snapshot], now: float, **more: bool) -> None:
        publish(snapshots, now, **more)
        seen.append({snapshot.project.name for snapshot, _ in store.published.values()})

    store.publish = noted  # type: ignore[method-assign]
    process.settle(f"{{slug: {WEB}, name: two}}, {{slug: {API}, name: one}}")
    assert seen == [{"one", "two"}], "no publication shows a name twice"
    assert process.project().name == "two"


def test_runs_that_are_off_for_longer_than_a_poll_begin_at_0_when_they_are_on_again(
    run: Callable[..., Run], circle: Circle, tmp_path: Path
) -> None:
    on, off = "collectors: [runs], runs: {interval: 5m}", "collectors: [workflows]"
    for away, expected in ((200, 3), (400, 0)):
        process = run(settings=on, state=tmp_path / f"{away}.db")
        process.poll(f"{WEB} runs")
        process.now += 300
        process.poll(f"{WEB} runs")
        before = counted(process)
        process.settle(WEB, off)
        for _ in range(3):
            circle.organization.add_run(WEB, "build-and-test", "main", created=NOON, stopped=NOON)
        process.now += away
        process.settle(WEB, on)
        for _ in range(2):
            process.poll(f"{WEB} runs")
            process.now += 300
        assert counted(process) - before == expected


def counted(process: Run) -> float:
    snapshot = process.engine.store.get(WEB)
    assert snapshot is not None
    assert snapshot.ledger is not None
    return sum(counted_of(snapshot.ledger, "main", "build-and-test").runs.values())


def test_a_renamed_default_branch_is_asked_for_at_once_whoever_learns_of_it(
    run: Callable[..., Run], circle: Circle
) -> None:
    process = run(settings="collectors: [workflows, runs], runs: {interval: 5m}")
    process.poll()
    process.poll(f"{WEB} runs")
    assert process.schedule.wanted == []
    circle.organization.roster.rename_default_branch(WEB, "trunk")
    process.now += 24 * HOUR
    process.poll(f"{WEB} runs")
    assert process.schedule.wanted == [WEB]


def test_a_project_of_ids_is_shown_by_its_name_from_its_first_numbers_on_and_after_a_restart(
    run: Callable[..., Run], tmp_path: Path
) -> None:
    platform = "circleci/8vLqd1AbCdEf/43G3kM5RtfFE"
    process = run(platform, state=tmp_path / "state.db")
    process.poll(platform)
    name = process.project(platform).name
    assert name.endswith("/platform")
    assert name != platform
    process.settle(platform, "windows: [last-7-days, last-30-days]")
    assert process.project(platform).name == name
    process.settle(f"{{slug: {platform}, project_label: slug}}")
    assert process.project(platform).name == platform
    process.settle(platform)
    assert process.project(platform).name == name
    process.engine.close()
    assert run(platform, state=tmp_path / "state.db").project(platform).name == name


def test_after_a_storm_of_reloads_every_project_is_polled(circle: Circle) -> None:
    slugs = [f"gh/storm/project-{number}" for number in range(40)]
    for slug in slugs:
        circle.organization.roster.add(slug)
    reach = f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, concurrency: 16}}\n"

    def projects(wanted: Iterable[str]) -> tuple[Project, ...]:
        return parse(f"{reach}defaults: {{interval: 1s}}\nprojects: [{', '.join(wanted)}]\n").projects

    log = cast("Logger", CapturingLogger())
    config = parse(f"{reach}projects: [{', '.join(slugs)}]\n")
    engine = Engine(config, log, environ={"CIRCLECI_TOKEN": circle.token})
    schedule = Schedule(engine.telemetry, log, size=16)
    fleet = Fleet(engine, schedule)
    fleet.restore(projects(slugs))
    fleet.start()
    schedule.start(fleet.expire)
    try:
        turn = 0
        while len(circle.requests) < 300 or turn < 6:
            turn += 1
            fleet.settle(projects(slugs[turn % 3 :: 3]))
            fleet.settle(projects(slugs))
        calm = time.time()

        def late() -> list[str]:
            polled = {slug: snapshot.polled_at or 0 for slug, (snapshot, _) in engine.store.published.items()}
            return [slug for slug in slugs if polled.get(slug, 0) < calm]

        wait_until(lambda: not late(), why="every project to be polled again")
        assert schedule.due.keys() == set(slugs)
    finally:
        engine.stop.set()
        schedule.stop()
        engine.close()
