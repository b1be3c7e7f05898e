"""What a scrape has of organizations: byte for byte as the library reads it, within a limit, each series once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from exporter.config import parse
from exporter.counting.cells import Cell, Distribution, Key
from exporter.formats.deflate import inflate
from exporter.publishing.exposition import beside
from exporter.usage.counting import Sums
from exporter.usage.families import CREDITS, FAMILIES, JOB_CREDITS, JOB_RUNS, JOB_SECONDS, QUEUE
from exporter.usage.lines import Shown, sample_lines
from exporter.usage.unpacking import records
from tests.usage.making import TODAY, csv_text, row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.counting.cells import Value

BOUNDS = (1.0, 5.0)


def job(name: str, credits: int = 5, project: str = "gh/acme/shop") -> dict[Key, Value]:  # noqa: A002  CircleCI's word
    labels = (name, project, "medium", "build")
    return {
        Key(JOB_CREDITS.name, labels): credits,
        Key(JOB_SECONDS.name, labels): 1.5,
        Key(JOB_RUNS.name, (name, project, "medium", "success", "build")): 1,
        Key(JOB_RUNS.name, (name, project, "medium", "failed", "build")): 0,
    }


def cells_of(values: Mapping[Key, Value]) -> dict[Key, Cell]:
    return {key: Cell(value, 0.0, 0.0) for key, value in values.items()}


def shown(name: str = "gh/acme", **jobs: int) -> Shown:
    values: dict[Key, Value] = {Key(CREDITS.name, ("compute", name)): 7}
    for each, credits_ in jobs.items():
        values |= job(each, credits_)
    values[Key(QUEUE.name, ("gh/acme/shop", "medium"))] = Distribution(BOUNDS, (1, 0, 2), 90.25)
    labels = ("a", "gh/acme/shop", "medium", "build")
    return Shown(name, cells_of(values), TODAY.toordinal(), ({labels: 35.1}, {}, {}, {labels: 100.0}))


def read(*organizations: Shown, room: int = 1000) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families, _ = sample_lines(organizations, BOUNDS, room)
    text = inflate(beside(families).text.deflated).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def names(of: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str) -> list[str]:
    return sorted(dict(labels)["job_name"] for sample, labels in of if sample == name)


def test_every_family_is_read_by_the_library_as_it_was_meant() -> None:
    found = read(shown(a=5))
    assert {name: value for (name, _), value in found.items() if "queue" in name and "bucket" not in name} == {
        "circleci_usage_job_queue_seconds_count": 3,
        "circleci_usage_job_queue_seconds_sum": 90.25,
    }
    labels = (("job_name", "a"), ("project", "gh/acme/shop"), ("resource_class", "medium"), ("workflow", "build"))
    assert found["circleci_usage_job_run_seconds_total", labels] == 1.5
    assert found["circleci_usage_job_cpu_median_ratio", labels] == 0.351
    assert found["circleci_usage_job_memory_max_ratio", labels] == 1
    assert found["circleci_usage_day_timestamp_seconds", (("organization", "gh/acme"),)] == 1_795_564_800


def test_labels_are_in_alphabetical_order() -> None:
    assert all(list(family.labels) == sorted(family.labels) for family in FAMILIES)


def test_a_series_of_two_organizations_is_their_sum() -> None:
    found = read(shown(a=5, b=1), shown("gh/other", a=2))
    labels = (("job_name", "a"), ("project", "gh/acme/shop"), ("resource_class", "medium"), ("workflow", "build"))
    assert found["circleci_usage_job_credits_total", labels] == 7
    assert (
        found["circleci_usage_job_queue_seconds_count", (("project", "gh/acme/shop"), ("resource_class", "medium"))]
        == 6
    )
    kinds = {dict(labels)["organization"] for name, labels in found if name == "circleci_usage_credits_total"}
    assert kinds == {"gh/acme", "gh/other"}


def test_the_limit_keeps_whole_jobs_in_the_order_of_their_labels_and_holds_for_each_organization() -> None:
    jobs: Any = {"c": 1, "a": 2, "b": 3}
    for room, kept in ((2, []), (9, []), (10, ["a"]), (17, ["a"]), (18, ["a", "b"]), (26, ["a", "b", "c"])):
        assert names(read(shown(**jobs), room=room), "circleci_usage_job_credits_total") == kept
        assert names(read(shown(**jobs), room=room), "circleci_usage_job_run_seconds_total") == kept
    _, dropped = sample_lines([shown(**jobs), shown("gh/other", y=1, z=1)], BOUNDS, 18)
    assert dropped == {"gh/acme": 13, "gh/other": 5}


def test_a_job_that_is_shown_before_its_ratios_are_stays_with_them() -> None:
    held = replace(shown(a=1, b=1), newest=0, use=())
    for room in range(30):
        before, after = read(held, room=room), read(shown(a=1, b=1), room=room)
        assert before.keys() <= after.keys()


def test_histograms_with_other_bounds_are_not_shown() -> None:
    families, _ = sample_lines([shown(a=1)], (1.0, 6.0), 1000)
    assert QUEUE not in dict(families)


def test_an_organization_of_which_nothing_was_read_shows_nothing() -> None:
    assert sample_lines([Shown("gh/acme")], BOUNDS, 10)[0] == []


def test_2000_jobs_in_20_classes_of_50_projects_have_the_series_that_the_documents_name() -> None:
    bounds = parse("projects: [gh/a/b]").defaults.pipelines.wait_buckets
    rows = (
        row(
            number,
            JOB_NAME=f"job-{number % 2000}",
            RESOURCE_CLASS=f"class-{number % 2000 // 100}",
            PROJECT_NAME=f"project-{number % 50}",
            JOB_BUILD_STATUS="failed" if number % 7 == 0 else "success",
        )
        for number in range(4000)
    )
    sums = Sums({}, bounds)
    sums.add(sums.read(records([csv_text(rows).encode()])))
    cells = sums.added("gh/acme")
    use = {key.labels: 50.0 for key in cells if key.family == JOB_CREDITS.name}
    shown_ = Shown("gh/acme", cells_of(cells), TODAY.toordinal(), (use,) * 4)
    families, _ = sample_lines([shown_], bounds, 1_000_000)
    by_family = {family.name: text.count(b"\n") for family, text in families}
    queues = by_family.pop(QUEUE.name)
    assert sum(by_family.values()) == 2000 * 8 + 8 + 1
    assert queues == 12 * 50 * 20
    assert sample_lines([shown_], bounds, 28_009)[1] == {"gh/acme": 0}
