from __future__ import annotations

import gzip
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from structlog.testing import CapturingLogger

from exporter.formats.deflate import inflate
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.rendering import render
from exporter.publishing.repacking import Repacker
from exporter.publishing.store import SnapshotStore
from tests.counting.watched import Watched, pipeline, run, uuid
from tests.knowledge import samples
from tests.knowledge.samples import FACTS, project
from tests.runs.job_lists import CREATED, job

if TYPE_CHECKING:
    from exporter.publishing.rendering import Publication
    from exporter.system.logs import Logger


def snapshot(watched: Watched) -> Snapshot:
    assert watched.live is not None
    live = replace(watched.live, listed_at=watched.now)
    return Snapshot(watched.project, FACTS, ledger=watched.ledger, live=live)


def lines(found: Publication, family: str) -> list[str]:
    text = found.texts.get(family)
    if text is None:
        return []
    assert isinstance(text.text, bytes)
    return text.text.decode().splitlines()


def watching(settings: str = "collectors: [pipelines]") -> Watched:
    watched = Watched(project(settings))
    watched.look(pipeline(), [run("running")], {1: [job("a", None, None, status="queued")]})
    watched.look(pipeline(200), [run("on_hold", 5, number=2)], {2: [job("a", None, None, status="blocked")]})
    watched.look(pipeline(300), [run("canceled", 0, 1, number=3)], {3: [job("a", 5, None, status="running")]})
    return watched


def test_runs_in_progress_are_counted_by_status_and_a_canceled_one_is_none() -> None:
    watched = watching()
    shown = render(snapshot(watched), watched.now, polled=True)
    assert lines(shown, "circleci_workflow_runs_in_progress") == [
        f'circleci_workflow_runs_in_progress{{branch="main",project="gh/acme/web",status="{status}",'
        f'workflow="build"}} {n}.0'
        for status, n in (("running", 1), ("failing", 0), ("on_hold", 1), ("queued", 0), ("other", 0))
    ]
    [oldest] = lines(shown, "circleci_workflow_oldest_run_in_progress_timestamp_seconds")
    assert float(oldest.split()[-1]) == CREATED


def test_jobs_in_progress_are_counted_by_status_those_of_canceled_runs_too() -> None:
    watched = watching()
    shown = render(snapshot(watched), watched.now, polled=True)
    assert lines(shown, "circleci_jobs_in_progress") == [
        f'circleci_jobs_in_progress{{project="gh/acme/web",status="{status}"}} {n}.0'
        for status, n in (
            ("running", 1),
            ("queued", 1),
            ("not_running", 0),
            ("on_hold", 0),
            ("blocked", 1),
            ("other", 0),
        )
    ]
    [oldest] = lines(shown, "circleci_oldest_waiting_job_timestamp_seconds")
    labels, _, since = oldest.rpartition(" ")
    assert labels.endswith('{project="gh/acme/web"}')
    assert float(since) == CREATED
    [named] = lines(shown, "circleci_oldest_waiting_job_info")
    assert named == 'circleci_oldest_waiting_job_info{job_name="a",project="gh/acme/web",workflow="build"} 1.0'


def test_the_oldest_waiting_job_changes_its_name_with_the_run_that_waits() -> None:
    watched = Watched(project("collectors: [pipelines]"))
    waiting = [job("a", None, None, status="queued")]
    watched.look(pipeline(), [run("running")], {1: waiting})
    before = render(snapshot(watched), watched.now, polled=True)
    assert watched.live is not None
    [known] = watched.live.pipelines.values()
    renamed = replace(known, runs=(replace(known.runs[0], name="deploy"),))
    other = replace(snapshot(watched), live=replace(watched.live, listed_at=watched.now, pipelines={known.id: renamed}))
    after = render(other, watched.now, polled=True, before=before.shown())
    [named] = lines(after, "circleci_oldest_waiting_job_info")
    assert 'workflow="deploy"' in named


def test_where_nothing_runs_everything_in_progress_is_0_and_nothing_is_oldest() -> None:
    watched = Watched()
    watched.look(pipeline(), [run("success", 0, 9)], {1: []})
    shown = render(snapshot(watched), watched.now, polled=True)
    for family in ("circleci_workflow_runs_in_progress", "circleci_jobs_in_progress"):
        assert {line.split()[-1] for line in lines(shown, family)} == {"0.0"}
    assert lines(shown, "circleci_workflow_oldest_run_in_progress_timestamp_seconds") == []
    assert lines(shown, "circleci_oldest_waiting_job_timestamp_seconds") == []
    assert lines(shown, "circleci_oldest_waiting_job_info") == []


def test_of_what_was_not_looked_at_for_three_times_the_longest_gap_nothing_is_said() -> None:
    watched = watching()
    known = snapshot(watched)
    assert known.live is not None
    stale = watched.now + 3 * 900
    late = replace(known, live=replace(known.live, listed_at=stale))
    before = render(late, stale - 1, polled=True)
    assert any(line.endswith(" 1.0") for line in lines(before, "circleci_workflow_runs_in_progress"))
    assert before.expires_at == stale
    after = render(late, stale, polled=True)
    for family in ("circleci_workflow_runs_in_progress", "circleci_jobs_in_progress"):
        assert lines(after, family) == []
    assert lines(after, "circleci_job_runs_total") != []


def test_counters_are_shown_no_longer_when_the_list_cannot_be_read_for_too_long() -> None:
    watched = watching()
    shown = render(snapshot(watched), watched.now + 3 * 900, polled=True)
    for family in ("circleci_workflow_runs_total", "circleci_job_runs_total", "circleci_workflow_runs_in_progress"):
        assert lines(shown, family) == []


def test_metrics_can_be_left_out_by_name() -> None:
    watched = watching("collectors: [pipelines]\nmetrics: {exclude: ['circleci_job_run_*']}")
    shown = render(snapshot(watched), watched.now, polled=True)
    assert lines(shown, "circleci_job_run_wait_seconds") == lines(shown, "circleci_job_run_duration_seconds") == []
    assert lines(shown, "circleci_job_runs_total") != []


def test_the_limit_of_series_keeps_workflows_before_jobs_and_counters_before_histograms() -> None:
    watched = watching("collectors: [pipelines]\nmax_series: 110")
    shown = render(snapshot(watched), watched.now, polled=True)
    assert len(lines(shown, "circleci_workflow_runs_total")) == 5
    assert len(lines(shown, "circleci_workflow_runs_in_progress")) == 5
    assert lines(shown, "circleci_job_runs_total") != []
    assert lines(shown, "circleci_job_run_wait_seconds") == []
    assert shown.cut > 0


@pytest.mark.parametrize("limit", [150, 100_000])
def test_what_is_published_look_by_look_is_what_is_published_at_once(limit: int) -> None:
    chance = Random(limit)  # noqa: S311  nothing secret hangs on it
    watched = Watched(project(f"collectors: [pipelines]\nbranches: [develop]\nmax_series: {limit}"))
    store = SnapshotStore()
    for number in range(1, 60):
        branch, status = chance.choice(["main", "develop", "other"]), chance.choice(["success", "failed", "running"])
        stopped = None if status == "running" else chance.randrange(1, 900)
        jobs = [
            job(name, 1, stopped, status=status, identifier=f"{number} {place}")
            for place, name in enumerate(chance.sample(["a", "b\u00fc", "c", "d"], chance.randrange(4)))
        ]
        watched.now += chance.choice([1, 30, 90])
        watched.look(
            replace(pipeline(number), branch=branch, id=f"{number:08x}-0000-4000-8000-000000000000"),
            [run(status, 0, stopped, number=number)],
            {number: jobs},
        )
        store.publish([snapshot(watched)], watched.now)
        fresh = SnapshotStore()
        fresh.publish([snapshot(watched)], watched.now)
        for known, other in (
            (store.exposition.text, fresh.exposition.text),
            (store.exposition.openmetrics, fresh.exposition.openmetrics),
        ):
            shown = b"".join(map(inflate, known.pieces)).splitlines()
            assert of_circleci(shown) == of_circleci(b"".join(map(inflate, other.pieces)).splitlines())
            assert of_circleci(shown)


def of_circleci(found: list[bytes]) -> list[bytes]:
    return [line for line in found if b"circleci_exporter_" not in line]


def test_exemplars_are_in_openmetrics_alone_with_the_run_that_fell_into_the_bucket() -> None:
    watched = Watched()
    after = watched.look(pipeline(), [run("running")], {1: [job("a", 1, None, status="running")]})
    watched.settle()
    watched.look(after, [run("success", 0, 61.5)], {1: [job("a", 1, 41.25)]})
    store = SnapshotStore()
    store.publish([snapshot(watched)], watched.now)
    plain, marked = (
        b"".join(map(inflate, joined.pieces)).decode()
        for joined in (store.exposition.text, store.exposition.openmetrics)
    )
    assert "# {" not in plain
    found = {
        (sample.name, sample.labels["le"]): sample.exemplar
        for family in parse_openmetrics(marked + "# EOF\n")
        for sample in family.samples
        if sample.exemplar
    }
    assert {
        key: (exemplar.labels, exemplar.value, float(exemplar.timestamp)) for key, exemplar in found.items() if exemplar
    } == {
        ("circleci_workflow_run_duration_seconds_bucket", "90.0"): ({"workflow_id": uuid(1)}, 61.5, CREATED + 61.5),
        ("circleci_job_run_duration_seconds_bucket", "90.0"): ({"workflow_id": uuid(1)}, 40.25, CREATED + 41.25),
    }


def test_only_families_with_exemplars_have_blocks_of_their_own_for_openmetrics() -> None:
    watched = Watched()
    after = watched.look(pipeline(), [run("running")], {1: [job("a", 1, None, status="running")]})
    watched.settle()
    watched.look(after, [run("success", 0, 61.5)], {1: [job("a", 1, 41.25)]})
    store = SnapshotStore()
    other = replace(samples.snapshot(), project=project("name: other", "gh/acme/api"))
    store.publish([other, snapshot(watched)], watched.now)
    histograms = {"circleci_workflow_run_duration_seconds", "circleci_job_run_duration_seconds"}
    assert store.exposition.marked.keys() == histograms

    def both() -> list[bytes]:
        formats = store.exposition.text, store.exposition.openmetrics
        return [gzip.decompress(b"".join(joined.member())) for joined in formats]

    text, openmetrics = both()
    assert (text.count(b" # {"), openmetrics.count(b" # {")) == (0, 2)
    repacker = Repacker(store, cast("Logger", CapturingLogger()))
    repacker.look(lambda _seconds: False)
    assert repacker.look(lambda _seconds: False) == len(store.blocks())
    assert both() == [text, openmetrics]
    store.withdraw(["gh/acme/web"])
    assert [found.count(b"job_run_duration") for found in both()] == [0, 0]
