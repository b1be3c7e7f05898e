"""What the log tells of the whole process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from exporter.config import Config, parse
from exporter.errors import NotFoundError
from exporter.insights.collectors import COLLECTORS
from exporter.knowledge import calls, discovered_projects, plan
from exporter.knowledge.packing import pack
from exporter.knowledge.snapshots import Facts, Outcome, Part, Snapshot
from exporter.process.lifecycle_log import LifecycleLog
from exporter.publishing.store import SnapshotStore
from exporter.runs.live import Live, WatchedPipeline

if TYPE_CHECKING:
    from exporter.system.logs import Logger

NOW = 1_790_000_000.0
GOOD = Outcome(success=True, duration=0.1, finished_at=NOW, last_success=NOW)
WARNING = "configuration needs more API calls than requests_per_second allows, polls will be late"


@dataclass
class Lines:
    """A logger that keeps what it is given."""

    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **fields: object) -> None:
        self.entries.append((event, fields))

    warning = error = exception = info

    def events(self) -> list[str]:
        return [event for event, _ in self.entries]


def lifecycle_log(config: Config, lines: Lines, store: SnapshotStore, *, shard: int = 0, of: int = 1) -> LifecycleLog:
    store.publish(map(Snapshot, config.projects), NOW)
    return LifecycleLog(store, config, cast("Logger", lines), shard=shard, total_shards=of)


def polled(snapshot: Snapshot, *, workflows: int) -> Snapshot:
    """A snapshot with its default branch, so many workflows on it, and an outcome of each collector."""
    facts = Facts("main", "web", "acme", "GitHub", NOW)
    rows = {"workflow": [((f"w{number}",), (1.0,) * 15) for number in range(workflows)]}
    collector = COLLECTORS["workflows"]
    questions = collector.questions(snapshot.project.slug, branch="main", windows=snapshot.project.windows)
    parts = {question: Part(pack(collector, rows), NOW, NOW) for question in questions}
    return replace(snapshot, facts=facts, parts=parts, outcomes=dict.fromkeys(snapshot.project.collectors, GOOD))


def test_the_start_names_what_runs() -> None:
    lines = Lines()
    lifecycle_log(parse("projects: [gh/acme/web, gh/acme/api]"), lines, SnapshotStore()).starting()

    ((event, fields),) = lines.entries
    assert event == "starting"
    assert fields.items() >= {"projects": 2, "organizations": 0, "config": "config.yaml", "state": "in memory"}.items()
    assert "shard" not in fields


def test_the_start_of_a_shard_says_which_it_is() -> None:
    lines = Lines()
    lifecycle_log(parse("projects: [gh/acme/web]"), lines, SnapshotStore(), shard=1, of=3).starting()

    assert lines.entries[0][1]["shard"] == "1 of 3"


def test_nothing_more_is_told_before_everything_was_polled() -> None:
    lines, store = Lines(), SnapshotStore()
    about = lifecycle_log(parse("projects: [gh/acme/web, gh/acme/api]"), lines, store)
    (first, _) = store.published["gh/acme/web"]
    store.publish([polled(first, workflows=3)], NOW)

    about.look()

    assert lines.entries == []


def test_when_everything_was_polled_it_says_what_came_of_it_once() -> None:
    lines, store = Lines(), SnapshotStore()
    about = lifecycle_log(parse("projects: [gh/acme/web, gh/acme/api]"), lines, store)
    (web, api) = (snapshot for snapshot, _ in store.published.values())
    bad = replace(GOOD, success=False, reason=NotFoundError.reason)
    failing = replace(polled(api, workflows=0), outcomes=dict.fromkeys(api.project.collectors, bad))
    store.publish([polled(web, workflows=3), failing], NOW)

    about.look()
    about.look()

    ((event, fields),) = lines.entries
    assert event == "first poll of all projects complete"
    assert (fields["projects"], fields["failing"], fields["allowed_per_hour"]) == (2, 1, 18_000)
    # A project: one page of workflows an hour and 1/24 for its facts. Jobs of 3 workflows: daily, or hourly.
    assert fields["api_calls_per_hour"] == "2 to 5"
    assert fields["series"] > 0


def test_an_organization_has_to_be_searched_before_everything_was_polled() -> None:
    lines, store = Lines(), SnapshotStore()
    config = parse("organizations: [gh/acme]")
    about = lifecycle_log(config, lines, store)
    own = Snapshot(discovered_projects.itself(config.organizations[0]))
    store.publish([own], NOW)
    about.look()
    assert lines.entries == []

    store.publish([replace(own, outcomes={"organizations": GOOD})], NOW)
    about.look()

    assert lines.events() == ["first poll of all projects complete"]


def test_runs_have_to_be_polled_too() -> None:
    lines, store = Lines(), SnapshotStore()
    about = lifecycle_log(parse("defaults: {collectors: [workflows, runs]}\nprojects: [gh/acme/web]"), lines, store)
    (snapshot, _) = store.published["gh/acme/web"]
    store.publish([replace(snapshot, outcomes={"workflows": GOOD})], NOW)
    about.look()
    assert lines.entries == []

    store.publish([replace(snapshot, outcomes={"workflows": GOOD, "runs": GOOD})], NOW)
    about.look()

    assert lines.events() == ["first poll of all projects complete"]


def test_pipelines_are_estimated_from_those_of_the_last_day_and_the_list_that_projects_share() -> None:
    lines, store = Lines(), SnapshotStore()
    config = parse("defaults: {collectors: [pipelines]}\nprojects: [gh/acme/web, gh/acme/api]")
    about = lifecycle_log(config, lines, store)
    (web, api) = (snapshot for snapshot, _ in store.published.values())
    times = {f"p{hour}": NOW - 3600 * hour - 60 for hour in range(24)}
    pipelines = {each: WatchedPipeline(each, created, "created", settled_at=NOW) for each, created in times.items()}
    live = Live(NOW - 86_400, listed_at=NOW)
    outcomes = dict.fromkeys(web.project.collectors, GOOD)
    store.publish([replace(web, outcomes=outcomes, live=replace(live, pipelines=pipelines))], NOW)
    store.publish([replace(api, outcomes=outcomes, live=live)], NOW)

    about.look()

    # One pipeline an hour: 8.1 looks, as many at its jobs, 6 for a re-run. The quiet project 4, the shared list 42.9.
    # Its own list, if that one shows nothing: every minute for 10 minutes, and 17.9 times until the next pipeline.
    assert lines.entries[-1][1]["api_calls_per_hour"] == "70 to 97"


def test_a_configuration_that_asks_for_too_much_is_warned_of_at_the_start_and_when_more_is_known() -> None:
    lines, store = Lines(), SnapshotStore()
    text = "circleci: {requests_per_second: 0.01}\ndefaults: {interval: 1m}\nprojects: [gh/acme/web]"
    about = lifecycle_log(parse(text), lines, store)

    about.starting()
    about.adopted(parse(text))
    (snapshot, _) = store.published["gh/acme/web"]
    store.publish([polled(snapshot, workflows=30)], NOW)
    about.look()

    assert lines.events() == ["starting", WARNING, "first poll of all projects complete", WARNING]
    assert lines.entries[1][1] == {"api_calls_per_hour": 60, "allowed_per_hour": 36, "exceeded_by": "67%"}
    assert lines.entries[3][1]["api_calls_per_hour"] == 121  # two pages of workflows, and each one's jobs once a day


def test_where_all_is_known_from_before_a_start_does_not_wait_for_the_estimate_and_the_next_look_tells_it() -> None:
    lines, store = Lines(), SnapshotStore()
    text = "circleci: {requests_per_second: 0.01}\ndefaults: {interval: 1m}\nprojects: [gh/acme/web]"
    about = lifecycle_log(parse(text), lines, store)
    (snapshot, _) = store.published["gh/acme/web"]
    store.publish([polled(snapshot, workflows=30)], NOW)

    about.starting()
    about.adopted(parse(text))
    assert lines.events() == ["starting"]
    about.look()

    assert lines.events() == ["starting", "first poll of all projects complete", WARNING]


def test_a_reload_is_followed_by_what_came_of_it() -> None:
    lines, store = Lines(), SnapshotStore()
    config = parse("projects: [gh/acme/web]")
    about = lifecycle_log(config, lines, store)
    (snapshot, _) = store.published["gh/acme/web"]
    store.publish([polled(snapshot, workflows=1)], NOW)
    about.look()

    about.adopted(config)
    about.look()

    assert lines.events() == ["first poll of all projects complete"] * 2


def test_before_its_first_poll_a_project_costs_what_it_costs_without_a_workflow() -> None:
    text = "defaults: {branches: [a, 'release/*'], all_branches: true}\nprojects: [gh/acme/web]"
    (project,) = parse(text).projects

    cost = calls.expected(Snapshot(project))

    # The default branch, a and all branches; the branches that globs match; the facts once a day.
    assert cost.least == 3 + 1 + 1 / 24


def test_excluded_workflows_cost_nothing() -> None:
    text = "defaults: {workflows: {exclude: ['w1*']}, jobs: {max_age: 1h}}\nprojects: [gh/acme/web]"
    (project,) = parse(text).projects
    snapshot = polled(Snapshot(project), workflows=12)
    assert len(plan.workflows(snapshot, ["main"], per_window=False)["main", ""]) == 9

    assert calls.expected(snapshot).least == 1 + 9 + 1 / 24
