"""The flags, each declared once."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from exporter.config import read_duration
from exporter.system.logs import FORMATS, LEVELS

DEFAULT_COMMAND = "run"
DEFAULT_FILE = "config.yaml"

config_file = click.option(
    "--config.file", "config_file", type=click.Path(path_type=Path), default=DEFAULT_FILE, help="Configuration file."
)
log_level = click.option(
    "--log.level",
    "log_level",
    type=click.Choice(LEVELS),
    default="info",
    help="Minimum log level. Logs go to standard error.",
)
log_format = click.option(
    "--log.format", "log_format", type=click.Choice(FORMATS), default="logfmt", help="Log format."
)
config_watch = click.option(
    "--config.watch", "config_watch", is_flag=True, help="Reload when the configuration file changes."
)
listen = click.option(
    "--web.listen-address",
    "listen",
    multiple=True,
    default=(":10115",),
    metavar="[HOST]:PORT",
    help="Address to listen on. Repeatable; IPv6 in brackets; port 0 picks a free port.",
)
telemetry_path = click.option(
    "--web.telemetry-path", "telemetry_path", default="/metrics", metavar="PATH", help="Path of the metrics."
)
web_config = click.option(
    "--web.config.file",
    "web_config",
    type=click.Path(path_type=Path),
    help="TLS and basic authentication, in the format of Prometheus' exporter-toolkit.",
)
lifecycle = click.option("--web.enable-lifecycle", "lifecycle", is_flag=True, help="Enable reload with POST /-/reload.")
total_shards = click.option(
    "--total-shards", type=click.IntRange(1), default=1, metavar="N", help="Number of shards in the fleet."
)


def _ordinal(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Read a shard's number; `auto` is the number at the end of a StatefulSet pod's name.

    That is its host name, to which `setHostnameAsFQDN` adds a domain.
    """
    if value.isascii() and value.isdigit():
        return int(value)
    if value != "auto":
        raise click.BadParameter(f"{value!r} is not a shard number (0, 1, ...) or auto", context, parameter)
    host = socket.gethostname()
    found = re.search(r"-(\d+)$", host.partition(".")[0])
    if not found:
        raise click.BadParameter(
            f"auto needs a host name that ends in -NUMBER; this one is {host!r}", context, parameter
        )
    return int(found[1])


shard = click.option(
    "--shard",
    default="0",
    callback=_ordinal,
    metavar="N|auto",
    help="Number of this shard, from 0; auto reads it from the pod's name.",
)


class _Duration(click.ParamType[float]):
    """A time such as 90s, 5m, 1h, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else read_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a duration such as 90s, 5m, 1h", param, ctx)


DURATION = _Duration()


def flags(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command these flags, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


class AnyOrder(click.Group):
    """A group whose command is optional, and whose flags may precede the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move the command to the front; without one it is `run`."""
        place = self._command(ctx, args)
        if place is not None:
            args = [args[place], *args[:place], *args[place + 1 :]]
        elif not {"--help", "-h", "--version"} & set(args):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def _command(self, ctx: click.Context, args: list[str]) -> int | None:
        """Find the first argument that is neither a flag nor a flag's value."""
        options = [
            parameter
            for command in self.commands.values()
            for parameter in command.get_params(ctx)
            if isinstance(parameter, click.Option)
        ]
        known = {name for option in options for name in option.opts}
        valued = {name for option in options if not option.is_flag for name in option.opts}
        skip = False
        for place, argument in enumerate(args):
            if skip:
                skip = False
            elif argument.startswith("-"):
                if argument.partition("=")[0] not in known:
                    return None  # what follows may be its value: let the default command name the mistake
                skip = argument in valued
            else:
                return place
        return None
