"""The one shared state: what scrapes read while projects come, change and go."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.formats.deflate import inflate, packed
from exporter.insights.collectors import COLLECTORS
from exporter.insights.families import JOB, WORKFLOW
from exporter.knowledge.snapshots import Snapshot
from exporter.publishing.blocks import BLOCK
from exporter.publishing.store import SnapshotStore
from tests.knowledge.samples import FACTS, NOW, part, project, snapshot, workflow_row

if TYPE_CHECKING:
    from exporter.formats.deflate import Joined
    from exporter.publishing.exposition import Exposition

SLUGS = [f"gh/acme/{name}" for name in ("web", "api", "mobile", "infra", "docs")]


def of(slug: str, workflows: tuple[str, ...] = ("build",)) -> Snapshot:
    known = snapshot(workflows=workflows)
    asked = project(slug=slug)
    parts = {question._replace(slug=slug): part for question, part in known.parts.items()}
    return replace(known, project=asked, parts=parts)


def plain(joined: Joined) -> bytes:
    return b"".join(inflate(piece) for piece in joined.pieces)


def scraped(exposition: Exposition) -> bytes:
    """One scrape of the text format, through gzip, with its CRC and length checked."""
    return gzip.decompress(b"".join(exposition.text.member()))


def test_an_empty_store_shows_nothing() -> None:
    assert scraped(SnapshotStore().exposition) == b""


def test_families_stand_together_whatever_project_they_are_of() -> None:
    store = SnapshotStore()
    store.publish([of(slug) for slug in SLUGS], NOW)
    names = [line.split("{")[0] for line in scraped(store.exposition).decode().splitlines() if not line.startswith("#")]
    assert len(names) > 5 * 30
    seen = list(dict.fromkeys(names))
    assert names == [name for name in seen for _ in range(names.count(name))]


def test_both_formats_hold_the_same_samples_under_different_headers() -> None:
    store = SnapshotStore()
    store.publish([of("gh/acme/web")], NOW)
    text, openmetrics = plain(store.exposition.text).splitlines(), plain(store.exposition.openmetrics).splitlines()
    assert [line for line in text if line[:1] != b"#"] == [line for line in openmetrics if line[:1] != b"#"]
    assert b"# TYPE circleci_exporter_dropped_series_total counter" in text
    assert b"# TYPE circleci_exporter_dropped_series counter" in openmetrics


def test_a_family_without_a_sample_has_no_header() -> None:
    store = SnapshotStore()
    store.publish([of("gh/acme/web")], NOW)
    store.publish([Snapshot(project())], NOW)
    assert b"circleci_insights_workflow_runs" not in scraped(store.exposition)
    assert b"# TYPE circleci_exporter_dropped_series_total counter" in scraped(store.exposition)


def test_an_exposition_that_was_taken_stays_as_it_was() -> None:
    store = SnapshotStore()
    store.publish([of("gh/acme/web")], NOW)
    taken, before = store.exposition, scraped(store.exposition)
    store.publish([of("gh/acme/web", ("other",)), of("gh/acme/api")], NOW)
    store.withdraw(["gh/acme/web"])
    assert scraped(taken) == before
    assert b"gh/acme/web" not in scraped(store.exposition)


def test_what_is_new_is_compressed_when_it_is_settled_and_told_to_be_fresh_until_then() -> None:
    def unpacked() -> list[str]:
        return [name for name, known in store.exposition.known.items() if known._state[1]]

    store = SnapshotStore()
    for workflow in ("build", "other"):
        store.publish([of("gh/acme/web", (workflow,))], NOW)
        store.publish([of("gh/acme/api", (workflow,))], NOW)
        assert (unpacked() != [], store.fresh.is_set()) == (True, True)
        store.settle()
        assert (unpacked(), store.fresh.is_set()) == ([], False)
    store.withdraw(["gh/acme/api"])
    assert store.fresh.is_set()
    store.settle()
    assert unpacked() == []


def test_withdrawing_a_project_frees_its_place_for_another() -> None:
    store = SnapshotStore()
    store.publish([of(slug) for slug in SLUGS], NOW)
    store.withdraw([*SLUGS[1:3], "gh/acme/unknown"])
    store.publish([of("gh/acme/new"), of("gh/acme/newer"), of("gh/acme/newest")], NOW)
    body = scraped(store.exposition)
    shown = {slug for slug in [*SLUGS, "gh/acme/new", "gh/acme/newer", "gh/acme/newest"] if slug.encode() in body}
    assert shown == {SLUGS[0], *SLUGS[3:], "gh/acme/new", "gh/acme/newer", "gh/acme/newest"}
    assert shown == store.published.keys()


def test_series_are_counted_by_collector() -> None:
    store = SnapshotStore()
    store.publish([of("gh/acme/web"), of("gh/acme/api", ("a", "b"))], NOW)
    assert store.series == {"workflows": 3 * len(WORKFLOW), "jobs": 3 * len(JOB)}
    store.publish([of("gh/acme/api")], NOW)
    assert store.series == {"workflows": 2 * len(WORKFLOW), "jobs": 2 * len(JOB)}
    store.withdraw(["gh/acme/web", "gh/acme/api"])
    assert store.series == {}


def test_what_was_dropped_is_kept_with_the_snapshot() -> None:
    store = SnapshotStore()
    limited = replace(of("gh/acme/web"), project=project("max_series: 20"))
    store.publish([limited], NOW, polled=True)
    kept = store.get("gh/acme/web")
    assert kept is not None
    assert kept.dropped["max_series"] == 14


def test_a_project_that_is_not_polled_is_unknown() -> None:
    assert SnapshotStore().get("gh/acme/web") is None


def test_each_project_has_one_lock_of_its_own() -> None:
    store = SnapshotStore()
    assert store.lock("gh/acme/web") is store.lock("gh/acme/web")
    assert store.lock("gh/acme/web") is not store.lock("gh/acme/api")


@given(st.lists(st.tuples(st.sampled_from(SLUGS), st.integers(0, 3)), max_size=12), st.integers(0, 2**32))
def test_the_crc_holds_after_any_publications_and_withdrawals(steps: list[tuple[str, int]], seed: int) -> None:
    store, chance = SnapshotStore(), random.Random(seed)  # noqa: S311  names, no secrets
    for slug, workflows in steps:
        if workflows:
            store.publish([of(slug, tuple(f"w{chance.randrange(9)}-{n}" for n in range(workflows)))], NOW)
        else:
            store.withdraw([slug])
        for joined in (store.exposition.text, store.exposition.openmetrics):
            body = plain(joined)
            assert (zlib.crc32(body), len(body)) == (joined.crc, joined.size)
    assert {slug for slug in SLUGS if slug.encode() in scraped(store.exposition)} == store.published.keys()


JOBS = st.dictionaries(st.sampled_from(["lint", "test", "pack"]), st.none() | st.integers(0, 9), max_size=3)
STATES = st.tuples(
    st.lists(JOBS, max_size=3),
    st.lists(JOBS, max_size=1),
    st.sampled_from([18, 60, 20_000]),
    st.sampled_from([0, 9000]),
)


@given(st.lists(STATES, max_size=6))
def test_a_store_shows_the_same_whatever_it_has_shown_before(
    states: list[tuple[list[dict[str, int | None]], list[dict[str, int | None]], int, int]],
) -> None:
    store, api = SnapshotStore(), of("gh/acme/api")
    store.publish([api], NOW)
    for jobs, workflows, limit, later in states:
        parts = {}
        for collector, found in (("jobs", jobs), ("workflows", workflows)):
            for number, rows in enumerate(found):
                asked = COLLECTORS[collector].questions(
                    "gh/acme/web", workflow=f"w{number}", branch="main", windows=["last-7-days"]
                )
                answer = [workflow_row(name, total_runs=runs) for name, runs in rows.items()]
                parts[next(asked)] = part(collector, answer, at=NOW - 3 * 3600 + number * 5000)
        web = Snapshot(project(f"max_series: {limit}"), FACTS, parts)
        store.publish([web], NOW + later - 9000)
        fresh = SnapshotStore()
        fresh.publish([api, web], NOW + later - 9000)
        assert scraped(store.exposition) == scraped(fresh.exposition)
        assert store.series == fresh.series


def test_of_projects_that_are_published_together_all_are_shown_or_none() -> None:
    store = SnapshotStore()
    store.publish([of("gh/acme/web")], NOW)
    before, shown = scraped(store.exposition), store.published
    broken = of("gh/acme/docs")
    question = next(iter(broken.parts))
    broken = replace(broken, parts={question: replace(broken.parts[question], rows=packed(b"no rows"))})
    fleet = [of(f"gh/acme/new-{number}") for number in range(BLOCK + 1)]
    with pytest.raises(json.JSONDecodeError):
        store.publish([of("gh/acme/web", ("other",)), *fleet, broken], NOW)
    assert scraped(store.exposition) == before
    assert store.published is shown
    store.publish([of("gh/acme/docs"), of("gh/acme/web", ("other",))], NOW)
    fresh = SnapshotStore()
    fresh.publish([of("gh/acme/docs"), of("gh/acme/web", ("other",))], NOW)
    assert sorted(scraped(store.exposition).splitlines()) == sorted(scraped(fresh.exposition).splitlines())


def test_a_project_that_is_published_twice_at_once_shows_the_newer() -> None:
    store = SnapshotStore()
    store.publish([of("gh/acme/web"), of("gh/acme/web", ("build", "other"))], NOW)
    fresh = SnapshotStore()
    fresh.publish([of("gh/acme/web", ("build", "other"))], NOW)
    assert scraped(store.exposition) == scraped(fresh.exposition)
    assert store.series == fresh.series
