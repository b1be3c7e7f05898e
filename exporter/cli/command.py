"""The commands, each a few lines: read the flags, do the work, end with the right code.

Each imports what it does when it is called: the daemon starts without what `demo`, `check` and `backfill` need.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from exporter import __version__
from exporter.cli import flags, telling
from exporter.cli.codes import BAD_CONFIGURATION, GOOD, INTERRUPTED, NOT_STARTED, SOME_FAILED
from exporter.config import json_schema, load
from exporter.errors import ConfigError, StartError, Stopped
from exporter.system.garbage import collection_paused
from exporter.system.logs import Logger, configure


@click.group(cls=flags.AnyOrder, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="circleci-insights-exporter")
def main() -> None:
    """Prometheus exporter for CircleCI Insights.

    Without a command it runs the daemon, like `run`. New here? Try `demo`: it needs no token, network or file.
    With your own file, start with `check`. `COMMAND --help` lists the flags.
    """


@main.command()
@flags.flags(
    flags.config_file,
    flags.config_watch,
    flags.listen,
    flags.telemetry_path,
    flags.web_config,
    flags.lifecycle,
    flags.shard,
    flags.total_shards,
    flags.log_level,
    flags.log_format,
)
def run(config_file: Path, log_level: str, log_format: str, *, config_watch: bool, **options: Any) -> None:  # noqa: ANN401  the fields of Options
    """Poll CircleCI and serve the metrics until SIGTERM or SIGINT."""
    log = configure(log_level, log_format)
    _within(options["shard"], options["total_shards"])

    def start() -> bool:
        with collection_paused():
            from exporter.process.daemon import Daemon, Options
            from exporter.system.file_watch import FileWatch

            watch = FileWatch(config_file) if config_watch else None  # before it is read, so that no change is missed
            daemon = Daemon(load(config_file), Options(config_file=config_file, **options), log, watch=watch)
        daemon.run()
        return True

    _do(start, log, config_file, plain=telling.at_terminal(log_format))


@main.command()
@flags.flags(flags.config_file, flags.shard, flags.total_shards, flags.log_level, flags.log_format)
def once(config_file: Path, shard: int, total_shards: int, log_level: str, log_format: str) -> None:
    """Poll every project once and print the metrics."""
    from exporter.cli.once import found
    from exporter.cli.once import once as poll_once
    from exporter.process.engine import Engine
    from exporter.system.signals import on_signals

    log = configure(log_level, log_format)
    _within(shard, total_shards)

    def start() -> bool:
        config = load(config_file)
        engine = Engine(config, log, shard=shard, total_shards=total_shards, keep_state=False)
        on_signals({signal.SIGTERM: engine.stop.set, signal.SIGINT: engine.stop.set})
        try:
            projects, searched = found(engine, config, shard, total_shards)
            return poll_once(engine, projects, sys.stdout.buffer) and searched
        finally:
            engine.close()

    _do(start, log, config_file, plain=telling.at_terminal(log_format))


@main.command(short_help="Check the configuration against CircleCI.")
@flags.flags(flags.config_file, flags.log_level, flags.log_format)
@click.option("--offline", is_flag=True, help="Check only the file; needs no token.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--webhook-url",
    default="",
    show_default=False,
    metavar="URL",
    help="Check that each project has a webhook with this address.",
)
def check(
    config_file: Path, log_level: str, log_format: str, *, offline: bool, as_json: bool, webhook_url: str
) -> None:
    """Check the configuration, the token and every project against CircleCI, and estimate the API calls per hour.

    Exit code 0: all good; 2: errors in the file; 3: something failed at CircleCI.
    """
    from exporter.cli.check import check as check_projects

    log = configure("error" if log_level == "info" else log_level, log_format)

    def start() -> bool:
        return check_projects(load(config_file), log, offline=offline, as_json=as_json, webhook_url=webhook_url)

    _do(start, log, config_file, plain=True, as_json=as_json)


@main.command(short_help="Write the last 90 days of run counters as files for Prometheus.")
@flags.flags(flags.config_file)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="New or empty directory for the files.",
)
@click.option("--days", type=click.IntRange(1, 90), default=90, metavar="N", help="Days to read, 90 at most.")
@click.option("--step", type=flags.DURATION, default="1h", metavar="TIME", help="Time between two samples.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    help="Label that your scrape adds, such as job=circleci-insights-exporter. Repeatable; set job and instance.",
)
@click.option("--restart-counters", is_flag=True, help="Discard counters that exist and start them again.")
@click.option("--prometheus", metavar="URL", help="Prometheus to ask for its retention.")
@flags.flags(flags.shard, flags.total_shards, flags.log_level, flags.log_format)
def backfill(config_file: Path, log_level: str, log_format: str, **options: Any) -> None:  # noqa: ANN401  as above
    """Write the last 90 days of run counters as OpenMetrics files for Prometheus, before the first `run`.

    It reads the runs that CircleCI still lists and leaves the counters in the state file, so that `run` continues
    from them. If it ends early, run it again: it continues where it was.

    Exit code 0: done; 1: could not start or write; 2: bad configuration or flags, or counters exist; 3: something
    could not be read, and nothing was written.
    """
    from exporter.cli import backfill as past

    log = configure(log_level, log_format)
    _within(options["shard"], options["total_shards"])
    plain = telling.at_terminal(log_format)

    def start() -> bool:
        return past.backfill(load(config_file), past.Flags(**options), log, plain=plain)

    _do(start, log, config_file, plain=plain)


@main.command(short_help="Run against a synthetic CircleCI: needs no token, network or file.")
@flags.flags(flags.listen, flags.telemetry_path, flags.web_config, flags.log_level, flags.log_format)
@click.option("--duration", type=flags.DURATION, metavar="TIME", help="Stop after this time, such as 30s.")
@click.option("--seed", type=int, default=1, metavar="N", help="Seed of the synthetic data.")
def demo(duration: float | None, seed: int, log_level: str, log_format: str, **options: Any) -> None:  # noqa: ANN401  as above
    """Run against a synthetic CircleCI on this machine: needs no token, network or file."""
    from exporter.cli.stage import REFRESH, stage
    from exporter.process.daemon import Daemon, Options

    log = configure(log_level, log_format)

    def start() -> bool:
        with stage(seed) as (config, environ):
            daemon = Daemon(config, Options(**options), log, environ=environ)
            secure = options["web_config"] is not None
            telling.demo(daemon.addresses, options["telemetry_path"], tls=secure, every=REFRESH)
            if duration is not None:
                timer = threading.Timer(duration, daemon.stop)
                timer.daemon = True
                timer.start()
            daemon.run()
        return True

    _do(start, log, plain=telling.at_terminal(log_format))


@main.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@main.command()
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), default="markdown", help="Output format.")
def metrics(form: str) -> None:
    """Print the metric reference."""
    from exporter.cli import metrics_reference

    click.echo(metrics_reference.markdown() if form == "markdown" else json.dumps(metrics_reference.rows(), indent=2))


def _within(shard: int, total_shards: int) -> None:
    if shard >= total_shards:
        raise click.UsageError(f"--shard {shard} is not below --total-shards {total_shards}: shards count from 0")


def _do(
    start: Callable[[], bool], log: Logger, file: Path | None = None, *, plain: bool, as_json: bool = False
) -> NoReturn:
    """Run what says whether all went well, and end with its exit code.

    Errors go to a person (`plain`), to a program as JSON, or to the log.
    """
    try:
        code = GOOD if start() else SOME_FAILED
    except ConfigError as error:
        code = BAD_CONFIGURATION
        if as_json:
            click.echo(json.dumps({"ok": False, "problems": [asdict(problem) for problem in error.problems]}, indent=2))
        elif plain:
            telling.mistakes(error.problems, file if file is not None and not file.exists() else None)
        else:
            for problem in error.problems:
                log.error("bad configuration", problem=str(problem))  # noqa: TRY400  not a defect
    except StartError as error:
        code = NOT_STARTED
        if as_json:
            click.echo(json.dumps({"ok": False, "error": str(error)}, indent=2))
        elif plain:
            telling.not_started(error)
        else:
            log.error("could not start", error=str(error))  # noqa: TRY400  not a defect
    except Stopped:
        code = INTERRUPTED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread that waits for a name server or a dripping answer cannot be interrupted
