"""The program around its commands: Ctrl-C from its first moment on, and an output that takes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.running.starting import COMMAND, Process
from tests.running.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

EARLY = ("click", "exporter.config.load", "exporter.cli.command")
"""Modules, each of which is loaded later than the one before, and none by Python itself."""
PRINTING = ("metrics", "schema", "--help", "check --offline", "once", "check", "demo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text('{circleci: {url: "http://127.0.0.1:9"}, projects: [gh/acme/web]}')
    return tmp_path


@pytest.fixture
def environ() -> dict[str, str]:
    return {**os.environ, "CIRCLECI_TOKEN": "a-token-of-a-test"}


@pytest.mark.parametrize("module", EARLY)
def test_ctrl_c_while_the_program_is_loaded_ends_it_with_130_and_no_word(module: str, folder: Path) -> None:
    os.mkfifo(folder / "pipe")  # what is loaded in time waits here
    command = [sys.executable, "-X", "importtime", "-m", "exporter", "check", "--config.file", "pipe"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.split()[-1] == module)
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]

    assert (process.returncode, said) == (130, [])


@pytest.mark.parametrize("command", ["run", "once"])
def test_ctrl_c_before_a_command_serves_or_asks_ends_it_with_130_and_no_word(command: str, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    arguments = [str(COMMAND), command, "--config.file", "pipe"]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with (folder / "pipe").open("w"):  # open: the command waits for the text
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        assert process.communicate() == (b"", b"")


@pytest.mark.parametrize("command", PRINTING)
def test_a_full_disk_behind_the_output_is_one_line_and_exit_code_1(
    command: str, folder: Path, environ: dict[str, str]
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  no file of a folder
        done = run(command, folder, environ, full.fileno())

    assert done == (1, "cannot write to standard output: No space left on device")


def test_an_output_that_nobody_reads_is_one_line_and_exit_code_1(folder: Path, environ: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run("metrics", folder, environ, writer)
    os.close(writer)

    assert done == (1, "cannot write to standard output: Broken pipe")


def test_a_closed_output_is_one_line_and_exit_code_1(folder: Path, environ: dict[str, str]) -> None:
    done = run("metrics", folder, environ, None, "/bin/sh", "-c", 'exec "$@" >&-', "sh")

    assert done == (1, "cannot write to standard output: Bad file descriptor")


def run(command: str, folder: Path, environ: dict[str, str], output: int | None, *before: str) -> tuple[int, str]:
    """Exit code, and the last line that a command wrote to standard error beside its log."""
    address = ["--web.listen-address", "127.0.0.1:0"] if command == "demo" else []
    arguments = [*before, str(COMMAND), *command.split(), *address]
    with Process(arguments, cwd=folder, env=environ, stdout=output, stderr=subprocess.PIPE, text=True) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    said = [line for line in errors.splitlines() if not line.startswith("timestamp=")]
    return process.returncode, "\n".join(said)


def test_a_closed_standard_error_changes_nothing(folder: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", str(COMMAND), "check", "--offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout[:20]) == (0, "config.yaml is valid")
