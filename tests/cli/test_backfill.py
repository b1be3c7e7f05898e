"""`backfill` as a process: its exit codes, its words, and that it can end at any moment."""

from __future__ import annotations

import os
import re
import signal
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.campaigns.runs.counting import Counting, read_counters
from tests.history.past import read, rises
from tests.running.starting import COMMAND, Process, command
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400
RUNS = 1000
PAGES = r"workflows/build.*start-date"


def begun(folder: Path) -> bool:
    """Whether files are being written."""
    unfinished = folder / "out" / ".unfinished"
    return unfinished.exists() and any(unfinished.iterdir())


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    """Runs of 90 days; CircleCI's clock stands still, and the configuration is written."""
    here = Counting(tmp_path / "state.db", start=time.time() - 1)
    here.close()
    random = Random(5)  # noqa: S311  nothing secret hangs on it
    for _ in range(RUNS):
        here.run(stopped=here.now - random.uniform(0, 89 * DAY), duration=random.choice([10, 100, 1000]))
    configure(tmp_path, here)
    yield here
    here.close()
    here.circle.stop()


def configure(folder: Path, counting: Counting, state: str = "path: state.db", collectors: str = "runs") -> None:
    (folder / "config.yaml").write_text(
        f"circleci: {{url: '{counting.circle.url}', requests_per_second: 1000, burst: 1000, timeout: 5m}}\n"
        f"state: {{{state}}}\nprojects: [{{slug: gh/acme/web, collectors: [{collectors}]}}]\n"
    )


def backfill(folder: Path, counting: Counting, *flags: str) -> subprocess.CompletedProcess[str]:
    return command("backfill", "--output", "out", *flags, folder=folder, token=counting.circle.token)


@pytest.fixture
def long_writing(counting: Counting) -> tuple[str, str]:
    """More workflows, and the flags with which their files are written for long: something else ends that first."""
    for number in range(15):
        counting.run(workflow=f"further {number}", stopped=counting.now - 80 * DAY)
    return "--step", "5m"


def test_it_writes_files_says_what_comes_next_and_ends_with_0(counting: Counting, tmp_path: Path) -> None:
    done = backfill(
        tmp_path, counting, "--label", "job=ci", "--label", "instance=a:1", "--prometheus", "http://127.0.0.1:1"
    )
    assert done.returncode == 0, done.stderr
    assert f"{RUNS} runs" in done.stdout
    assert "promtool tsdb create-blocks-from openmetrics --max-block-duration=486h" in done.stdout
    assert "http://127.0.0.1:1 did not tell its retention" in done.stderr
    assert "no label" not in done.stderr
    assert 'event="reading runs"' in done.stderr
    [total] = [rises(at) for name, at in read(tmp_path / "out").items() if "runs_total" in name and "success" in name]
    assert RUNS - 200 < total <= RUNS
    again = backfill(tmp_path, counting)
    assert again.returncode == 2
    assert "--restart-counters" in again.stderr


def test_it_warns_of_labels_that_are_missing(counting: Counting, tmp_path: Path) -> None:
    done = backfill(tmp_path, counting, "--days", "1")
    assert done.returncode == 0
    assert "no label job and no label instance" in done.stderr
    assert "--storage.tsdb.retention.time" in done.stderr


def test_without_a_state_file_or_with_a_filled_directory_it_ends_with_2(counting: Counting, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "something").touch()
    done = backfill(tmp_path, counting)
    assert (done.returncode, "not empty" in done.stderr) == (2, True)
    configure(tmp_path, counting, state="")
    done = backfill(tmp_path, counting)
    assert (done.returncode, "state.path" in done.stderr) == (2, True)


def test_while_run_has_the_state_file_it_ends_with_1(counting: Counting, tmp_path: Path) -> None:
    counting.open()
    assert backfill(tmp_path, counting).returncode == 1
    assert not (tmp_path / "out").exists()


def test_what_could_not_be_read_is_named_with_exit_code_3(counting: Counting, tmp_path: Path) -> None:
    counting.circle.fail("not_found", PAGES)
    done = backfill(tmp_path, counting)
    assert done.returncode == 3
    assert "gh/acme/web, workflow build" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_refused_token_is_named_with_exit_code_3(counting: Counting, tmp_path: Path) -> None:
    done = command("backfill", "--output", "out", folder=tmp_path, token="another")
    assert done.returncode == 3
    assert "401" in done.stderr or "token" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_and_keeps_what_was_read(
    number: signal.Signals, counting: Counting, tmp_path: Path
) -> None:
    counting.circle.fail("hang", PAGES + ".*page-token")
    process = start(tmp_path, counting)
    wait_until(lambda: any("page-token" in seen.query for seen in counting.circle.requests), why="the second page")
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130, "not when the page is given up"
    assert "run the same command again to continue" in (tmp_path / "log").read_text()
    counting.circle.heal()
    counting.circle.forget_requests()
    assert backfill(tmp_path, counting).returncode == 0
    assert [
        seen for seen in counting.circle.requests if "start-date" in seen.query and "page-token" not in seen.query
    ] == []


def test_a_signal_while_files_are_written_ends_it_and_leaves_none(
    counting: Counting, long_writing: tuple[str, str], tmp_path: Path
) -> None:
    process = start(tmp_path, counting, *long_writing)
    wait_until(lambda: begun(tmp_path), why="the files to be begun")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert not (tmp_path / "out").exists()
    counting.circle.forget_requests()
    assert backfill(tmp_path, counting).returncode == 0
    assert [seen for seen in counting.circle.requests if "start-date" in seen.query] == [], "all was read before"


@pytest.mark.parametrize(("kilobytes", "full"), [(100, "state.db.backfill"), (6000, "out")])
def test_on_a_full_disk_it_ends_with_1_says_where_and_can_be_repeated(
    kilobytes: int, full: str, counting: Counting, tmp_path: Path
) -> None:
    """A file that may not grow any more stands for the disk."""
    limited = ("bash", "-c", f'ulimit -f {kilobytes} && exec "$0" "$@"', str(COMMAND))
    flags = ("--output", "out", "--step", "5m")
    done = command("backfill", *flags, folder=tmp_path, token=counting.circle.token, program=limited)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if "could not start" in line]
    assert full in line
    assert not (tmp_path / "out").exists()
    assert backfill(tmp_path, counting).returncode == 0
    counting.open()
    assert counting.poll()
    assert counting.total() == RUNS


@pytest.mark.parametrize("output", ["/proc/nothing", "/dev/null/below"])
def test_a_directory_that_cannot_be_written_is_refused_before_anything_is_read(
    output: str, counting: Counting, tmp_path: Path
) -> None:
    done = command("backfill", "--output", output, folder=tmp_path, token=counting.circle.token)
    assert (done.returncode, output in done.stderr) == (2, True), done.stderr
    assert not counting.circle.requests


def test_a_token_that_expires_meanwhile_is_said_in_few_lines_and_the_next_call_goes_on(
    counting: Counting, tmp_path: Path
) -> None:
    for number in range(40):
        counting.run(workflow=f"workflow {number}", stopped=counting.now - 9000)
    counting.circle.fail("unauthorized", "workflows/.*start-date", after=10)
    done = backfill(tmp_path, counting)
    assert done.returncode == 3
    told = [line for line in done.stderr.splitlines() if "could not be read" in line]
    assert len(told) == 2, "the workflow where it happened, and those after it"
    assert re.search(r"web, \d+ more workflows", told[1])
    assert all("401" in line or "token" in line for line in told)
    counting.circle.heal()
    assert backfill(tmp_path, counting).returncode == 0
    counting.open()
    assert counting.poll()
    assert counting.total() == RUNS


def test_a_limit_of_circleci_is_waited_for(counting: Counting, tmp_path: Path) -> None:
    counting.circle.fail("throttle", PAGES, times=3, retry_after=1)
    assert backfill(tmp_path, counting).returncode == 0
    counting.open()
    assert counting.poll()
    assert counting.total() == RUNS


def test_two_at_once_on_one_state_file_are_refused(counting: Counting, tmp_path: Path) -> None:
    counting.circle.fail("hang", PAGES + ".*page-token")
    process = start(tmp_path, counting)
    wait_until(lambda: any("page-token" in seen.query for seen in counting.circle.requests), why="the second page")
    other = command("backfill", "--output", "other", folder=tmp_path, token=counting.circle.token)
    assert other.returncode == 1
    assert "in use" in other.stderr or "another process" in other.stderr
    counting.circle.heal()
    counting.circle.server.drop_connections()
    assert process.wait(PATIENCE) == 0
    assert not (tmp_path / "other").exists()


def test_without_a_run_there_are_files_without_samples(counting: Counting, tmp_path: Path) -> None:
    counting.circle.organization.roster.add("gh/acme/empty")
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("gh/acme/web", "gh/acme/empty"))
    done = backfill(tmp_path, counting)
    assert done.returncode == 0, done.stderr
    assert "0 runs" in done.stdout
    assert read(tmp_path / "out") == {}


def start(folder: Path, counting: Counting, *flags: str) -> Process[bytes]:
    environment = {**os.environ, "CIRCLECI_TOKEN": counting.circle.token}
    with (folder / "log").open("ab") as log:
        return Process(
            [COMMAND, "backfill", "--output", "out", *flags], cwd=folder, env=environment, stdout=log, stderr=log
        )


def test_killed_again_and_again_it_asks_for_no_page_twice_and_counts_each_run_once(
    counting: Counting, long_writing: tuple[str, str], tmp_path: Path
) -> None:
    random = Random(1)  # noqa: S311  nothing secret hangs on it
    kills = 0
    while not begun(tmp_path):  # each start gets at most two pages further than the one before
        kept_back = counting.circle.fail("hang", PAGES, after=random.randint(0, 2), times=1)
        process = start(tmp_path, counting, *long_writing)
        wait_until(lambda: kept_back.hits or begun(tmp_path), why="a page to be asked, or the files to be begun")  # noqa: B023
        assert process.poll() is None
        process.kill()
        process.wait(PATIENCE)
        kills += 1
        counting.circle.heal()
    assert kills > 2, "within a page, and while files were written"
    assert backfill(tmp_path, counting).returncode == 0
    asked = [seen.query for seen in counting.circle.requests if re.search(PAGES, f"{seen.path}?{seen.query}")]
    assert len(asked) <= len(set(asked)) + kills, "but for the page under way at each kill"
    counting.open()
    assert counting.poll()
    assert counting.total() == RUNS
    files = read(tmp_path / "out")
    past = read_counters("\n".join(f"{name} {at[-1][1]}" for name, at in files.items()))["build", "main"]
    assert RUNS - 200 < past.observed <= RUNS
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".om"] * 3
    assert not list(tmp_path.glob("*.backfill*"))
