"""Runs as they happen: many at once, late, held, of equal times, shown late, of every status and on many branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from tests.circleci import RemoteCircle

SLUG = "gh/acme/web"
WORKFLOWS = ("build", "deploy to production", "nightly/full")
BRANCHES = ("main", "develop", "release/1.0", "feature/a", "feature/b", "dependabot/npm")
NEW_BRANCH = "release/2.0"
NAMED = ("main", "develop", "release/1.0", NEW_BRANCH)
STATUSES = ("success", "success", "success", "failed", "error", "canceled", "unauthorized")
DURATIONS = (0, 1, 29, 30, 31, 60, 61, 119, 120, 600, 601, 3600, 14_400, 14_401, 90_000)


class Producer:
    """Lets runs happen in a synthetic CircleCI; what chance decides follows from the random generator alone."""

    def __init__(self, circle: RemoteCircle, random: Random) -> None:
        self.circle, self.random = circle, random
        self.held: list[str] = []
        self.made = 0

    def first(self) -> None:
        """Runs that finished before the exporter ever started, one for each series."""
        self.circle.change_projects(add=[{"slug": SLUG}])
        self.circle.add_runs(
            *(
                {"slug": SLUG, "workflow": workflow, "branch": branch, "duration": 45}
                for workflow in WORKFLOWS
                for branch in BRANCHES
            )
        )

    def some(self, count: int) -> None:
        """Let so many runs happen, and some that were held end."""
        now = self.circle.advance(0.0)
        made = self.circle.add_runs(*(self.run(now) for _ in range(count)))
        self.made += len(made)
        self.held += [run["id"] for run in made if run["status"] is None and run["stopped_at"] is None]
        self.release(count // 10)

    def release(self, count: int | None = None) -> None:
        """End some of the runs that are held, or all of them."""
        self.random.shuffle(self.held)
        ending, self.held = self.held[:count], self.held[count:] if count is not None else []
        if ending:
            self.circle.finish_runs(*({"run_id": held, **self._end()} for held in ending))

    def _end(self) -> dict[str, Any]:
        return {
            "status": self.random.choice(STATUSES),
            "duration": self.random.choice((*DURATIONS, None)),
            "credits": self.random.randrange(1000),
        }

    def run(self, now: float) -> dict[str, Any]:
        """What chance makes of a run that is created by now."""
        chance = self.random
        run: dict[str, Any] = {
            "slug": SLUG,
            "workflow": chance.choice(WORKFLOWS),
            "branch": chance.choice(BRANCHES),
            "is_approval": chance.random() < 0.05,
            **self._end(),
        }
        match chance.randrange(10):
            case 0:  # held until it is released
                run |= {"status": None, "stopped": None}
            case 1:  # ends by itself
                run |= {"stopped": now + chance.uniform(0.1, 3.0)}
            case 2:  # began long ago
                run |= {"created": now - chance.uniform(1, 1200), "stopped": now}
            case 3:  # is shown late
                run |= {"created": now - chance.uniform(1, 60), "stopped": now, "shown": now + chance.uniform(0.1, 3.0)}
            case 4:  # of the same moment as others
                run |= {"created": float(int(now) - 5), "stopped": float(int(now) - 1)}
        return run
