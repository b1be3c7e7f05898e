"""Jobs of a workflow run, as tests write them: times are seconds after the creation of the run."""

from __future__ import annotations

from exporter.runs.jobs import Job

CREATED = 1_790_000_000.25


def job(
    name: str,
    start: float | None = None,
    stop: float | None = None,
    *after: str,
    status: str = "success",
    approval: bool = False,
    identifier: str = "",
) -> Job:
    """A job; its id is its name unless it has one of its own."""
    return Job(
        identifier or name,
        name,
        status,
        approval,
        None if start is None else CREATED + start,
        None if stop is None else CREATED + stop,
        after,
    )


def approval(name: str, *after: str, status: str = "success") -> Job:
    """An approval: it has no times."""
    return job(name, None, None, *after, status=status, approval=True)


def jobs(*each: Job) -> dict[str, Job]:
    """Jobs by id."""
    return {one.id: one for one in each}
