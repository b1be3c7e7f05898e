"""The synthetic CircleCI in a process of its own, driven as `Circle` is: for benchmarks and whole-program tests."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

from exporter.demo.circleci import DEMO_TOKEN
from tests.running.starting import Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from exporter.demo.messages import Json

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RemoteFault:
    """A fault that was set there."""

    number: int
    _ask: Callable[..., dict[str, Any]]

    @property
    def hits(self) -> int:
        """How often it was met."""
        return int(self._ask(f"hits?fault={self.number}")["hits"])

    def release(self) -> None:
        """Let what is held back be sent."""
        self._ask("release", {"fault": self.number})


class RemoteCircle:
    """A running `python -m tests.circleci`: `url`, `token`, and the control routes as methods."""

    def __init__(self, url: str, token: str = DEMO_TOKEN, process: Process[str] | None = None) -> None:
        """Drive what listens there already; `spawn` starts one."""
        self.url = url
        self.token = token
        self.process = process
        self._opener = build_opener(ProxyHandler({}))  # the environment's proxy knows no loopback

    @classmethod
    def spawn(cls, *arguments: str, token: str = DEMO_TOKEN) -> Self:
        """Start a process with further arguments of the command and wait for its address."""
        command = [sys.executable, "-m", "tests.circleci", "--token", token, *arguments]
        process: Process[str] = Process(command, stdout=subprocess.PIPE, text=True)
        line = cast("IO[str]", process.stdout).readline()
        if not line.startswith("listening on "):
            process.communicate()
            raise RuntimeError(f"the synthetic CircleCI ended with {process.returncode}")
        return cls(line.split()[-1], token, process)

    def stop(self) -> None:
        """End the process that was started here."""
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def fail(self, kind: str, match: str = "", **options: Json) -> RemoteFault:
        """Set a fault."""
        (number,) = self._ask("faults", {"faults": [{"kind": kind, "match": match, **options}]})["faults"]
        return RemoteFault(number, self._ask)

    def heal(self) -> int:
        """Take faults and limits away; the violations of the limit until then."""
        return int(self._ask("heal", {})["violations"])

    def reset(self) -> None:
        """Heal, forget the requests, take the first token again."""
        self._ask("reset", {})

    def limit(self, rate: float, burst: int) -> None:
        """Refuse what exceeds this."""
        self._ask("limit", {"rate": rate, "burst": burst})

    def accept(self, *tokens: str) -> None:
        """Take these tokens and no others."""
        self._ask("tokens", {"tokens": tokens})

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """Return what it was asked, from the given index on; keys as in `messages.Seen`."""
        return list(self._ask(f"log?after={after}")["requests"])

    def advance(self, seconds: float) -> float:
        """Move its clock on; the new time."""
        return float(self._ask("clock", {"advance": seconds})["now"])

    def add_runs(self, *runs: dict[str, Any]) -> list[dict[str, Any]]:
        """Let runs happen; keys as the arguments of `Organization.add_run`."""
        return list(self._ask("runs", {"runs": runs})["runs"])

    def finish_runs(self, *runs: dict[str, Any]) -> list[dict[str, Any]]:
        """End runs; keys as the arguments of `Organization.finish_run`."""
        return list(self._ask("finish", {"runs": runs})["runs"])

    def change_pipelines(self, *steps: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Add and change pipelines, workflows and jobs: each step is a method of `Pipelines` and its arguments.

        Gives what each step made or changed, with ids; a pipeline with its workflows, a workflow with its jobs.
        """
        return list(self._ask("pipelines", {"steps": steps})["made"])

    def pipelines(self, at: float | None = None) -> list[dict[str, Any]]:
        """Return the truth of all pipelines, workflows and jobs, as `Pipelines.truth` has it."""
        return list(self._ask("pipelines" if at is None else f"pipelines?at={at!r}")["pipelines"])

    def change_projects(self, **changes: list[dict[str, Any]]) -> list[str]:
        """Do `hide`, `show`, `follow`, `unfollow`, `add` or `default_branch` with arguments as in `Roster`.

        Gives the slugs that are left.
        """
        return list(self._ask("projects", changes)["projects"])

    def truth(self, *, generated: bool = False, at: float | None = None) -> list[dict[str, Any]]:
        """Return the true counters; keys as in `ledger.Tally`."""
        asked = {"generated": str(generated).lower(), **({} if at is None else {"at": repr(at)})}
        return list(self._ask(f"truth?{urlencode(asked)}")["tallies"])

    def metrics(self, project: str, workflow: str, window: str, **scope: str) -> dict[str, Any] | None:
        """Return the true `metrics` of a workflow, or of a `job` of it, on a `branch` if given."""
        asked = urlencode({"project": project, "workflow": workflow, "window": window, **scope}, quote_via=quote)
        found: dict[str, Any] | None = self._ask(f"metrics?{asked}")["metrics"]
        return found

    def drop_connections(self) -> None:
        """Close every open connection, as a restart of the API would."""
        self._ask("drop-connections", {})

    def _ask(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_control/{action}", data=data)
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                document: dict[str, Any] = json.load(answer)
                return document
        except HTTPError as error:
            with error:
                raise ValueError(error.read().decode()) from None
