"""The past and the present of counters: together each run once, whenever it ended and whenever CircleCI lists it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import ConfigError, StartError
from exporter.history import backfill
from exporter.history.files import UNFINISHED
from exporter.history.reading import Reader
from exporter.history.spool import Spool
from exporter.state import StateStore
from exporter.state.file import StateFile
from tests.campaigns.runs.counting import Counted, Counting, read_counters, true_counters
from tests.history.past import make, read, rises
from tests.running.engine import NOON, SLUG
from tests.running.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400
NAMED = ("main", "develop", "release/1")
SETTINGS = "branches: [develop, release/*], runs: {lookback: 2d, buckets: [30s, 1m, 10m]}"
BOUNDS = (30.0, 60.0, 600.0)


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    """No runs yet, and nothing counted: the state file is not in use."""
    here = Counting(tmp_path / "state.db", settings=SETTINGS)
    here.close()
    yield here
    here.close()
    here.circle.stop()


def history(counting: Counting, tmp_path: Path, name: str = "out", **flags: Any) -> bool:
    settings = f"collectors: [runs], {counting.settings}"
    return make(counting.circle, tmp_path / "state.db", tmp_path / name, now=counting.now, settings=settings, **flags)


def happen(counting: Counting, number: int, seed: int = 1) -> None:
    """So many runs in the last 90 days, of all kinds."""
    random = Random(seed)  # noqa: S311  nothing secret hangs on it
    for _ in range(number):
        stopped = counting.now - random.uniform(0, 89 * DAY)
        duration = random.choice([0, 29, 30, 31, 60, 599, 600, 601, 5000])
        counting.run(
            random.choice([*NAMED, "feature"]),
            random.choice(["success", "success", "failed", "error", "canceled", "unauthorized"]),
            random.choice(["build", "deploy to production", "nightly/full"]),
            created=stopped - duration,
            stopped=stopped,
            duration=duration,
            credits=random.randint(0, 500),
            is_approval=random.random() < 0.1,
        )


def truth(counting: Counting) -> dict[tuple[str, str], Counted]:
    tallies = [
        {
            name: getattr(tally, name)
            for name in ("slug", "workflow", "branch", "status", "runs", "credits", "durations")
        }
        for tally in counting.circle.organization.truth()
    ]
    return true_counters(tallies, BOUNDS, NAMED)


def ends(path: Path, *, rising: bool = False) -> dict[tuple[str, str], Counted]:
    """Where the counters of the files end, or by how much they rise."""
    series = read(path)
    return read_counters("\n".join(f"{name} {rises(at) if rising else at[-1][1]}" for name, at in series.items()))


def shown(counted: dict[tuple[str, str], Counted]) -> dict[tuple[str, str], Counted]:
    return {branch: one for branch, one in counted.items() if sum(one.statuses.values())}


def test_the_files_end_where_run_goes_on(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 400)
    assert history(counting, tmp_path)
    counting.pass_time(7200)
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(files) == 3
    assert ends(tmp_path / "out", rising=True) == ends(tmp_path / "out")
    assert not (tmp_path / "state.db.backfill").exists()


def test_each_series_ascends_by_steps_from_one_0_and_none_is_after_now(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 100)
    assert history(counting, tmp_path, step=7200.0)
    for name, samples in read(tmp_path / "out").items():
        times = [time for time, _ in samples]
        assert times == list(range(times[0], times[0] + 7200 * len(times), 7200)), name
        assert NOON - 7200 < times[-1] <= NOON
        values = [value for _, value in samples]
        assert values[0] == 0
        assert values == sorted(values)
        if "_bucket" not in name and "_credits" not in name and "_sum" not in name and len(values) > 1:
            assert values[1] > 0, name


def test_each_sample_holds_what_had_stopped_by_then(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 150)
    assert history(counting, tmp_path)
    runs = [run for _, run in counting.circle.organization._driven_runs() if run.branch == "main"]
    totals: Counter[int] = Counter()
    for name, samples in read(tmp_path / "out").items():
        if name.startswith("circleci_workflow_runs_total") and 'branch="main"' in name:
            totals.update({time: int(value) for time, value in samples})
    assert len(totals) > 2000
    for time, total in totals.items():
        assert total == sum(run.stopped is not None and run.stopped <= time for run in runs)


def test_runs_between_the_two_commands_are_counted_once(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 50)
    waiting = [counting.run("main", None, created=NOON - age) for age in (60, DAY, 9 * DAY)]
    counting.run("main", created=NOON - 3600, stopped=NOON - 3000, shown=NOON + 500)
    counting.run("main", workflow="quite new", created=NOON - 3600, stopped=NOON - 3000, shown=NOON + 500)
    assert history(counting, tmp_path)
    before = ends(tmp_path / "out")
    counting.pass_time(1800)
    for run in waiting:
        counting.circle.organization.finish_run(run, duration=1860)
    counting.run("feature", "failed")
    counting.run("release/1", workflow="quite new")
    counting.open()
    for _ in range(3):
        assert counting.poll()
    assert counting.counted() == truth(counting)
    counted = counting.counted()
    for branch, one in before.items():
        for status, number in one.statuses.items():
            assert counted[branch].statuses[status] >= number


@pytest.mark.parametrize(
    "more",
    [
        "",
        "max_series: 110",
        "metrics: {exclude: ['*_credits_total', circleci_workflow_last_*]}",
        "metrics: {include: [circleci_workflow_runs_total]}, max_series: 20",
        "workflows: {include: [build, 'deploy *'], exclude: ['*production']}",
        "project_label: slug",
    ],
)
def test_run_shows_first_what_the_files_end_with(counting: Counting, tmp_path: Path, more: str) -> None:
    """Whatever `run` shows first has a sample in the files: its series are the same, and none begins above 0 there."""
    happen(counting, 60)
    counting.settings = f"{SETTINGS}, {more}"
    assert history(counting, tmp_path)
    counting.open()
    assert counting.poll(after=1.0)
    text = [line for line in counting.text().splitlines() if line.startswith("circleci_workflow_run")]
    live = {line.rpartition(" ")[0] for line in text}
    assert live
    assert live == set(read(tmp_path / "out"))


def test_what_run_has_no_room_for_is_not_in_the_files_and_is_told(
    counting: Counting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for workflow in ("a", "b"):
        counting.run("main", workflow=workflow, created=NOON - DAY, stopped=NOON - DAY + 60)
    counting.settings = f"{SETTINGS}, max_series: 20"  # a row: 5 statuses, 6 of the histogram, credits, 5 gauges
    assert history(counting, tmp_path)
    assert {workflow for workflow, _ in ends(tmp_path / "out")} == {"a"}
    assert "16 series are beyond max_series" in capsys.readouterr().err
    counting.settings = SETTINGS
    counting.open()
    assert counting.poll()
    assert counting.total(workflow="b") == 1, "it is counted, and appears once there is room"


NAMES = [
    'say "hi"',
    "back\\slash",
    "new\nline",
    "a/b%2F?c#d",
    "\u202eright",
    '{x="y"} 1 2',
    "é\U0001f600",
    " ",
    "# EOF",
]


def test_names_of_any_characters_stand_in_the_files_as_in_a_scrape(counting: Counting, tmp_path: Path) -> None:
    for name in NAMES:
        counting.run("main", workflow=name, created=NOON - DAY, stopped=NOON - DAY + 60)
        counting.run(name, workflow="build", created=NOON - DAY, stopped=NOON - DAY + 60)
    counting.settings = "branches: ['*'], runs: {lookback: 2d, buckets: [1m]}"
    assert history(counting, tmp_path, labels=('job=naïve "job"',))
    mine = 'job="naïve \\"job\\"",'
    past = {series.replace(mine, ""): samples[-1][1] for series, samples in read(tmp_path / "out").items()}
    counting.open()
    assert counting.poll(after=1.0)
    text = [line for line in counting.text().splitlines() if line.startswith("circleci_workflow_run")]
    assert past == {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text}
    assert sum(value for series, value in past.items() if "runs_total" in series) == 2 * len(NAMES)


def test_with_pipelines_the_same_runs_are_not_counted_again_and_others_are(tmp_path: Path) -> None:
    watching = Watching(tmp_path / "state.db")
    watching.close()
    done, going = watching.start(), watching.start()
    watching.pass_time(3600)
    watching.end(done, at=watching.now - 600)
    settings = "collectors: [pipelines], pipelines: {idle_interval: 1m}"
    out = tmp_path / "out"
    assert make(watching.circle, tmp_path / "state.db", out, now=watching.now, settings=settings)
    assert sum(one.statuses["success"] for one in ends(out).values()) == 0, "it stopped after the last full hour"
    watching.pass_time(600)
    watching.end(going)
    watching.open()
    watching.looks(4)
    assert watching.runs() == 2
    sums = watching.samples("circleci_workflow_run_duration_seconds_sum", workflow="build")
    assert list(sums.values()) == [3000 + 4200]
    watching.close()
    watching.circle.stop()


def test_with_pipelines_the_first_look_counts_what_the_ledger_does_not_hold(tmp_path: Path) -> None:
    """Runs of tags, which Insights never lists, and runs that it lists late, though they ended before the backfill."""
    watching = Watching(tmp_path / "state.db")
    watching.close()
    held, tagged = watching.start(), watching.start(None, tag="v1")
    watching.pass_time(3600)
    for run in (held, tagged):
        watching.end(run, at=watching.now - 1800)
    watching.pass_time(7200)
    late = watching.start()
    watching.pass_time(3600)
    watching.end(late, at=watching.now - 1800, shown=watching.now + 60)
    settings = "collectors: [pipelines], pipelines: {idle_interval: 1m}"
    out = tmp_path / "out"
    assert make(watching.circle, tmp_path / "state.db", out, now=watching.now, settings=settings)
    counted = {branch: one.statuses["success"] for (_, branch), one in ends(out).items()}
    assert counted == {"main": 1}
    watching.circle.fail("not_found", "/insights/")  # the pipelines alone tell
    watching.open()
    watching.looks(4)
    assert (watching.runs(), watching.runs(branch="all tags")) == (2, 1)
    assert watching.job_runs("build") == 2, "those of the run in the ledger had ended"
    watching.restart()
    watching.looks(4)
    assert (watching.runs(), watching.runs(branch="all tags")) == (2, 1)
    watching.close()
    watching.circle.stop()


def test_counters_that_exist_are_refused_and_stay(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 10)
    counting.open()
    assert counting.poll()
    counting.close()
    with pytest.raises(ConfigError, match=r"already counts the runs of gh/acme/web.*--restart-counters"):
        history(counting, tmp_path)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "state.db.backfill").exists()


def test_restarted_counters_begin_again_from_what_is_read(
    counting: Counting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counting.open()
    assert counting.poll()
    counting.run("main")
    assert counting.poll()
    counting.close()
    happen(counting, 40)
    assert history(counting, tmp_path, restart_counters=True)
    assert "the counters of gh/acme/web are discarded" in capsys.readouterr().err
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def test_what_could_not_be_read_is_named_and_nothing_is_written(
    counting: Counting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    happen(counting, 60)
    counting.circle.fail("not_found", r"workflows/deploy.*start-date")
    assert not history(counting, tmp_path)
    assert not (tmp_path / "out").exists()
    counting.circle.heal()
    counting.circle.forget_requests()
    assert history(counting, tmp_path)
    asked = [request.path for request in counting.circle.requests]
    assert asked, "the workflow that failed"
    assert all("deploy" in path for path in asked), "what was read is not asked for again"
    assert "Continuing" in capsys.readouterr().err
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def test_a_workflow_that_cannot_be_read_can_be_excluded_in_the_next_call(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 60)
    counting.circle.fail("not_found", r"workflows/deploy.*start-date")
    assert not history(counting, tmp_path)
    counting.settings = f"{SETTINGS}, workflows: {{exclude: [deploy*]}}"
    counting.circle.forget_requests()
    assert history(counting, tmp_path)
    assert list(counting.circle.requests) == []
    assert {name for name, _ in shown(ends(tmp_path / "out"))} == {"build", "nightly/full"}
    counting.open()
    assert counting.poll()
    assert {name for name, _ in shown(counting.counted())} == {"build", "nightly/full"}


def test_a_default_branch_that_a_later_call_needs_and_circleci_does_not_name_is_no_defect(
    counting: Counting, tmp_path: Path
) -> None:
    happen(counting, 60)
    counting.circle.organization.roster.rename_default_branch(SLUG, "")
    counting.circle.fail("not_found", r"workflows/deploy.*start-date")
    counting.settings = f"{SETTINGS}, default_branch: false"
    assert not history(counting, tmp_path)
    counting.circle.heal()
    counting.settings = SETTINGS

    assert not history(counting, tmp_path)
    assert not (tmp_path / "out").exists()

    counting.circle.organization.roster.rename_default_branch(SLUG, "main")
    assert history(counting, tmp_path)
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def test_what_was_read_earlier_has_samples_up_to_then_only(counting: Counting, tmp_path: Path) -> None:
    """Runs that end while others are read are not in the samples of that time, so there are none of that time."""
    happen(counting, 60)
    counting.circle.fail("not_found", r"workflows/deploy.*start-date")
    assert not history(counting, tmp_path)
    counting.circle.heal()
    began = counting.now
    counting.pass_time(6 * 3600)
    for workflow in ("build", "deploy to production"):
        counting.run("main", workflow=workflow, stopped=counting.now - 5 * 3600)
    assert history(counting, tmp_path)
    for name, samples in read(tmp_path / "out").items():
        until = counting.now if 'workflow="deploy' in name else began
        assert until - 3600 < samples[-1][0] <= until, name
    counting.open()
    for _ in range(2):
        assert counting.poll()
    assert counting.counted() == truth(counting)


@pytest.mark.parametrize("ahead", [-2 * DAY, -5000, 5000, 2 * DAY])
def test_a_clock_that_is_not_circlecis_loses_no_run_and_no_sample_is_to_come(
    counting: Counting, tmp_path: Path, ahead: float
) -> None:
    happen(counting, 100)
    counting.now += ahead
    assert history(counting, tmp_path)
    latest = max(samples[-1][0] for samples in read(tmp_path / "out").values())
    assert min(NOON, NOON + ahead) - 3600 < latest <= min(NOON, NOON + ahead)
    counting.run("main", created=NOON - 60, stopped=NOON + 60)
    counting.open()
    for _ in range(2):
        assert counting.poll()
    assert {branch: one.statuses for branch, one in counting.counted().items()} == {
        branch: one.statuses for branch, one in truth(counting).items()
    }


def test_each_shard_has_the_past_of_its_own_projects(counting: Counting, tmp_path: Path) -> None:
    slugs = [f"gh/acme/p{number}" for number in range(6)]
    for slug in slugs:
        counting.circle.organization.roster.add(slug)
        counting.circle.organization.add_run(slug, "build", "main", "success", created=NOON - DAY, stopped=NOON - DAY)
    more = "".join(f"}}, {{slug: {slug}, collectors: [runs]" for slug in slugs)
    found = []
    for shard in (0, 1):
        state, out = tmp_path / f"state-{shard}.db", tmp_path / f"out-{shard}"
        make(counting.circle, state, out, now=NOON, settings=f"collectors: [runs]{more}", shard=shard, total_shards=2)
        found.append({series.partition('project="')[2].partition('"')[0] for series in read(out)})
    assert found[0] | found[1] >= set(slugs)
    assert not found[0] & found[1]
    assert found[0]
    assert found[1]


def test_a_page_that_circleci_no_longer_knows_is_read_from_the_newest_run_on(
    counting: Counting, tmp_path: Path
) -> None:
    happen(counting, 900)
    counting.circle.fail("unavailable", r"workflows/build.*page-token")
    assert not history(counting, tmp_path)
    counting.circle.heal()
    counting.circle.fail("bad_request", r"workflows/build.*page-token", times=1)
    assert history(counting, tmp_path)
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def test_files_of_committed_counters_are_moved_by_the_next_call(counting: Counting, tmp_path: Path) -> None:
    """The call before ended between its commit and its last file."""
    happen(counting, 60)
    assert history(counting, tmp_path, "first")
    expected, out = read(tmp_path / "first"), tmp_path / "out"
    (tmp_path / "state.db").unlink()
    staged(counting, tmp_path, out, commit=True)
    [first, *_] = sorted(path.name for path in (out / UNFINISHED).iterdir())
    (out / UNFINISHED / first).rename(out / first)
    counting.circle.forget_requests()
    assert history(counting, tmp_path, "another")
    assert not (tmp_path / "another").exists()
    assert read(out) == expected
    assert list(counting.circle.requests) == []
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def test_files_of_committed_counters_that_are_gone_are_named_with_the_remedy(
    counting: Counting, tmp_path: Path
) -> None:
    happen(counting, 60)
    out = tmp_path / "out"
    staged(counting, tmp_path, out, commit=True)
    [first, *_] = sorted((out / UNFINISHED).iterdir())
    first.unlink()
    with pytest.raises(StartError, match=rf"{first.name}: no such file.*--restart-counters"):
        history(counting, tmp_path, "another")
    assert read(out) == {}, "no part of it is moved into place"
    assert history(counting, tmp_path, "another", restart_counters=True)
    assert ends(tmp_path / "another", rising=True) == ends(tmp_path / "another")
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def test_files_without_committed_counters_are_written_anew(counting: Counting, tmp_path: Path) -> None:
    """The call before ended before its commit."""
    happen(counting, 60)
    staged(counting, tmp_path, tmp_path / "out", commit=False)
    assert history(counting, tmp_path, "another")
    assert ends(tmp_path / "another", rising=True) == ends(tmp_path / "another")
    counting.open()
    assert counting.poll()
    assert counting.counted() == truth(counting)


def staged(counting: Counting, tmp_path: Path, out: Path, *, commit: bool) -> None:
    """Do what the command does until it ends before its last file is in place."""
    counting.open()
    engine, days = counting.engine, 90
    where, server = tmp_path / "state.db.backfill", f"{counting.circle.url}/api/v2"
    spool, _ = Spool.open(where, server=server, days=days, now=counting.now)
    start = int(counting.now - days * DAY)
    assert Reader(spool, engine.attempts, start, lambda _: None).read([counting.project]) == []
    asked = backfill.Asked(out, days, 3600, {})
    writing = backfill.Writing(asked, spool, engine.state, engine.labels, start=start, now=counting.now)
    counted = writing.stage([counting.project], lambda _: None)
    if commit:
        writing.commit(counted)
    spool.close()
    counting.close()


def test_a_state_file_that_refuses_the_commit_leaves_no_file(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 5)
    counting.open()
    spool, _ = Spool.open(tmp_path / "spool", server=counting.circle.url, days=90, now=counting.now)
    start = int(counting.now - 90 * DAY)
    assert Reader(spool, counting.engine.attempts, start, lambda _: None).read([counting.project]) == []
    asked = backfill.Asked(tmp_path / "out", 90, 3600, {})
    memory = StateStore(
        StateFile(None, counting.engine.telemetry, counting.engine.log),
        "",
        counting.engine.telemetry,
        counting.engine.log,
    )
    memory._database.lasting = False
    writing = backfill.Writing(asked, spool, memory, counting.engine.labels, start=start, now=counting.now)
    with pytest.raises(StartError, match="could not be opened for writing"):
        writing.commit(writing.stage([counting.project], lambda _: None))
    assert read(tmp_path / "out") == {}
    spool.close()
    memory.close()


@pytest.mark.parametrize("output", ["a file", "a file/below"])
def test_an_output_that_can_be_no_directory_is_refused(counting: Counting, tmp_path: Path, output: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises((ConfigError, StartError), match="a file"):
        history(counting, tmp_path, output)


def test_a_directory_that_holds_something_is_refused(counting: Counting, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    with pytest.raises(ConfigError, match="not empty"):
        history(counting, tmp_path)
    (tmp_path / "out" / "x").unlink()
    (tmp_path / "out" / UNFINISHED).mkdir()
    happen(counting, 5)
    assert history(counting, tmp_path), "what an earlier call left is its own"


def test_no_project_that_counts_runs_is_a_mistake(counting: Counting, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="collector runs"):
        make(counting.circle, tmp_path / "state.db", tmp_path / "out", now=NOON, settings="collectors: [workflows]")


@pytest.mark.parametrize(
    "flags",
    [
        {"labels": ("project=x",)},
        {"labels": ("job=a", "job=b")},
        {"labels": ("9=x",)},
        {"labels": ("job",)},
        {"labels": ("__x=y",)},
        {"step": 1.5},
        {"step": 2 * 86_400.0},
    ],
)
def test_impossible_flags_are_refused(counting: Counting, tmp_path: Path, flags: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"--label|--step"):
        history(counting, tmp_path, **flags)


def test_labels_of_the_scrape_stand_in_every_series(counting: Counting, tmp_path: Path) -> None:
    happen(counting, 5)
    assert history(counting, tmp_path, labels=("job=ci", 'instance=a"b\\c'))
    for name in read(tmp_path / "out"):
        assert 'job="ci"' in name
        assert 'instance="a\\"b\\\\c"' in name


def test_fewer_days_hold_fewer_runs(counting: Counting, tmp_path: Path) -> None:
    counting.run("main", created=NOON - 20 * DAY, stopped=NOON - 20 * DAY)
    counting.run("main", created=NOON - 2 * DAY, stopped=NOON - 2 * DAY)
    assert history(counting, tmp_path, days=7)
    [one] = shown(ends(tmp_path / "out")).values()
    assert one.statuses == Counter(success=1)
    counting.open()
    assert counting.poll()
    assert counting.total() == 1
