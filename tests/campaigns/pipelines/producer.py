"""Pipelines as they happen: of every kind that CircleCI knows, many at once, some held, some run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.campaigns.pipelines.timelines import BROKEN, Timeline, Timelines, over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    Step = tuple[str, dict[str, Any]]

SLUGS = ("gh/acme/web", "gh/acme/api", "gh/acme/quiet")
WORKFLOWS = ("build", "deploy to production", "nightly/full")
BRANCHES = ("main", "main", "develop", "release/1.0", "feature/a", "dependabot/npm")
NAMED = ("main", "develop", "release/1.0")
TRIGGERS = ("webhook", "github_app", "api", "explicit", "scheduled_pipeline", "schedule")
HELD = ("on_hold", "running", "paused")
"""Statuses of workflows that go on only when they are released."""
UNKNOWN = ("melted", "evaporated")
"""Final statuses of workflows that nobody documented."""
LATEST_SHOWN = 8
"""Units after its stop at which Insights lists a run at the latest, but for the delay of all."""


class Producer:
    """Lets pipelines happen in a synthetic CircleCI; what chance decides follows from the random generator alone."""

    def __init__(
        self,
        change: Callable[..., Sequence[dict[str, Any]]],
        random: Random,
        *,
        unit: int,
        slugs: Sequence[str] = SLUGS,
        hidden_again: bool = True,
        errs_late: bool = True,
    ) -> None:
        """`change` does steps of `tests.circleci.pipelines`; a `unit` is how many seconds a short job takes.

        With `hidden_again` also runs that Insights does not show run again: that is seen only by and by. With
        `errs_late` a pipeline may fail after its setup: one that nobody asks about in time counts as created.
        """
        self._change, self.random, self.unit, self._slugs = change, random, unit, slugs
        self._hidden_again, self._errs_late = hidden_again, errs_late
        self._timelines = Timelines(random, unit)
        self.held: list[tuple[str, str, int]] = []
        """Workflow, its status, and how often it was released."""
        self._failed: list[tuple[float, str]] = []
        self.made = 0

    def some(self, now: float, count: int) -> None:
        """Let so many pipelines begin, some that were held go on, and some that failed run again."""
        begun = self._change(*(self.pipeline(now) for _ in range(count)))
        self.made += len(begun)
        for pipeline in begun:
            for workflow in pipeline["workflows"]:
                if workflow["status"] in HELD:
                    self.held.append((workflow["id"], workflow["status"], 0))
                elif workflow["status"] == "failed" and (self._hidden_again or workflow["shown"] is not None):
                    self._failed.append((workflow["stopped"], workflow["id"]))
        self.release(now, count // 3)
        self._run_again(now)

    def hold(self, now: float, count: int) -> None:
        """Let so many pipelines begin that go on only when they are released."""
        steps = [{"slug": slug, "created": now, "branch": "main"} for slug in self.random.choices(self._slugs, k=count)]
        begun = self._change(*(("add", step | {"workflows": [self._held(float(int(now)))]}) for step in steps))
        self.held += [(run["id"], run["status"], 0) for each in begun for run in each["workflows"]]

    def pipeline(self, now: float) -> Step:
        """What chance makes of a pipeline that is created now."""
        chance, created = self.random, float(int(now))
        step: dict[str, Any] = {
            "slug": chance.choice(self._slugs),
            "created": now,
            "trigger": chance.choice(TRIGGERS),
            "branch": chance.choice(BRANCHES),
            "source": chance.choice(("vcs", "vcs", "git")),
        }
        match chance.randrange(20):
            case 0 | 1:
                step |= {"tag": f"v{chance.randrange(99)}"}
            case 2:
                step |= {"source": "none"}
        match chance.randrange(20):
            case 0:
                step |= {"state": "errored", "errors": [("config", "Unable to parse YAML")]}
                if int(now) % 3 == 0:
                    step |= {
                        "source": "unfetched",
                        "branch": None,
                        "tag": None,
                        "trigger": "Decoupled Ingestion System",
                    }
            case 1:
                step |= {"workflows": []}
            case 2 | 3:
                step |= self._with_setup(created)
            case 4 | 5:
                step |= {"workflows": [self._held(created)]}
            case 6:  # its state is not final at first
                step |= {"before": [("pending", now + 2 * self.unit)], "workflows": self._some_workflows(created, 2)}
            case _:
                step |= {"workflows": self._some_workflows(created)}
        return "add", step

    def unexpected(self, now: float, count: int) -> list[Step]:
        """Pipelines that begin about now, as something else happens. None is held: nobody knows its id."""
        steps = [self.pipeline(now) for _ in range(count)]
        for _, given in steps:
            for run in given.get("workflows", ()):
                run["dated"] = True  # it is older than its pipeline will be
        return [
            (action, {name: value for name, value in given.items() if name != "created"})
            for action, given in steps
            if not any(run["status"] in HELD for run in given.get("workflows", ()))
        ]

    def release(self, now: float, count: int | None = None) -> None:
        """Let some of what is held go on, or all of it; it ends in the second stage."""
        self.random.shuffle(self.held)
        going, self.held = self.held[:count], self.held[count:] if count is not None else []
        for workflow, status, stage in going:
            if stage == 0:
                self._begin_held(workflow, status, float(int(now)))
                self.held.append((workflow, status, 1))
            else:
                self._end_held(workflow, float(int(now)))

    # ---- workflows

    def _some_workflows(self, created: float, later: int = 0) -> list[dict[str, Any]]:
        begin = created + later * self.unit
        names = self.random.sample(WORKFLOWS, self.random.choice((1, 1, 2)))
        made = [self._workflow(name, begin) for name in names]
        for each in made:  # now and then CircleCI writes no times of a failed one
            each["dated"] = later > 0 or each["status"] != "failed" or int(each["stopped"]) % 5 > 0
        return made

    def _workflow(self, name: str, created: float, fate: str | None = None, **more: Any) -> dict[str, Any]:
        begin = created
        if self.random.random() < 0.1:  # it waits for others of its serial group
            begin = created + self.random.randint(1, 3) * self.unit
            more["queued_until"] = begin
        drawn = self._timelines.draw(created, begin, fate)
        if fate is None and self.random.random() < 0.03:
            drawn = Timeline("not_run", created + self.unit, [])
        return {
            "name": name,
            "status": drawn.status,
            "created": created,
            "stopped": drawn.stopped,
            "jobs": drawn.jobs,
            **self._insights(drawn.stopped),
            **more,
        }

    def _insights(self, stopped: float) -> dict[str, Any]:
        return {
            "credits": self.random.randrange(1000),
            "shown": self.random.choice((0.0, stopped + self.random.randint(0, LATEST_SHOWN) * self.unit)),
            "insights": self.random.random() > 0.05,
        }

    def _with_setup(self, created: float) -> dict[str, Any]:
        """A setup workflow, and those that it makes the configuration of; at times that does not compile."""
        setup = self._workflow("setup", created, "success", setup=True)
        setup.pop("queued_until", None)
        after = setup["stopped"] + self.unit
        if self._errs_late and self.random.random() < 0.2:
            return {"state": "errored", "before": [("setup", after)], "workflows": [setup]}
        others = [self._workflow(name, after) for name in self.random.sample(WORKFLOWS, 2)]
        return {"state": "created", "before": [("setup", after)], "workflows": [setup, *others]}

    def _held(self, created: float) -> dict[str, Any]:
        """A run that goes on only when it is released: on hold, or in a state that nobody documented."""
        kind = self.random.choice(HELD)
        done = created + self.unit
        jobs = [{"name": "checkout", "status": "success", "started": created, "stopped": done}]
        if kind == "on_hold":
            jobs.append({"name": "approve", "type": "approval", "status": "on_hold", "dependencies": ["checkout"]})
            jobs.append({"name": "deploy", "status": "blocked", "dependencies": ["approve"]})
        else:
            status = "queued" if kind == "running" else "thawing"
            jobs.append({"name": "deploy", "status": status, "dependencies": ["checkout"]})
        return {"name": self.random.choice(WORKFLOWS), "status": kind, "created": created, "jobs": jobs, "shown": 0.0}

    def _begin_held(self, workflow: str, status: str, now: float) -> None:
        steps: list[Step] = [
            ("change_job", {"workflow_id": workflow, "job": "deploy", "status": "running", "started": now}),
            ("change_workflow", {"workflow_id": workflow, "status": "running"}),
        ]
        if status == "on_hold":
            steps.insert(0, ("change_job", {"workflow_id": workflow, "job": "approve", "status": "success"}))
        self._change(*steps)

    def _end_held(self, workflow: str, now: float) -> None:
        status = self.random.choice(("success", "failed", "canceled", *UNKNOWN))
        final = status if status in {"success", "failed", "canceled"} else self.random.choice(("success", "dissolved"))
        ended = {"workflow_id": workflow, "status": status, "stopped": now, "credits": self.random.randrange(1000)}
        # jobs end first, as at CircleCI; but those of a canceled run
        job: Step = ("change_job", {"workflow_id": workflow, "job": "deploy", "status": final, "stopped": now})
        self._change(job, ("change_workflow", ended))

    def leave_it(self) -> None:
        """Run nothing of what has failed again; hours later only Insights could tell of it."""
        self._failed.clear()

    def _run_again(self, now: float) -> None:
        """Run what failed a while ago once more, from its failed jobs or whole."""
        soon = [each for each in self._failed if each[0] + self.unit < int(now)]
        for each in soon:
            if self.random.random() < 0.5:
                self._failed.remove(each)
                self._change(self.rerun(each[1], float(int(now))))

    def rerun(self, workflow: str, now: float) -> Step:
        """What chance makes of running a workflow again, from its failed jobs or whole."""
        begin = now
        step: dict[str, Any] = {
            "workflow_id": workflow,
            "created": now,
            "from_failed": self.random.random() < 0.7,
            "same_ids": self.random.random() < 0.5,
        }
        if self.random.random() < 0.3:
            step |= {"auto_rerun_number": 1, "max_auto_reruns": 2}
        if step["from_failed"]:
            job = {"name": "once more", "status": "success", "started": begin, "stopped": begin + 2 * self.unit}
            drawn, status = [job], "success"
            if self.random.random() < 0.3:
                job["status"], status = self.random.choice(BROKEN), "failed"
            stopped = over(job)
        else:
            timeline = self._timelines.draw(now, begin)
            drawn, status, stopped = timeline.jobs, timeline.status, timeline.stopped
        step |= {"jobs": drawn, "status": status, "stopped": stopped, **self._insights(stopped)}
        step["insights"] = step["insights"] or not self._hidden_again
        return "rerun", step
