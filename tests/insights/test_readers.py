"""Answers whose entries are not rows as they stand: each label set comes out once, the right ones stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from exporter.errors import PayloadError
from exporter.insights import families, readers
from exporter.insights.payloads import Column, Reading, timestamp
from exporter.insights.questions import Question
from exporter.insights.readers import LONGEST_LABEL, MOST_TESTS, Asked, bounded

DAY, HOUR = 86_400, 3_600
NOON = 1_787_227_200.0
"""2026-08-20T12:00:00Z."""
FLAKES = tuple(family.column for family in families.FLAKY_JOB)
TEST = (Column("p95_duration"), Column("failed_runs"), Column("total_runs"))


def question(granularity: str = "daily") -> Question:
    return Question("job_trend", "/", "gh/acme/web", "w", (("granularity", granularity),))


def flake(name: Any = "t", times: Any = 1, **more: Any) -> dict[str, Any]:
    known = {"workflow_name": "w", "job_name": "j", "classname": "C", "test_name": name, "times_flaked": times}
    return known | more


def flakes(
    *entries: object, keys: tuple[str, ...] = ("job_name", "workflow_name"), reader: readers.Reader = readers.flakes
) -> Reading:
    asked = Asked(question(), NOON, "flaky_tests", keys, FLAKES)
    return readers.snake_case(reader)([{"flaky_tests": list(entries)}], asked)


def of_both(failed: object, slowest: object, now: float = NOON) -> Reading:
    asked = Asked(question(), now, "items", ("?classname", "job_name", "test_name"), TEST)
    return readers.tests([{"most_failed_tests": failed, "slowest_tests": slowest}], asked)


def timed(name: Any, failed: Any = 0, p95: Any = 1.0, **more: Any) -> dict[str, Any]:
    known = {"classname": "C", "job_name": "j", "test_name": name}
    return {**known, "failed_runs": failed, "p95_duration": p95, "total_runs": 10, **more}


def buckets(*entries: object, granularity: str = "daily", now: float = NOON) -> Reading:
    columns = (Column("metrics.total_runs"), Column("timestamp", timestamp))
    asked = Asked(question(granularity), now, "items", ("name",), columns)
    return readers.newest_bucket([{"items": list(entries)}], asked)


def bucket(at: Any, runs: int = 1, name: str = "j") -> dict[str, Any]:
    return {"name": name, "timestamp": at, "metrics": {"total_runs": runs}}


# ---- flaky tests


def test_a_test_that_flaked_in_many_pipelines_counts_once_with_its_largest_numbers() -> None:
    reading = flakes(flake(times=7, time_wasted=480), flake(times=2, time_wasted=95), flake(times=7, time_wasted=480))
    assert reading.rows == [(("j", "w"), (7, 480))]


def test_the_tests_of_a_job_are_summed_up() -> None:
    reading = flakes(flake("a", 7, time_wasted=10), flake("b", 2), flake("b", 1, classname="D", time_wasted=5))
    assert reading.rows == [(("j", "w"), (10, 15))]


@pytest.mark.parametrize("other", [1.5e308, 10**308, -1.5e308])
def test_a_sum_that_is_not_finite_is_unreadable_and_costs_no_more_than_itself(other: float) -> None:
    huge = -1.5e308 if other < 0 else 1.5e308
    reading = flakes(flake("a", 1, time_wasted=huge), flake("b", 2, time_wasted=other), flake("c", time_wasted=0))
    assert reading.rows == [(("j", "w"), (4, None))]
    assert reading.unread == {"time_wasted": 1}


def test_jobs_and_workflows_are_kept_apart() -> None:
    reading = flakes(flake(times=1), flake(times=2, job_name="k"), flake(times=4, workflow_name="x"))
    assert sorted(reading.rows) == [(("j", "w"), (1, None)), (("j", "x"), (4, None)), (("k", "w"), (2, None))]


def test_time_that_was_not_computed_is_no_number_and_not_zero() -> None:
    for none in (None, 0, 0.0):
        assert flakes(flake("a"), flake("b", time_wasted=none)).rows == [(("j", "w"), (2, None))]
    assert flakes(flake("a", time_wasted=30), flake("b", time_wasted=0)).rows == [(("j", "w"), (2, 30))]


def test_a_subtest_is_a_test_beside_its_parent() -> None:
    assert flakes(flake("TestPay", 5), flake("TestPay/by_card", 3)).rows == [(("j", "w"), (8, None))]


def test_a_test_without_a_class_is_one_test_whether_the_class_is_null_absent_or_empty() -> None:
    nameless = flake(times=3)
    del nameless["classname"]
    assert flakes(nameless, flake(times=2, classname=None), flake(times=1, classname="")).rows == [
        (("j", "w"), (3, None))
    ]


def test_an_entry_without_a_test_or_with_a_text_for_a_number_costs_no_more_than_itself() -> None:
    reading = flakes(flake("a", 5), flake(None), flake("b", "many"), "no object", 7)
    assert reading.rows == [(("j", "w"), (5, None))]
    assert reading.unread == {"workflow_name": 2, "test_name": 1, "times_flaked": 1}


def test_keys_with_hyphens_are_read_like_those_with_underscores() -> None:
    kebab = {key.replace("_", "-"): value for key, value in flake(times=7).items()}
    asked = Asked(question(), NOON, "flaky_tests", ("job_name", "workflow_name"), FLAKES)
    assert readers.snake_case(readers.flakes)([{"flaky-tests": [kebab]}], asked).rows == [(("j", "w"), (7, None))]


def test_where_both_spellings_stand_the_one_with_underscores_counts() -> None:
    for both in ({"times_flaked": 7, "times-flaked": 1}, {"times-flaked": 1, "times_flaked": 7}):
        assert flakes({**flake(), **both}).rows == [(("j", "w"), (7, None))]


def test_an_answer_without_the_list_of_flaky_tests_is_not_believed() -> None:
    asked = Asked(question(), NOON, "flaky_tests", ("job_name",), FLAKES)
    pages: list[object] = [{}, {"flaky_tests": None}, {"flaky-tests": {}}, []]
    for page in pages:
        with pytest.raises(PayloadError, match="flaky_tests should be a list"):
            readers.snake_case(readers.flakes)([page], asked)


KEYS = ("?classname", "job_name", "test_name", "workflow_name")


def test_the_worst_tests_come_first_and_no_more_than_a_project_can_want() -> None:
    entries = [flake(f"t{number:03}", number % 7) for number in range(MOST_TESTS + 50)]
    rows = flakes(*entries, flake("unknown", None), keys=KEYS, reader=readers.worst(readers.flakes)).rows
    assert len(rows) == MOST_TESTS
    assert [values[0] for _, values in rows] == sorted((values[0] or 0 for _, values in rows), reverse=True)
    assert rows[0] == (("C", "j", "t006", "w"), (6, None))


def test_worst_tests_of_equal_rank_are_in_the_order_of_their_labels() -> None:
    one, other = [flake("b"), flake("a"), flake("c", None)], [flake("c", None), flake("a"), flake("b")]
    worst = [flakes(*entries, keys=KEYS, reader=readers.worst(readers.flakes)).rows for entries in (one, other)]
    assert worst[0] == worst[1]
    assert [labels[2] for labels, _ in worst[0]] == ["a", "b", "c"]


@given(
    some.lists(
        some.tuples(
            some.sampled_from("ab"), some.sampled_from("xy"), some.sampled_from(["t", "u"]), some.integers(1, 9)
        ),
        max_size=30,
    )
)
def test_sums_never_exceed_what_the_unique_tests_make_and_do_not_hang_on_the_order(
    found: list[tuple[str, str, str, int]],
) -> None:
    entries = [flake(name, times, job_name=job, workflow_name=workflow) for workflow, job, name, times in found]
    unique = {(w, j, t): max(n for a, b, c, n in found if (a, b, c) == (w, j, t)) for w, j, t, _ in found}
    assert sum(values[0] or 0 for _, values in flakes(*entries).rows) == sum(unique.values())
    assert sorted(flakes(*entries).rows) == sorted(flakes(*reversed(entries)).rows)


# ---- tests


def test_most_failed_and_slowest_tests_come_in_turn_and_each_once() -> None:
    failed = [timed("f1", 9, 2.0), timed("both", 5, 50.0), timed("f2", 2, 1.0)]
    slowest = [timed("s1", 0, 90.0), timed("both", 5, 50.0), timed("s2", 0, 40.0)]
    rows = of_both(failed, slowest).rows
    assert [labels[2] for labels, _ in rows] == ["f1", "s1", "both", "f2", "s2"]
    assert rows[2] == (("C", "j", "both"), (50.0, 5, 10))


def test_the_order_of_the_lists_does_not_matter() -> None:
    failed = [timed("a", 1), timed("b", 3), timed("c", None)]
    slowest = [timed("d", p95=None), timed("e", p95=3), timed("f", p95=4)]
    rows = of_both(failed, slowest).rows
    assert rows == of_both(failed[::-1], slowest[::-1]).rows
    assert [labels[2] for labels, _ in rows] == ["b", "f", "a", "e", "c", "d"]


def test_lists_that_are_absent_name_no_tests() -> None:
    assert of_both(None, None).rows == []
    assert len(of_both([timed("a")], None).rows) == 1
    assert len(of_both(None, [timed("a")]).rows) == 1


def test_a_list_of_tests_that_is_none_is_not_believed() -> None:
    with pytest.raises(PayloadError, match="slowest_tests should be a list, but is an object"):
        of_both([], {})


def test_tests_that_differ_in_nothing_that_is_a_label_are_one_the_worse_of_them() -> None:
    reading = of_both([timed("t", 1, file="a.js"), timed("t", 4, file="b.js")], [])
    assert reading.rows == [(("C", "j", "t"), (1.0, 4, 10))]


def test_a_field_of_a_test_in_both_lists_is_counted_once() -> None:
    broken = timed("t", "often")
    reading = of_both([broken, timed(None)], [broken])
    assert reading.unread == {"failed_runs": 1, "test_name": 1}
    assert reading.rows == [(("C", "j", "t"), (1.0, None, 10))]


def test_no_more_tests_are_kept_than_a_project_can_want() -> None:
    many = [timed(f"t{number}", number) for number in range(MOST_TESTS)]
    more = [timed(f"u{number}", 0, number) for number in range(MOST_TESTS)]
    assert len(of_both(many, more).rows) == MOST_TESTS


# ---- buckets


def test_of_each_job_the_newest_bucket_that_has_ended_stays() -> None:
    reading = buckets(
        bucket("2026-08-20T00:00:00.000Z", 9),  # still being filled
        bucket("2026-08-18T00:00:00.000Z", 7),
        bucket("2026-08-19T00:00:00.000Z", 8),
        bucket("2026-08-17T00:00:00.000Z", 5, name="seldom"),
        bucket("2026-08-20T00:00:00.000Z", 1, name="new"),
    )
    assert dict(reading.rows) == {("j",): (8, NOON - 1.5 * DAY), ("seldom",): (5, NOON - 3.5 * DAY)}


@pytest.mark.parametrize(("granularity", "length"), [("daily", DAY), ("hourly", HOUR)])
def test_a_bucket_counts_from_the_moment_of_its_end(granularity: str, length: float) -> None:
    entry = bucket("2026-08-20T00:00:00Z")
    end = NOON - 12 * HOUR + length
    assert buckets(entry, granularity=granularity, now=end - 1).rows == []
    assert len(buckets(entry, granularity=granularity, now=end).rows) == 1


def test_a_bucket_without_a_time_is_left_out() -> None:
    reading = buckets(bucket(None), bucket("yesterday", name="k"), bucket("2026-08-19T00:00:00Z", name="l"))
    assert [labels for labels, _ in reading.rows] == [("l",)]
    assert reading.unread == {"timestamp": 1}


def test_two_buckets_of_one_job_and_start_are_not_believed() -> None:
    with pytest.raises(PayloadError, match="two rows are named"):
        buckets(bucket("2026-08-19T00:00:00Z", 1), bucket("2026-08-19T00:00:00.000Z", 2))


def test_a_bucket_that_comes_again_unchanged_counts_once() -> None:
    reading = buckets(bucket("2026-08-19T00:00:00Z", 3), bucket("2026-08-19T00:00:00.000Z", 3))
    assert len(reading.rows) == 1


# ---- texts and lists


def test_distinct_entries_come_once_and_in_their_order() -> None:
    asked = Asked(question(), NOON, "?all_projects", ("",), ())
    reading = readers.distinct([{"all_projects": ["web", "api", "web", 7, ""]}], asked)
    assert reading.rows == [(("web",), ()), (("api",), ())]
    assert reading.unread == {"all_projects": 2}
    assert readers.distinct([{"all_projects": None}], asked).rows == []


def test_a_text_of_usual_length_is_left_as_it_is() -> None:
    assert bounded("x" * LONGEST_LABEL) == "x" * LONGEST_LABEL


def test_a_long_text_is_cut_and_stays_another_than_one_that_begins_alike() -> None:
    one, other = ("x" * 200_000 + end for end in "ab")
    assert len(bounded(one)) == LONGEST_LABEL
    assert bounded(one) != bounded(other)
    assert bounded(one) == bounded(one)


def test_names_of_tests_are_bounded_wherever_they_become_labels() -> None:
    name = "🚀" * 5_000
    rows = flakes(flake(name), flake(name + "!"), keys=("test_name",), reader=readers.worst(readers.flakes)).rows
    rows += of_both([timed(name), timed(name + "!")], []).rows
    assert len(rows) == 4
    assert max(len(text) for labels, _ in rows for text in labels) == LONGEST_LABEL


def test_names_of_workflows_and_jobs_are_those_of_other_metrics_however_long() -> None:
    workflow, job = "w" * 5_000, "j" * 5_000
    assert flakes(flake(workflow_name=workflow, job_name=job)).rows == [((job, workflow), (1, None))]
    ((labels, _),) = of_both([timed("t" * 5_000, job_name=job)], []).rows
    assert labels[1] == job
    assert len(labels[2]) == LONGEST_LABEL
