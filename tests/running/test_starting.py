"""What is forked for a test is what an operator starts."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.running.starting import COMMAND, Process, run_to_end


@pytest.mark.parametrize("arguments", [["--version"], ["check", "--offline"], ["check", "--nonsense"]])
def test_a_fork_says_what_a_plain_start_says_and_ends_with_its_code(arguments: list[str], tmp_path: Path) -> None:
    plain = subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    forked = run_to_end([COMMAND, *arguments], cwd=tmp_path)

    assert (forked.returncode, forked.stdout, forked.stderr) == (plain.returncode, plain.stdout, plain.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_is_a_child_of_the_test_with_signals_of_its_own(number: signal.Signals, tmp_path: Path) -> None:
    with Process([COMMAND, "demo"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        parent = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "PPid" in line)
        assert parent.split() == ["PPid:", str(os.getpid())]
        process.send_signal(number)
        assert process.wait() == (0 if number == signal.SIGTERM else -signal.SIGKILL)


def test_other_variables_of_python_are_read_by_a_plain_start(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('first')")

    started = run_to_end([COMMAND, "--version"], env={**os.environ, "PYTHONPATH": str(tmp_path)})

    assert started.stdout.startswith("first\n")
