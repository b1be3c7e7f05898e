"""What an event of CircleCI tells: where to look. Nothing in it is believed beyond that. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hint:
    """Where to look, and in which project that is thought to be. The ids are UUIDs, empty where an event names none.

    `ended` says that the workflow run is said to have ended, otherwise one of its jobs has. `taken_at` is the Unix
    time of the event's arrival.
    """

    slug: str
    workflow: str
    pipeline: str
    ended: bool
    taken_at: float

    @property
    def id(self) -> str:
        """What hints are merged by: a workflow run, or a pipeline where no run is named."""
        return self.workflow or self.pipeline
