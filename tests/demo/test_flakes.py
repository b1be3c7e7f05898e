from __future__ import annotations

from exporter.demo import flakes
from exporter.demo.catalog import builtin
from exporter.demo.clock import Clock
from exporter.demo.model import DemoWorkflow, Run
from exporter.demo.organization import Organization
from tests.demo.asking import DAY, NOON

RUN = Run("an id", "main", NOON, NOON + 60, "failed", 60, 5)
FLAKY = builtin(1)[1].workflows[0]


def test_flakes_are_forgotten_after_two_weeks() -> None:
    organization = Organization(clock=Clock(NOON, speed=0), quiet=True, refresh=1)
    api = organization.projects[1]
    organization.add_run(api.slug, "test", status="failed", created=NOON - 60)
    assert len(flakes.flakes(organization, api)) == 1
    organization.clock.advance(flakes.FLAKY_DAYS)
    assert flakes.flakes(organization, api) == []


def test_each_test_of_a_job_has_one_entry_with_all_of_its_flakes() -> None:
    organization = Organization(clock=Clock(NOON, speed=0), quiet=True, refresh=1)
    api = organization.projects[1]
    for number in range(12):
        organization.add_run(api.slug, "test", status="failed", created=NOON - 600 + number)
    entries = flakes.flakes(organization, api)
    tests = [(each["job_name"], each["classname"], each["test_name"]) for each in entries]
    assert len(set(tests)) == len(tests) < 12
    assert max(each["times_flaked"] for each in entries) > 5  # more than one run has
    assert {0} < {each.get("time_wasted", 0) for each in entries}


def test_without_tests_or_runs_there_is_nothing_to_tell() -> None:
    assert flakes.tests(DemoWorkflow("w"), [RUN]) == []
    assert flakes.tests(FLAKY, []) == []


def test_tests_run_in_the_jobs_that_are_for_tests_or_else_in_the_first() -> None:
    assert {row["job_name"] for row in flakes.tests(FLAKY, [RUN])} == {"unit-tests", "contract-tests"}
    plain = DemoWorkflow("w", FLAKY.jobs[:1], tests=5)
    assert {row["job_name"] for row in flakes.tests(plain, [RUN])} == {"lint"}


def test_the_tests_of_a_run_add_up() -> None:
    for status in ("failed", "success"):
        counts = flakes.test_run(FLAKY, Run("x", "main", NOON - DAY, NOON, status, 60, 5))["test_counts"]
        assert sum(count for kind, count in counts.items() if kind != "total") == counts["total"] == FLAKY.tests
        assert (counts["failure"] > 0) == (status == "failed")
