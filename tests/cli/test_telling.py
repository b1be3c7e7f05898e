"""What a person at a terminal is told."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.cli import telling
from exporter.cli.telling import line, printable
from exporter.errors import Problem, StartError
from tests.campaigns.runs.counting import Counting
from tests.cli.test_backfill import configure
from tests.running.program import at_a_terminal
from tests.running.starting import COMMAND, command, run_to_end

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

PROBLEMS = (
    Problem("config.yaml:1:1", "projcts", "unknown key", "did you mean projects?"),
    Problem("nosuch.yaml", "", "no such file"),
)
MISTAKE = "projcts: [gh/acme/web]\n"


def run(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return run_to_end([COMMAND, *arguments], cwd=folder)


def test_each_mistake_has_a_line_of_its_own_with_the_hint_below(capsys: pytest.CaptureFixture[str]) -> None:
    telling.mistakes(PROBLEMS)

    assert capsys.readouterr().err.splitlines() == [
        "config.yaml:1:1: projcts: unknown key",
        "    did you mean projects?",
        "nosuch.yaml: no such file",
    ]


def test_where_the_file_is_missing_it_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    telling.mistakes(PROBLEMS[1:], Path("nosuch.yaml"))

    said = capsys.readouterr().err
    assert "There is no nosuch.yaml." in said
    assert "demo" in said


def test_what_kept_it_from_starting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    telling.not_started(StartError("cannot listen on :10115"))

    assert capsys.readouterr().err == "could not start: cannot listen on :10115\n"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("[::]:10115", "http://localhost:10115/"),
        ("0.0.0.0:1", "http://localhost:1/"),
        ("[::1]:8080", "http://[::1]:8080/"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ],
)
def test_the_demo_shows_addresses_that_a_browser_can_open(
    capsys: pytest.CaptureFixture[str], address: str, shown: str
) -> None:
    telling.demo([address], "/m", tls=False, every=10)

    said = capsys.readouterr().out
    assert f"  page     {shown}\n" in said
    assert f"  metrics  {shown}m\n" in said


def test_with_a_web_configuration_the_demo_says_https(capsys: pytest.CaptureFixture[str]) -> None:
    telling.demo(["127.0.0.1:1"], "/metrics", tls=True, every=10)

    assert "https://127.0.0.1:1/metrics" in capsys.readouterr().out


def test_run_tells_a_person_in_plain_lines_and_a_program_in_log_lines(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(MISTAKE)

    assert at_a_terminal(["run"], tmp_path)[1].startswith("config.yaml: projects: nothing to poll")
    code, said = at_a_terminal(["run", "--log.format", "json"], tmp_path)
    assert (code, json.loads(said.splitlines()[0])["event"]) == (2, "bad configuration")
    assert 'event="bad configuration"' in run(["run"], tmp_path).stderr


def test_once_tells_a_person_in_plain_lines_too(tmp_path: Path) -> None:
    code, said = at_a_terminal(["once"], tmp_path)

    assert code == 2
    assert "There is no config.yaml." in said


def test_check_always_tells_in_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(MISTAKE)

    result = run(["check", "--offline"], tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert "config.yaml:1:1: projcts: unknown key\n    did you mean projects?" in result.stderr


def test_check_tells_a_program_as_json_on_standard_output(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(MISTAKE)

    result = run(["check", "--offline", "--json"], tmp_path)

    document = json.loads(result.stdout)
    assert (result.returncode, result.stderr, document["ok"]) == (2, "", False)
    assert {"file", "path", "found", "allowed"} == set(document["problems"][1])


@pytest.mark.parametrize(("arguments", "stream"), [(["run"], 2), (["check"], 2), (["check", "--json"], 1)])
def test_what_kept_it_from_starting_is_told_on_every_way(arguments: list[str], stream: int, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "config.yaml").write_text("projects: [gh/acme/web]\nstate: {path: state}\n")
    environment = {**os.environ, "CIRCLECI_TOKEN": "made-up", "HTTPS_PROXY": "ftp://nowhere:1"}

    result = run_to_end(
        [COMMAND, *arguments],
        cwd=tmp_path,
        env=environment,
    )

    assert result.returncode == 1, result
    assert (result.stdout, result.stderr)[stream - 1]
    assert "Traceback" not in result.stderr


def test_a_flag_that_does_not_exist_is_named_itself(tmp_path: Path) -> None:
    result = run(["--config-file", "mine.yaml"], tmp_path)

    assert result.returncode == 2
    assert "--config-file" in result.stderr
    assert "--config.file" in result.stderr


EVIL = "evil\x1b[2J\x07\x9b5m\u202e\nx"


@pytest.mark.parametrize("text", ["build", "déploiement 1/2", "\U0001f680 ship", "[bold]not markup[/bold]"])
def test_what_can_be_printed_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert line(text).plain == text


def test_what_a_terminal_would_obey_is_shown() -> None:
    assert printable(EVIL) == r"evil\x1b[2J\x07\x9b5m\u202e\nx"
    assert line(EVIL, style="red").plain == printable(EVIL)


@pytest.mark.parametrize("arguments", [("check",), ("backfill", "--output", "out")])
def test_no_command_sends_a_name_to_the_terminal_as_it_is(arguments: tuple[str, ...], tmp_path: Path) -> None:
    counting = Counting(tmp_path / "state.db", start=time.time() - 1)
    counting.close()
    counting.run(workflow=EVIL, stopped=counting.now - 5000)
    configure(tmp_path, counting)
    counting.circle.fail("not_found", "workflows/evil.*start-date")
    done = command(*arguments, folder=tmp_path, token=counting.circle.token)
    counting.circle.stop()
    said = done.stdout + done.stderr
    assert "evil" in said
    assert not set(said) & set("\x1b\x07\x9b\u202e")
