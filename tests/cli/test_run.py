"""`run`: its flags in any order, where it listens, which share it takes, and how it ends when it cannot start."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from exporter import __version__
from exporter.cli.command import main
from tests.running.program import Exporter
from tests.running.starting import COMMAND, command
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = 'circleci: {url: "http://127.0.0.1:9", timeout: 1s}\ndefaults: {interval: 1h}\n'
GOOD = f"{NOWHERE}projects: [gh/acme/web, gh/acme/api, gh/acme/mobile, gh/acme/docs]\n"
TOKEN = "a-token-of-a-test"
BAD = "circleci: {timeout: never, colour: red}\nprojects:\n  - gh/acme\n  - {slug: gh/acme/web, windows: [last-week]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(GOOD)
    return tmp_path


def test_all_problems_of_a_bad_file_are_told_and_the_exit_code_is_2(folder: Path) -> None:
    (folder / "config.yaml").write_text(BAD)
    done = command("run", folder=folder, token=TOKEN)
    assert (done.returncode, done.stdout) == (2, "")
    for words in ("circleci.timeout", "circleci.colour", "projects[0]", "projects[1].windows[0]"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("check",)], ids=["nothing", "check"])
def test_no_token_ends_with_2_and_says_where_one_may_be(arguments: tuple[str, ...], folder: Path) -> None:
    done = command(*arguments, folder=folder)
    assert done.returncode == 2
    assert "CIRCLECI_TOKEN" in done.stderr


def test_no_file_ends_with_2_and_names_it(tmp_path: Path) -> None:
    done = command("--config.file", "there-is-none.yaml", folder=tmp_path, token=TOKEN)
    assert done.returncode == 2
    assert "there-is-none.yaml" in done.stderr


@pytest.mark.parametrize(("flag", "value"), [("--web.listen-address", "nonsense"), ("--web.telemetry-path", "metrics")])
def test_an_address_or_a_path_that_is_none_ends_with_2(flag: str, value: str, folder: Path) -> None:
    done = command(flag, value, folder=folder, token=TOKEN)
    assert done.returncode == 2
    assert flag in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_ends_with_1(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("--web.listen-address", f"127.0.0.1:{port}", folder=folder, token=TOKEN)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_that_cannot_be_read_ends_with_1(folder: Path) -> None:
    (folder / "web.yaml").write_text("tls_server_config: {cert_file: none.crt, key_file: none.key}\n")
    done = command("--web.config.file", "web.yaml", "--web.listen-address", "127.0.0.1:0", folder=folder, token=TOKEN)
    assert done.returncode == 1
    assert "none." in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log.level", "loud"),
        ("--shard", "first"),
        ("--total-shards", "0"),
        ("--no.such.flag",),
        ("no-such-command",),
        ("run", "once"),
    ],
    ids=" ".join,
)
def test_a_flag_that_makes_no_sense_ends_with_2(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_a_shard_that_there_is_not_ends_with_2(folder: Path) -> None:
    done = command("--shard", "2", "--total-shards", "2", folder=folder, token=TOKEN)
    assert done.returncode == 2
    assert "--shard 2 is not below --total-shards 2" in done.stderr


def test_python_m_exporter_is_the_same_program(folder: Path) -> None:
    module = command("--version", folder=folder, program=(sys.executable, "-m", "exporter"))
    installed = command("--version", folder=folder)
    assert module.stdout == installed.stdout
    assert __version__ in installed.stdout


def test_help_names_every_command_and_each_command_its_flags() -> None:
    said = CliRunner().invoke(main, ["--help"]).stdout
    assert all(name in said for name in ("run", "once", "check", "demo", "schema", "metrics"))
    said = CliRunner().invoke(main, ["run", "--help"]).stdout
    flags = set(re.findall(r"--[a-z][a-z.-]+", said))
    assert flags >= {
        "--config.file",
        "--config.watch",
        "--web.listen-address",
        "--web.telemetry-path",
        "--web.config.file",
        "--web.enable-lifecycle",
        "--log.level",
        "--log.format",
        "--shard",
        "--total-shards",
    }
    assert not [flag for flag in flags if "token" in flag], "a flag shows in ps"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--config.file", "other.yaml", "check", "--offline"),
        ("check", "--offline", "--config.file=other.yaml"),
        ("--offline", "--log.level", "error", "check", "--config.file", "other.yaml"),
    ],
    ids=["flags first", "flags last", "flags around"],
)
def test_flags_may_stand_before_and_after_the_command(arguments: tuple[str, ...], folder: Path) -> None:
    (folder / "config.yaml").rename(folder / "other.yaml")
    done = command(*arguments, folder=folder)
    assert done.returncode == 0
    assert "4 projects" in done.stdout


def test_it_listens_on_every_address_ipv6_too_and_serves_metrics_where_it_is_told(folder: Path) -> None:
    flags = ("--web.listen-address", "[::1]:0", "--web.telemetry-path", "/probe")
    with Exporter(folder / "run", GOOD, *flags, token=TOKEN) as exporter:
        wait_until(lambda: len(exporter.events("listening")) == 2)
        addresses = [entry["address"] for entry in exporter.events("listening")]
        assert sorted(address.rpartition(":")[0] for address in addresses) == ["127.0.0.1", "[::1]"]
        for address in addresses:
            exporter.address = address
            status, text = exporter.get("/probe")
            assert status == 200
            assert "circleci_exporter_build_info" in text
            assert exporter.get("/metrics")[0] == 404


def test_each_shard_takes_its_own_projects_and_its_part_of_the_rate(folder: Path) -> None:
    seen: list[set[str]] = []
    for shard in ("0", "1"):
        flags = ("--shard", shard, "--total-shards", "2")
        with Exporter(folder / shard, GOOD, *flags, token=TOKEN) as exporter:
            scrape = exporter.scrape()
            assert (scrape.get("shard_ordinal"), scrape.get("total_shards")) == (int(shard), 2)
            seen.append(set(re.findall(r'project="(gh/[^"]+)"', scrape.text)))
            assert scrape.get("projects") == len(seen[-1])
    assert seen[0].isdisjoint(seen[1])
    assert seen[0] | seen[1] == {"gh/acme/web", "gh/acme/api", "gh/acme/mobile", "gh/acme/docs"}


@pytest.mark.parametrize("host", ["exporter-7", "exporter-7.exporter.monitoring.svc.cluster.local"])
def test_the_shard_auto_is_the_number_at_the_end_of_the_host_name(host: str, folder: Path) -> None:
    unshare = shutil.which("unshare")
    script = f'echo {host} > /proc/sys/kernel/hostname && exec "$@"'
    prefix = (str(unshare), "--uts", "sh", "-c", script, "sh")
    if unshare is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no host name can be set here: that needs root and unshare")
    offline = ("--shard", "auto", "--total-shards", "3", "--web.listen-address", "127.0.0.1:0")
    done = command(*offline, folder=folder, token=TOKEN, program=(*prefix, str(COMMAND)))
    assert done.returncode == 2
    assert "--shard 7 is not below --total-shards 3" in done.stderr


def test_the_shard_auto_needs_a_number_at_the_end_of_the_host_name(folder: Path) -> None:
    number = re.search(r"-(\d+)$", socket.gethostname().partition(".")[0])
    total = str(int(number[1])) if number and int(number[1]) else "1"
    (folder / "config.yaml").unlink()
    done = command("--shard", "auto", "--total-shards", total, folder=folder, token=TOKEN)
    assert done.returncode == 2
    assert ("auto needs a host name" in done.stderr) == (number is None)


def test_logs_are_lines_of_logfmt_on_standard_error_unless_told_otherwise(folder: Path) -> None:
    (folder / "config.yaml").write_text(BAD)
    plain = command("--log.format", "logfmt", folder=folder, token=TOKEN).stderr
    assert all(re.match(r"timestamp=\S+ level=error event=", line) for line in plain.splitlines())
    lines = command("--log.format", "json", folder=folder, token=TOKEN).stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("{") and line.endswith("}") for line in lines)
