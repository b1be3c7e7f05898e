"""What a row adds: only final ones, by the labels of their project, with the credits and times that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.counting.cells import Distribution, Key
from exporter.usage.counting import Sums
from exporter.usage.unpacking import records
from tests.usage.making import PROJECT_ID, csv_text, row

if TYPE_CHECKING:
    from exporter.counting.cells import Value
    from exporter.usage.counting import JobRun
    from tests.usage.making import Row

BOUNDS = (1.0, 5.0, 60.0)
JOB = ("test", "gh/acme/shop", "medium", "build")


def read(*rows: Row, projects: dict[str, str] | None = None) -> tuple[list[JobRun], Sums]:
    sums = Sums(projects or {}, BOUNDS)
    return list(sums.read(records([csv_text(rows).encode()]))), sums


def added(*rows: Row, projects: dict[str, str] | None = None) -> dict[Key, Value]:
    runs, sums = read(*rows, projects=projects)
    sums.add(runs)
    return sums.added("gh/acme")


def project_of(projects: dict[str, str] | None = None, **columns: Any) -> str:
    [run] = read(row(**columns), projects=projects)[0]
    return run.series.labels[1]


@pytest.mark.parametrize(
    "status", ["queued", "running", "not_running", "on_hold", "blocked", "not_run", r"\N", "", "RUNNING"]
)
def test_a_run_that_is_not_over_does_not_count(status: str) -> None:
    assert read(row(JOB_BUILD_STATUS=status))[0] == []


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("success", "success"),
        ("Failed", "failed"),
        ("infrastructure_fail", "infrastructure_fail"),
        ("terminated-unknown", "terminated-unknown"),
        ("canceled", "canceled"),
        ("retried", "retried"),
        ("exploded", "other"),
    ],
)
def test_a_final_status_is_a_label_and_an_unknown_one_other(status: str, shown: str) -> None:
    found = added(row(JOB_BUILD_STATUS=status))
    assert found[Key("circleci_usage_job_runs_total", (*JOB[:3], shown, "build"))] == 1
    zeros = {"success", "failed"} - {shown}
    assert all(found[Key("circleci_usage_job_runs_total", (*JOB[:3], each, "build"))] == 0 for each in zeros)


def test_a_row_without_a_uuid_does_not_count_and_is_counted_as_unreadable_unless_it_is_null() -> None:
    runs, sums = read(row(JOB_ID=r"\N"), row(JOB_ID="9001"), row(JOB_ID=""))
    assert runs == []
    assert sums.unread == {"JOB_ID": 1}
    assert sums.rows == 3


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({}, "gh/acme/shop"),
        ({"VCS_NAME": "github"}, "gh/acme/shop"),
        ({"VCS_NAME": "Bitbucket"}, "bb/acme/shop"),
        ({"VCS_NAME": "GitLab"}, "acme/shop"),
        ({"VCS_NAME": r"\N"}, "acme/shop"),
        ({"PROJECT_NAME": r"\N"}, "none"),
        ({"PROJECT_ID": r"\N"}, "gh/acme/shop"),
    ],
)
def test_a_project_that_is_not_polled_is_labeled_by_its_provider_and_names(columns: Any, label: str) -> None:
    assert project_of(**columns) == label


def test_a_polled_project_has_the_label_that_it_has_elsewhere() -> None:
    known = {PROJECT_ID: "the shop"}
    assert project_of(known) == "the shop"
    assert project_of(known, PROJECT_ID=PROJECT_ID.upper(), VCS_NAME="GitLab") == "the shop"


def test_a_null_name_or_class_is_none_and_one_that_no_label_can_hold_too() -> None:
    runs, sums = read(row(WORKFLOW_NAME=r"\N", JOB_NAME="", RESOURCE_CLASS="a\0b"))
    assert runs[0].series.labels == ("none", "gh/acme/shop", "none", "none")
    assert sums.unread == {"RESOURCE_CLASS": 1}


def test_names_are_labels_as_they_are_written() -> None:
    [run] = read(row(JOB_NAME='e2e, "slow"\nand odd \\ ', WORKFLOW_NAME="größe 🚀"))[0]
    assert (run.series.labels[0], run.series.labels[3]) == ('e2e, "slow"\nand odd \\ ', "größe 🚀")


def test_what_is_null_negative_or_no_number_adds_nothing_and_all_but_null_is_counted() -> None:
    runs, sums = read(
        row(
            1, TOTAL_CREDITS="-5", COMPUTE_CREDITS="nan", DLC_CREDITS=r"\N", JOB_RUN_SECONDS="long", USER_CREDITS="2.5"
        ),
    )
    assert runs[0].credits == (0, 0, 2_500_000, 0, 0, 0, 0, 0, 0)
    assert runs[0].seconds == 0
    assert sums.unread == {"TOTAL_CREDITS": 1, "COMPUTE_CREDITS": 1, "JOB_RUN_SECONDS": 1}


def test_sums_of_decimals_are_exact() -> None:
    found = added(*(row(number, TOTAL_CREDITS="0.1", JOB_RUN_SECONDS="0.7") for number in range(1000)))
    assert found[Key("circleci_usage_job_credits_total", JOB)] == 100
    assert found[Key("circleci_usage_job_run_seconds_total", JOB)] == 700


@pytest.mark.parametrize(
    ("queued", "started", "expected"),
    [
        ("2026-11-24 09:00:01.420", "2026-11-24 09:00:07.900", ((0, 0, 1, 0), 6.48)),
        ("2026-11-24 09:00:01.000", "2026-11-24 09:00:06.000", ((0, 1, 0, 0), 5)),
        ("2026-11-24 23:59:59.999999", "2026-11-25 00:00:00", ((1, 0, 0, 0), 0.000001)),
        ("2026-11-24 09:00:08", "2026-11-24 09:00:07", ((1, 0, 0, 0), 0)),
        ("2026-11-24 09:00:00", "2026-11-25 09:00:00", ((0, 0, 0, 1), 86_400)),
        ("2026-11-24 10:00:00+01:00", "2026-11-24 09:00:01", ((1, 0, 0, 0), 1)),
    ],
)
def test_queue_time_is_exact_and_at_least_0(queued: str, started: str, expected: tuple[Any, float]) -> None:
    found = added(row(JOB_RUN_QUEUED_AT=queued, JOB_RUN_STARTED_AT=started))
    assert found[Key("circleci_usage_job_queue_seconds", ("gh/acme/shop", "medium"))] == Distribution(BOUNDS, *expected)


@pytest.mark.parametrize("column", ["JOB_RUN_QUEUED_AT", "JOB_RUN_STARTED_AT"])
def test_without_both_times_there_is_no_queue_time(column: str) -> None:
    nothing: Any = {column: r"\N"}
    found = added(row(**nothing))
    assert not [key for key in found if key.family == "circleci_usage_job_queue_seconds"]


def test_the_last_day_of_a_run_is_the_latest_of_its_date_and_times() -> None:
    [plain] = read(row())[0]
    [long] = read(row(JOB_RUN_STOPPED_AT="2026-11-27 03:00:00"))[0]
    assert (plain.last, long.last) == (plain.day, plain.day + 3)
    nothing: Any = {f"JOB_RUN_{each}": r"\N" for each in ("DATE", "QUEUED_AT", "STARTED_AT", "STOPPED_AT")}
    [timeless] = read(row(**nothing))[0]
    assert (timeless.day, timeless.last) == (0, 0)


def test_every_row_tells_of_its_day_also_one_that_does_not_count() -> None:
    _, sums = read(row(JOB_RUN_DATE="2026-11-20"), row(JOB_BUILD_STATUS="running", JOB_RUN_DATE="2026-11-23"))
    [run] = read(row(JOB_RUN_DATE="2026-11-23"))[0]
    assert sums.newest == run.day


def test_a_record_of_another_length_is_left_out_and_counted() -> None:
    text = csv_text([row(1), row(2)]) + "1,2,3\n\n" + "x," * 60 + "\n"
    sums = Sums({}, BOUNDS)
    assert len(list(sums.read(records([text.encode()])))) == 2
    assert sums.unread == {"record": 2}


def test_kinds_are_all_there_from_the_first_row_on() -> None:
    found = added(row(NETWORK_CREDITS="3", LEASE_OVERAGE_CREDITS="1.5"))
    kinds = {key.labels[0]: amount for key, amount in found.items() if key.family == "circleci_usage_credits_total"}
    assert kinds == {
        "compute": 51,
        "dlc": 0,
        "user": 0,
        "storage": 0,
        "network": 3,
        "lease": 0,
        "lease_overage": 1.5,
        "ipranges": 0,
    }


def test_use_is_read_as_percent_and_what_cannot_be_is_none() -> None:
    [run] = read(row(MAX_CPU_UTILIZATION_PCT=r"\N", MEDIAN_RAM_UTILIZATION_PCT="-3"))[0]
    assert run.use == (41.5, None, None, 35.1)
