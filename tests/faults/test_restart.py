"""A restart with a state file: nothing is lost, nothing is asked anew, and a file that is no good does no harm."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import truth
from tests.faults.campaign import WORKFLOWS, last_success, polled, slug_of, unharmed
from tests.faults.conftest import TOKEN
from tests.running import Exporter
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.circleci import RemoteCircle
    from tests.running import Scrape

A, B, C = (slug_of(number) for number in range(3))
SLUGS = [A, B, C]
POLLED = tuple(product(SLUGS, ("workflows", "jobs")))


def config_of(
    circle: RemoteCircle, state: Path, *, interval: str = "1h", more: str = "", slugs: list[str] = SLUGS
) -> str:
    projects = "".join(f"  - {slug}\n" for slug in slugs)
    return (
        f'circleci: {{url: "{circle.url}", requests_per_second: 1000, burst: 1000, timeout: 20s}}\n'
        f'state: {{path: "{state}"}}\ndefaults: {{interval: {interval}{more}}}\nprojects:\n{projects}'
    )


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
    circle.reset()
    yield
    circle.reset()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "state.db"


@pytest.fixture(scope="module")
def first_run(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scrape, Path]:
    """The last scrape of a run that polled everything and was then ended, and the file that it left."""
    folder = tmp_path_factory.mktemp("first")
    with Exporter(folder, config_of(circle, folder / "state.db"), token=TOKEN) as exporter:
        exporter.until(lambda scrape: polled(scrape, SLUGS), "the first polls")
        last = exporter.scrape()
        assert exporter.stop()[0] == 0
    return last, folder / "state.db"


@pytest.fixture
def filled(first_run: tuple[Scrape, Path], state: Path) -> Scrape:
    """That scrape, with a copy of the file at hand."""
    last, file = first_run
    for part in file.parent.glob("state.db*"):
        shutil.copyfile(part, state.parent / part.name)
    return last


def project_series(scrape: Scrape) -> dict[str, float]:
    return {name: value for name, value in scrape.values.items() if name.startswith("circleci_insights_")}


def exact(exporter: Exporter, circle: RemoteCircle) -> Scrape:
    return unharmed(exporter, {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in SLUGS})


def started_again(circle: RemoteCircle, state: Path, folder: Path, *, interval: str = "1h", more: str = "") -> Exporter:
    return Exporter(folder / "again", config_of(circle, state, interval=interval, more=more), token=TOKEN)


def test_a_restart_serves_everything_before_its_first_request_and_makes_none_before_an_interval_is_over(
    filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    with started_again(circle, state, tmp_path) as exporter:
        first = exporter.scrape()
        assert project_series(first) == project_series(filled)
        assert filled.values.keys() - first.values.keys() == {
            name for name in filled.values.keys() - first.values.keys() if "_api_" in name
        }, "only what this process itself counted is new"
        assert [last_success(first, slug) for slug in SLUGS] == [last_success(filled, slug) for slug in SLUGS]
        assert first.get("up") == 1
        exact(exporter, circle)
        exporter.stop()
    assert circle.requests() == []


def test_each_project_is_polled_again_when_its_interval_is_over(
    circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    with Exporter(tmp_path / "before", config_of(circle, state, interval="4s"), token=TOKEN) as exporter:
        scrape = exporter.until(lambda scrape: polled(scrape, SLUGS), "the first polls")
    circle.reset()
    with started_again(circle, state, tmp_path, interval="4s") as exporter:
        exporter.until(
            lambda new: all(last_success(new, slug) > last_success(scrape, slug) for slug in SLUGS), "further polls"
        )
    begun = {slug: min(one["at"] for one in circle.requests() if slug in one["path"]) for slug in SLUGS}
    waited = [begun[slug] - last_success(scrape, slug) for slug in SLUGS]
    assert min(waited) > 4 * 0.8
    assert not [one for one in circle.requests() if one["path"].startswith("/project/")], (
        "the project is known for a day"
    )


def test_what_is_too_old_is_not_served_after_a_restart(
    filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    wait_until(lambda: age(filled) > 1.2)
    circle.fail("hang")
    with started_again(circle, state, tmp_path, more=", stale_after: 1s") as exporter:
        first = exporter.scrape()
        assert truth.shown(first.of_project(A)) == {}
        assert last_success(first, A) == last_success(filled, A)


def age(scrape: Scrape) -> float:
    return time.time() - min(last_success(scrape, slug, "jobs") for slug in SLUGS)


def test_only_what_is_still_asked_is_served(filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path) -> None:
    circle.fail("hang")
    more = ", windows: [last-7-days, last-24-hours], collectors: [workflows]"
    config = config_of(circle, state, more=more, slugs=[A, B])
    with Exporter(tmp_path / "again", config, token=TOKEN) as exporter:
        first = exporter.scrape()
        assert first.of_project(C, "circleci_") == {}
        jobs = {name for name in first.of_project(A) if name.startswith("circleci_insights_job_")}
        assert jobs == set()
        kept = {name: value for name, value in filled.of_project(A).items() if "_workflow_" in name}
        assert kept.items() <= first.of_project(A).items()
        wait_until(lambda: len(circle.requests()) >= 2, why="what is new to be asked for at once")
        assert all("last-24-hours" in one["query"] for one in circle.requests())


def test_what_another_server_said_is_not_served(
    filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    config = config_of(circle, state).replace(circle.url, "http://127.0.0.1:9")
    with Exporter(tmp_path / "again", config, token=TOKEN) as exporter:
        assert truth.shown(exporter.scrape().of_project(A)) == {}


SPOILT = {
    "a file that was overwritten": b"\0" * 8192,
    "a file that is a text": b"hello\n",
    "a file that was cut": None,
    "a database of another program": None,
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_file_that_is_no_good_is_moved_aside_and_all_values_come_back(
    how: str, filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    content = SPOILT[how]
    if how == "a file that was cut":
        content = state.read_bytes()[: -4096 * 3 + 100]
    if content is None:
        state.unlink()
        with sqlite3.connect(state) as connection:
            connection.execute("CREATE TABLE accounts (id)")
        connection.close()
        content = state.read_bytes()
    state.write_bytes(content)
    with started_again(circle, state, tmp_path) as exporter:
        exporter.until(lambda scrape: polled(scrape, SLUGS), "everything to be polled anew")
        scrape = exact(exporter, circle)
        assert scrape.get("state_moved_aside_total") == 1
        assert scrape.get("state_writable") == 1
        (told,) = exporter.events("the state file cannot be used and was moved aside")
        assert told["level"] == "error"
        (aside,) = state.parent.glob("state.db.corrupt-*")
        assert aside.stat().st_size == len(content), "nothing is deleted"


def test_a_place_where_no_file_can_be_made_is_told_and_memory_serves(circle: RemoteCircle, tmp_path: Path) -> None:
    place = "/proc/state.db"  # not even root makes a file there
    with Exporter(tmp_path, config_of(circle, place), token=TOKEN) as exporter:  # type: ignore[arg-type]
        exporter.until(lambda scrape: polled(scrape, SLUGS), "the first polls")
        assert exact(exporter, circle).get("state_writable") == 0
        assert exporter.events("the state file cannot be written; nothing lasts until the next start", level="error")


def test_a_disk_that_is_full_is_told_and_when_it_has_room_again_everything_is_kept(
    circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    with Exporter(tmp_path / "before", config_of(circle, state, interval="1s"), token=TOKEN) as exporter:
        exporter.until(lambda scrape: polled(scrape, SLUGS), "the first polls")
        # The kernel refuses what makes a file longer than this, as it does on a full disk.
        limits = resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        exporter.until(lambda scrape: scrape.get("state_writable") == 0, "the full disk to be told")
        before = exporter.scrape()
        exporter.until(
            lambda scrape: all(last_success(scrape, slug) > last_success(before, slug) for slug in SLUGS),
            "polls to go on",
        )
        exact(exporter, circle)
        resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, limits)
        exporter.until(lambda scrape: scrape.get("state_writable") == 1, "the file to be written again")
        last = exporter.scrape()
        exporter.stop()
    told = [entry["level"] for entry in exporter.events() if "state file" in entry["event"]]
    assert told in (["error", "info"], ["info"]), "once each, and nothing between"
    circle.reset()
    with started_again(circle, state, tmp_path) as exporter:
        assert project_series(exporter.scrape()) == project_series(last)


def test_a_file_of_a_newer_version_is_left_alone(
    filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    connection = sqlite3.connect(state)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("CREATE TABLE of_a_newer_version (id INTEGER PRIMARY KEY)")
    connection.close()
    exporter = started_again(circle, state, tmp_path)
    assert exporter.process.wait(PATIENCE) == 1
    assert "version 99" in exporter.log
    assert json.loads(exporter.log.splitlines()[-1])["event"] == "could not start"
    assert list(state.parent.glob("*corrupt*")) == []


class Held(Exporter):
    """A process that is held while it reads the state, until `go`."""

    def __init__(self, folder: Path, config: str) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(HELD)
        super().__init__(folder, config, token=TOKEN, environ={"PYTHONPATH": str(folder)})
        wait_until((folder / "reading").exists)

    def go(self) -> None:
        (self.folder / "go").touch()


def test_a_start_serves_nothing_before_it_has_read_the_state(
    filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    circle.fail("hang")
    exporter = Held(tmp_path / "held", config_of(circle, state))
    try:
        assert exporter.events("listening") == []
        exporter.go()
        exporter.wait_for_start()
        assert project_series(exact(exporter, circle)) == project_series(filled)
    finally:
        exporter.end()


def test_a_stop_while_the_state_is_read_ends_it_as_soon_as_it_is_read(
    filled: Scrape, circle: RemoteCircle, state: Path, tmp_path: Path
) -> None:
    circle.reset()
    exporter = Held(tmp_path / "held", config_of(circle, state))
    try:
        exporter.process.terminate()
        exporter.go()
        assert exporter.process.wait(PATIENCE) == 0
        assert "Traceback" not in exporter.log
        assert circle.requests() == []
    finally:
        exporter.end()
