"""Tests of the organization: which flake, which fail, which are slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.demo.draws import draw
from exporter.demo.generated import DAY
from exporter.demo.organization import ALL_BRANCHES, Organization
from exporter.demo.times import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.demo.model import DemoProject, DemoWorkflow, Run

FLAKY_DAYS = 14 * DAY
_OF_A_TEST = ("workflow_name", "job_name", "classname", "test_name")
LOOKED_AT = 10
_TESTS = (
    ("retries the payment when the gateway times out", "checkout.PaymentTest", "tests/test_payment.py"),
    ("uploads a file of 2 GiB", "storage.UploadTest", "tests/test_upload.py"),
    ('shows "sold out" \\ once', "catalogue.StockTest", ""),
    ("sends one e-mail <only>", "mail.OutboxTest", "tests/test_outbox.py"),
    ("sorts by größe", None, ""),
    ("expires the session at midnight", "auth.SessionTest", "tests/test_session.py"),
    ("TestReserve", "example.com/acme/web/stock", ""),
    ("TestReserve/the_last_one", "example.com/acme/web/stock", ""),
)


def flakes(organization: Organization, project: DemoProject) -> list[dict[str, Any]]:
    """Entries of `flaky_tests`: one for each workflow, job, class and test, with what it flaked in all."""
    at = organization.aggregated_at()
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}
    for workflow in organization.workflows(project.slug):
        if not workflow.flaky or project.owner.vcs == "circleci":
            continue
        runs = organization.runs(project.slug, workflow.name, ALL_BRANCHES, at - FLAKY_DAYS, at)
        failed = [run for run in runs if run.status == "failed"]
        for run in failed[-12:]:
            entry = _flake(workflow, run, len(entries))
            known = entries.setdefault(tuple(entry[key] for key in _OF_A_TEST), entry)
            if known is not entry:
                known["times_flaked"] += entry["times_flaked"]
    return list(entries.values())


def _flake(workflow: DemoWorkflow, run: Run, index: int) -> dict[str, Any]:
    chance = draw(f"{run.id}|flake").uniform
    name, classname, file = _TESTS[int(chance[0] * len(_TESTS))]
    entry: dict[str, Any] = {
        "test_name": name,
        "classname": classname,
        "file": file,
        "source": "junit" if file else "",
        "times_flaked": 1 + int(chance[1] * 5),
        "job_name": workflow.jobs[1 + int(chance[2] * (len(workflow.jobs) - 1))].name,
        "job_number": int(run.created) % 100_000,
        "pipeline_number": int(run.created) % 10_000,
        "workflow_id": run.id,
        "workflow_name": workflow.name,
        "workflow_created_at": written(run.created),
    }
    if index % 4:  # absent or 0, and not null, where CircleCI has not computed it
        entry["time_wasted"] = int(30 + chance[3] * 300) if index % 4 > 1 else 0
    return entry


def tests(workflow: DemoWorkflow, runs: list[Run]) -> list[dict[str, Any]]:
    """What the newest runs say of the single tests, in no order."""
    return list(_tests(workflow, runs)) if workflow.tests and runs else []


def _tests(workflow: DemoWorkflow, runs: list[Run]) -> Iterator[dict[str, Any]]:
    jobs = [job.name for job in workflow.jobs if "test" in job.name] or [workflow.jobs[0].name]
    for index, (name, classname, file) in enumerate(_TESTS):
        chance = draw(f"{workflow.name}|{name}|{runs[-1].id}").uniform
        steady = draw(f"{workflow.name}|{name}").uniform
        yield {
            "p95_duration": None if index == 4 else round(0.5 + steady[0] * 40 + chance[0], 3),
            "total_runs": len(runs),
            "classname": classname,
            "failed_runs": int(chance[1] * 3) if index % 2 else 0,
            "flaky": workflow.flaky and bool(index % 2),
            "source": "junit" if file else "",
            "file": file,
            "job_name": jobs[index % len(jobs)],
            "test_name": name,
        }


def test_run(workflow: DemoWorkflow, run: Run) -> dict[str, Any]:
    """Counts of the tests in one run."""
    chance = draw(f"{run.id}|tests").uniform
    failed = 1 + int(chance[0] * 4) if run.status == "failed" else 0
    skipped = int(chance[1] * 15)
    good = workflow.tests - failed - skipped
    return {
        "pipeline_number": int(run.created) % 10_000,
        "workflow_id": run.id,
        "success_rate": good / (good + failed),
        "test_counts": {"error": 0, "failure": failed, "skipped": skipped, "success": good, "total": workflow.tests},
    }
