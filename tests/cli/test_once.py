"""`once`: everything polled, the metrics on standard output, and an exit code that tells whether all went well."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.circleci import Circle, truth
from tests.circleci.fleet import fleet
from tests.faults.campaign import WORKFLOWS, Known, slug_of
from tests.running.scrapes import Scrape
from tests.running.starting import COMMAND, Process, command
from tests.running.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token-of-a-test"
SLUGS = [slug_of(0), slug_of(1)]


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(projects=fleet(1, 2, 2, 2), start=1_790_000_000, speed=0, token=TOKEN) as running:
        yield running


def write(folder: Path, circle: Circle, more: str = "", slugs: list[str] = SLUGS) -> None:
    reach = f'circleci: {{url: "{circle.url}", requests_per_second: 1000, burst: 1000, timeout: 30s{more}}}\n'
    (folder / "config.yaml").write_text(reach + "projects:\n" + "".join(f"  - {slug}\n" for slug in slugs))


@pytest.mark.parametrize("auth", ["circle-token", "bearer", "basic"])
def test_everything_is_polled_once_and_written_with_exit_code_0(auth: str, circle: Circle, tmp_path: Path) -> None:
    write(tmp_path, circle, f", auth: {auth}")
    done = command("once", folder=tmp_path, token=TOKEN)
    assert done.returncode == 0
    scrape = Scrape(done.stdout)
    for slug in SLUGS:
        assert truth.shown(scrape.of_project(slug)) == truth.of_project(Known(circle), slug, WORKFLOWS)
        assert scrape.get("collector_success", project=slug, collector="jobs") == 1
    assert TOKEN not in done.stdout + done.stderr
    assert all(one.token_ok for one in circle.requests)


def test_what_succeeded_is_written_and_what_failed_makes_exit_code_3(circle: Circle, tmp_path: Path) -> None:
    write(tmp_path, circle, slugs=[*SLUGS, "gh/acme/nowhere"])
    done = command("once", folder=tmp_path, token=TOKEN)
    assert done.returncode == 3
    scrape = Scrape(done.stdout)
    assert truth.shown(scrape.of_project(SLUGS[0])) == truth.of_project(Known(circle), SLUGS[0], WORKFLOWS)
    assert scrape.get("collector_failures_total", collector="workflows", reason="not_found") == 1
    assert "gh/acme/nowhere" in done.stderr, "the log is on standard error"


def test_a_refused_token_makes_exit_code_3(circle: Circle, tmp_path: Path) -> None:
    write(tmp_path, circle)
    done = command("once", folder=tmp_path, token="another")
    assert done.returncode == 3
    assert Scrape(done.stdout).get("up") == 0
    assert "CircleCI rejects the token" in done.stderr


def test_a_bad_file_makes_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("projects: []\n")
    assert command("once", folder=tmp_path, token=TOKEN).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("more", ["", "organizations: [gh/acme, gh/other]\n"], ids=["polling", "searching"])
def test_it_leaves_the_output_empty_and_ends_at_once_with_130_when_it_is_stopped(
    more: str, number: int, circle: Circle, tmp_path: Path
) -> None:
    circle.fail("hang")
    write(tmp_path, circle)
    with (tmp_path / "config.yaml").open("a") as file:
        file.write(more)
    environment = {**os.environ, "CIRCLECI_TOKEN": TOKEN}
    with Process(
        [COMMAND, "once"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: circle.requests)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    assert output == ""
    assert "Traceback" not in errors
    assert process.returncode == 130


def test_runs_are_polled_too_so_the_newest_are_shown_and_counters_begin_at_0(circle: Circle, tmp_path: Path) -> None:
    write(tmp_path, circle)
    with (tmp_path / "config.yaml").open("a") as file:
        file.write("defaults: {collectors: [runs]}\n")
    done = command("once", folder=tmp_path, token=TOKEN)
    assert done.returncode == 0
    lines = [line.rpartition(" ") for line in done.stdout.splitlines()]
    totals = {float(value) for head, _, value in lines if head.startswith("circleci_workflow_runs_total{")}
    newest = [head for head, _, _ in lines if head.startswith("circleci_workflow_last_run_timestamp_seconds{")]
    assert totals == {0.0}
    assert len(newest) >= len(SLUGS)
