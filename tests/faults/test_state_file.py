"""What happens to the state file of a process: restarts, kills, disks, damage, a second process. Each once, end to end.

What a file can be and what is read of it is told in tests/state, what a start makes of it in tests/process/test_fleet.
"""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing, suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.events import Asked
from tests.circleci import truth
from tests.faults.campaign import WORKFLOWS, configuration, last_success, polled, slug_of, unharmed
from tests.faults.conftest import TOKEN
from tests.running.program import Exporter
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.circleci import RemoteCircle
    from tests.running.scrapes import Scrape

SLUGS = [slug_of(number) for number in range(6)]
COUNTED = SLUGS[0]

# Holds the reading of the state until a file is there; another one tells that it has begun.
HELD = """
import time
from pathlib import Path
from exporter.process.fleet import Fleet
restore = Fleet.restore
def held(*known):
    Path("reading").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    return restore(*known)
Fleet.restore = held
"""


@pytest.fixture(autouse=True)
def healed(circle: RemoteCircle) -> Iterator[None]:
    yield
    circle.reset()


@pytest.fixture
def disk(tmp_path: Path, program: Callable[[str], Path]) -> Iterator[Path]:
    """A disk of 24 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command: list[str | Path] = [program("mount"), "-t", "tmpfs", "-o", "size=24m", "state-test", folder]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([program("umount"), "--lazy", folder], check=True)


def counting(circle: RemoteCircle, state: Path, interval: str = "1s") -> str:
    """A configuration in which the runs of one project are counted too."""
    plain = configuration(circle, SLUGS, state=state).replace("interval: 1s", f"interval: {interval}")
    runs = f"    collectors: [workflows, jobs, runs]\n    runs: {{interval: {interval}}}\n"
    return plain.replace(f"  - {COUNTED}\n", f"  - slug: {COUNTED}\n{runs}")


def settled(scrape: Scrape) -> bool:
    """Whether everything has been polled, runs too."""
    return polled(scrape, SLUGS) and polled(scrape, [COUNTED], ("runs",))


def told(scrape: Scrape) -> dict[str, float]:
    """Everything that CircleCI told, by series."""
    return {name: value for name, value in scrape.values.items() if not name.startswith(("circleci_exporter_", "p"))}


def fill(disk: Path) -> Path:
    """Write a file until there is no room."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_kills_in_a_row_leave_no_gap(circle: RemoteCircle, tmp_path: Path) -> None:
    random = Random(20)  # noqa: S311  nothing secret hangs on it
    config = counting(circle, tmp_path / "state.db")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        last = exporter.until(settled, "all to be polled")
        exporter.kill()
    for _ in range(5):
        with Exporter(tmp_path, config, token=TOKEN) as exporter:
            first = exporter.scrape()
            assert told(last).keys() <= told(first).keys()
            asked = Asked("/insights/", random.randrange(2 * len(SLUGS)))
            asked.arm(exporter, circle)
            wait_until(asked.has_come, why="a question in which it is killed")
            last = exporter.scrape()
            exporter.kill()
            asked.over()


def test_a_restart_shows_everything_at_once_and_asks_nothing_before_the_interval_is_over(
    circle: RemoteCircle, tmp_path: Path
) -> None:
    config = counting(circle, tmp_path / "state.db", "10m")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        before = exporter.until(settled, "all to be polled")
        assert exporter.stop()[0] == 0
    circle.reset()
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        first = exporter.scrape()
        assert told(first) == told(before)
        gone = before.values.keys() - first.values.keys()
        assert gone == {name for name in gone if "_api_" in name}, "only what this process itself counted is new"
        assert [last_success(first, slug) for slug in SLUGS] == [last_success(before, slug) for slug in SLUGS]
        assert first.get("up") == 1
        exporter.until(lambda scrape: scrape.get("projects") == len(SLUGS), "it to be ready")
        unharmed(exporter, {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in SLUGS})
        assert exporter.stop()[0] == 0
    assert circle.requests() == []


def test_nothing_is_served_before_the_state_is_read_and_a_stop_meanwhile_ends_it_as_soon_as_it_is(
    circle: RemoteCircle, tmp_path: Path
) -> None:
    config, environ = counting(circle, tmp_path / "state.db"), {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "sitecustomize.py").write_text(HELD)
    circle.reset()
    exporter = Exporter(tmp_path, config, token=TOKEN, environ=environ)
    try:
        wait_until((tmp_path / "reading").exists)
        assert exporter.events("listening") == []
        exporter.process.terminate()
        (tmp_path / "go").touch()
        assert exporter.process.wait(PATIENCE) == 0
    finally:
        exporter.end()
    assert "Traceback" not in exporter.log
    assert exporter.events("starting") == []
    assert circle.requests() == []


def test_a_full_disk_costs_nothing_but_new_counts_and_those_only_until_there_is_room(
    circle: RemoteCircle, tmp_path: Path, disk: Path
) -> None:
    config = counting(circle, disk / "state.db")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        before = exporter.until(settled, "all to be polled")
        assert before.get("state_writable") == 1
        filler = fill(disk)
        circle.add_runs(*({"slug": COUNTED, "workflow": "workflow-000", "credits": number} for number in range(2000)))
        full = exporter.until(
            lambda scrape: (
                scrape.get("state_writable") == 0
                and scrape.get("collector_failures_total", collector="runs", reason="state")
            ),
            "the full disk to be told",
        )
        assert polled(full, SLUGS)
        assert told(full) == told(before)
        assert len(exporter.events("the state file cannot be written; values are served from memory until then")) == 1
        filler.unlink()
        after = exporter.until(
            lambda scrape: (
                scrape.get("state_writable") == 1
                and settled(scrape)
                and told(scrape)[runs_of(before, "success")] == 2000
            ),
            "the disk to serve again",
        )
        exporter.kill()
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        assert told(exporter.scrape()) == told(after)


def runs_of(scrape: Scrape, status: str) -> str:
    """The series that counts a status of the workflow to which runs are added."""
    mark = f'branch="main",project="{COUNTED}",status="{status}",workflow="workflow-000"'
    (found,) = (name for name in scrape.values if name.startswith("circleci_workflow_runs_total{") and mark in name)
    return found


def test_a_disk_that_became_read_only_is_read_and_told(
    circle: RemoteCircle, tmp_path: Path, disk: Path, program: Callable[[str], Path]
) -> None:
    config = counting(circle, disk / "state.db")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        before = exporter.until(settled, "all to be polled")
        exporter.kill()
    subprocess.run([program("mount"), "-o", "remount,ro", disk], check=True)
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        first = exporter.scrape()
        assert told(before).keys() <= told(first).keys()
        assert first.get("state_writable") == 0
        assert len(exporter.events("the state file cannot be written; nothing lasts until the next start")) == 1
        exporter.until(
            lambda scrape: (
                polled(scrape, SLUGS) and scrape.get("collector_failures_total", collector="runs", reason="state")
            ),
            "the gauges to go on, and the runs to say why they do not",
        )


def test_a_file_that_is_no_state_is_moved_aside_and_never_deleted(circle: RemoteCircle, tmp_path: Path) -> None:
    state, content = tmp_path / "state.db", b"this is not a database\n" * 500
    state.write_bytes(content)
    with Exporter(tmp_path, configuration(circle, SLUGS, state=state), token=TOKEN) as exporter:
        scrape = exporter.until(lambda scrape: polled(scrape, SLUGS), "all to be polled")
        moved = [path.read_bytes() for path in tmp_path.glob("state.db.corrupt-*")]
        assert moved == [content]
        assert scrape.get("state_moved_aside_total") == 1
        assert scrape.get("state_writable") == 1
        (said,) = exporter.events("the state file cannot be used and was moved aside")
        assert said["level"] == "error"


def test_a_second_process_on_the_same_file_ends_with_1_and_harms_nothing(circle: RemoteCircle, tmp_path: Path) -> None:
    config = configuration(circle, SLUGS, state=tmp_path / "state.db")
    with Exporter(tmp_path / "first", config, token=TOKEN) as first:
        before = first.until(lambda scrape: polled(scrape, SLUGS), "all to be polled")
        second = Exporter(tmp_path / "second", config, token=TOKEN)
        assert second.process.wait(PATIENCE) == 1
        assert "in use by another process" in second.log
        assert "Traceback" not in second.log
        assert told(first.scrape()) == told(before)


def test_damaged_records_cost_themselves_alone_and_are_asked_for_again(circle: RemoteCircle, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    config = counting(circle, state, "10m")
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        before = exporter.until(settled, "all to be polled")
        exporter.kill()
    with closing(sqlite3.connect(state)) as file, file:
        answers = file.execute(
            "UPDATE part SET answer = substr(answer, 1, 20) WHERE project = (SELECT id FROM project WHERE slug = ?)",
            (SLUGS[1],),
        ).rowcount
        assert answers > 1
        assert file.execute("UPDATE project SET facts = '{' WHERE slug = ?", (SLUGS[2],)).rowcount == 1
        assert file.execute("UPDATE ledger SET facts = 'null'").rowcount == 1
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        first = exporter.scrape()
        for kind, count in (("part", answers), ("facts", 1), ("ledger", 1), ("workflow", 0)):
            assert first.get("state_damaged_records_total", kind=kind) == count
        assert len(exporter.events("a damaged record of the state file was dropped")) == 3
        untouched = [name for name in told(before) if f'project="{SLUGS[3]}"' in name]
        assert untouched
        assert {name: told(first).get(name) for name in untouched} == {name: told(before)[name] for name in untouched}
        exporter.until(lambda scrape: told(scrape) == told(before), "what was damaged to be known again")


def test_a_backup_that_is_put_back_starts_run_counters_at_0(circle: RemoteCircle, tmp_path: Path) -> None:
    state, kept = tmp_path / "state.db", tmp_path / "kept"
    config = counting(circle, state)

    def happen(count: int) -> None:
        circle.add_runs(*({"slug": COUNTED, "workflow": "workflow-000"} for _ in range(count)))

    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        series = runs_of(exporter.until(settled, "all to be polled"), "success")
        happen(30)
        exporter.until(lambda scrape: scrape.values.get(series) == 30, "the runs to be counted")
        exporter.stop()
        kept.write_bytes(state.read_bytes())
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        assert exporter.scrape().values[series] == 30
        happen(20)
        exporter.until(lambda scrape: scrape.values.get(series) == 50, "more runs to be counted")
        exporter.stop()
    state.write_bytes(kept.read_bytes())
    with Exporter(tmp_path, config, token=TOKEN) as exporter:
        exporter.until(lambda scrape: scrape.values.get(series) == 0, "the counter to start at 0")
        assert len(exporter.events("the state file is older than the one used last; run counters start at 0")) == 1
        happen(7)
        exporter.until(lambda scrape: scrape.values.get(series) == 7, "what runs from now on to be counted")
