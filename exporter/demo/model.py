"""What a CircleCI organization consists of."""

from __future__ import annotations

from dataclasses import dataclass, replace

FINISHED = ("success", "failed", "error", "canceled", "unauthorized")
BOT = "insights-bot"
"""The login of the user whose token is asked with."""


@dataclass(frozen=True, slots=True)
class DemoJob:
    """A job of a workflow; `share` is the part of the run's time that it takes."""

    name: str
    share: float = 0.5
    approval: bool = False


@dataclass(frozen=True, slots=True)
class DemoWorkflow:
    """A workflow and how its runs turn out. `seconds` is the usual duration; the rest are chances and factors."""

    name: str
    jobs: tuple[DemoJob, ...] = ()
    runs_per_day: float = 8.0
    seconds: float = 300.0
    failure: float = 0.1
    troubled: float = 0.05
    """Chance to end as error, canceled or unauthorized."""
    held: float = 0.0
    on_default: float = 0.55
    slower: float = 1.0
    """Factor on the duration of recent runs."""
    flaky: bool = False
    tests: int = 0
    measured: bool = True
    """False: CircleCI sends null for its durations, credits and recovery time."""
    steady: bool = False
    """True: the same number of runs on every day, and in each of them every job."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The organization that a project belongs to. `vcs` is the segment that its slug begins with."""

    vcs: str
    name: str
    ref: str
    id: str

    @property
    def slug(self) -> str:
        """Two segments: gh/acme."""
        return f"{self.vcs}/{self.ref}"


@dataclass(frozen=True, slots=True)
class DemoProject:
    """A project; `ref` is the last segment of its slug."""

    owner: Owner
    name: str
    ref: str
    id: str
    default_branch: str = "main"
    branches: tuple[str, ...] = ()
    """The branches beside the default one."""
    workflows: tuple[DemoWorkflow, ...] = ()

    @property
    def slug(self) -> str:
        """Three segments: gh/acme/web."""
        return f"{self.owner.slug}/{self.ref}"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workflow. Times are Unix seconds; without `stopped` it never ends."""

    id: str
    branch: str
    created: float
    stopped: float | None
    status: str | None
    duration: int | None
    credits: int
    is_approval: bool = False
    shown: float = 0.0
    """CircleCI lists the run from this time on, though it was created before."""

    def seen(self, at: float) -> Run:
        """Return the run as it stood at that time."""
        if self.stopped is None or self.status is None or self.stopped > at:
            return replace(self, stopped=None, status=None, duration=None, credits=0)
        return self


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job; an approval and one that has not ended have no duration."""

    job: DemoJob
    status: str | None
    started: float
    stopped: float | None
    duration: int | None
    credits: int
