from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.running.altered import altered, die
from tests.running.starting import COMMAND, Process
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running.altered import Place

WRITES = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], isolation_level=None) as database:
    database.execute("CREATE TABLE number (value)")
    for first in (0, 3, 6):
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO number VALUES (?)", [(first + each,) for each in range(3)])
        database.execute("COMMIT")
"""


@pytest.mark.parametrize(
    ("transaction", "place", "left"),
    [(1, 2, 0), (2, 1, 3), (2, "commit", 3), (2, "committed", 6), (3, 9, 6), (3, "committed", 9)],
)
def test_a_process_ends_at_a_place_of_a_transaction(tmp_path: Path, transaction: int, place: Place, left: int) -> None:
    dies, file = tmp_path / "dies", tmp_path / "numbers.db"
    die(dies, transaction, place)
    environ = {**os.environ, **altered(dies=dies)}
    ran = subprocess.run([sys.executable, "-c", WRITES, file], env=environ, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert not dies.exists()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM number").fetchone() == (left,)


def test_a_process_that_is_not_told_to_end_goes_on(tmp_path: Path) -> None:
    environ = {**os.environ, **altered(dies=tmp_path / "dies")}
    subprocess.run([sys.executable, "-c", WRITES, tmp_path / "numbers.db"], env=environ, check=True)


def test_the_clock_of_a_process_may_be_wrong() -> None:
    line = [sys.executable, "-c", "import time; print(time.time())"]
    ran = subprocess.run(line, env={**os.environ, **altered(skew=-9e6)}, check=True, capture_output=True)
    assert float(ran.stdout) < time.time() - 8e6


@pytest.mark.parametrize("start", [Process, subprocess.Popen])
def test_a_fork_is_altered_as_a_plain_start_is(tmp_path: Path, start: type[subprocess.Popen[bytes]]) -> None:
    dies, log = tmp_path / "dies", tmp_path / "log"
    (tmp_path / "config.yaml").write_text("state: {path: state.db}\nprojects: [gh/acme/web]\n")
    die(dies, 1, "commit")
    environ = {**os.environ, **altered(dies=dies), "CIRCLECI_TOKEN": "token"}
    flags = ["--config.file", "config.yaml", "--web.listen-address", "127.0.0.1:0"]
    with (
        log.open("wb") as written,
        start([str(COMMAND), "run", *flags], cwd=tmp_path, env=environ, stderr=written) as process,
    ):
        assert process.wait(PATIENCE) == -signal.SIGKILL, log.read_text()
