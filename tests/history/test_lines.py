"""The lines of the past: series of `run`, with labels of the scrape, a 0 before they rise, and every step after it."""

from __future__ import annotations

from collections import defaultdict

from exporter.config import parse
from exporter.counting.cells import Key
from exporter.history.grid import Grid, Span
from exporter.history.growth import Growth
from exporter.history.lines import FAMILIES, Lines
from exporter.publishing import counted_lines
from exporter.runs.reading import Run

PROJECT = parse("projects: [{slug: gh/acme/web, runs: {buckets: [1m, 10m]}}]").projects[0]
GRID = Grid(100, 0, 9)
WHOLE = [Span(0, 10)]


def run(key: int, stopped: float, status: str = "success", duration: float | None = 30) -> Run:
    return Run(key, "main", int(stopped - 30), status, stopped, duration, 5, created=stopped - 30)


def lines(*runs: Run, spans: list[Span] = WHOLE, settings: str = "") -> dict[tuple[int, str], list[tuple[float, int]]]:
    """Value and time of each line, by the number of its file and its series."""
    project = parse(f"projects: [{{slug: gh/acme/web, runs: {{buckets: [1m, 10m]}}{settings}}}]").projects[0]
    growth = Growth("build", project, GRID, lambda branch: branch)
    growth.add(runs)
    ledger, points = growth.close()
    lines_of = Lines({"job": "c", "zone": "b", "project": project.name}, GRID, spans)
    found = defaultdict(list)
    for _, rows in sorted(counted_lines.of_workflows(ledger, project, ledger.workflows).items()):
        for family, own, value in (row for row in rows if row[0] in FAMILIES):
            rises = points.get(Key(family.name, own), ())
            for span, text in lines_of.of(family, own, rises, value, GRID.last):
                for line in text.splitlines():
                    series, number, time = line.rsplit(" ", 2)
                    assert series.startswith(family.name)
                    found[span, series].append((float(number), int(time)))
    return dict(found)


def of(status: str) -> str:
    labels = f'branch="main",job="c",project="gh/acme/web",status="{status}",workflow="build",zone="b"'
    return f"circleci_workflow_runs_total{{{labels}}}"


def test_a_series_has_one_0_before_it_rises_and_then_a_sample_every_step() -> None:
    found = lines(run(1, 250), run(2, 251), run(3, 620))
    assert found[0, of("success")] == [(0, 200), (2, 300), (2, 400), (2, 500), (2, 600), (3, 700), (3, 800), (3, 900)]


def test_series_that_have_not_risen_have_a_0_at_the_last_step() -> None:
    found = lines(run(1, 250), run(2, 950, "failed"))
    assert found[0, of("failed")] == found[0, of("unauthorized")] == [(0, 900)]


def test_the_series_of_a_histogram_begin_together_and_buckets_are_cumulative() -> None:
    found = lines(run(1, 750), run(2, 850, duration=300), run(3, 860, "error", None))
    labels = 'project="gh/acme/web",workflow="build",zone="b"'
    values = {
        bound: [
            value
            for value, _ in found[
                0, f'circleci_workflow_run_duration_seconds_bucket{{branch="main",job="c",le="{bound}",{labels}}}'
            ]
        ]
        for bound in ("60.0", "600.0", "+Inf")
    }
    assert values == {"60.0": [0, 1, 1], "600.0": [0, 1, 2], "+Inf": [0, 1, 2]}
    plain = f'{{branch="main",job="c",{labels}}}'
    assert found[0, f"circleci_workflow_run_duration_seconds_count{plain}"] == [(0, 700), (1, 800), (2, 900)]
    assert found[0, f"circleci_workflow_run_duration_seconds_sum{plain}"] == [(0, 700), (30, 800), (330, 900)]
    assert found[0, f"circleci_workflow_run_credits_total{plain}"] == [(0, 700), (5, 800), (15, 900)]


def test_each_file_has_the_steps_of_its_span() -> None:
    found = lines(run(1, 350), spans=[Span(0, 3), Span(3, 6), Span(6, 10)])
    series = of("success")
    assert (0, series) not in found
    assert found[1, series] == [(0, 300), (1, 400), (1, 500)]
    assert found[2, series] == [(1, 600), (1, 700), (1, 800), (1, 900)]


def test_families_that_the_settings_exclude_are_not_written() -> None:
    found = lines(run(1, 350), settings=', metrics: {exclude: ["*_duration_seconds", "*_credits_total"]}')
    assert {series.partition("{")[0] for _, series in found} == {"circleci_workflow_runs_total"}
