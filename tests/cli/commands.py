"""The installed command, run to its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.running.starting import COMMAND, run_to_end

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SECONDS = 60


def command(
    *arguments: str, folder: Path, token: str | None = None, program: tuple[str, ...] = (str(COMMAND),)
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with a token in the environment if one is given."""
    environment = {name: value for name, value in os.environ.items() if name != "CIRCLECI_TOKEN"}
    if token is not None:
        environment["CIRCLECI_TOKEN"] = token
    return run_to_end(
        [*program, *arguments],
        cwd=folder,
        env=environment,
    )
