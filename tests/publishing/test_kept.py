"""Lines that an earlier process showed: shown again where they would be the same, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Project
from exporter.config.section import Labels
from exporter.config.settings import Globs, Jobs, Pipelines, Runs, TopTests
from exporter.formats.deflate import packed
from exporter.insights.collectors import COLLECTORS
from exporter.insights.families import WORKFLOW
from exporter.knowledge.packing import fingerprint
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.publishing.kept import Kept, Origin, digest, read, written
from exporter.publishing.store import SnapshotStore
from exporter.runs import Ledger
from tests.publishing.test_store import SLUGS, of, scraped
from tests.samples import FACTS, NOW, part, project, workflow_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WEB, API, MOBILE = SLUGS[:3]
ORIGIN = Origin(7, "settings", NOW)
SENTINEL = b'circleci_insights_workflow_success_ratio{project="gh/acme/web",workflow="kept"} 1\n'


def shown(*snapshots: Snapshot) -> SnapshotStore:
    store = SnapshotStore()
    store.publish(snapshots, NOW)
    return store


def restored(before: Kept, *snapshots: Snapshot, at: float = NOW) -> SnapshotStore:
    """A store that begins with the lines of another, after they were written and read."""
    store = SnapshotStore()
    store.adopt(read(BytesIO(b"".join(written(before)))))
    store.publish(snapshots, at)
    store.release()
    return store


def lines(store: SnapshotStore) -> list[bytes]:
    return sorted(scraped(store.exposition).splitlines())


def marked(before: SnapshotStore, slug: str = WEB) -> Kept:
    """What a store shows, but for one family of one project, of which it says something else: so it can be told."""
    lines = before.shown()
    name = "circleci_insights_workflow_success_ratio"
    other = lines.families[name].replaced({lines.slots[slug]: SENTINEL})
    return replace(lines, families={**lines.families, name: other})


def test_what_is_written_is_read_again() -> None:
    store = shown(*map(of, SLUGS))
    before = store.shown()
    found = read(BytesIO(b"".join(written(before))))
    assert (found.slots, found.sections, found.rows) == (before.slots, before.sections, before.rows)
    assert found.slots.keys() == set(SLUGS)
    again = restored(before, *map(of, SLUGS))
    assert scraped(again.exposition) == scraped(store.exposition)
    assert again.series == store.series


def test_lines_that_are_whole_are_shown_before_anything_is_published_and_until_all_is() -> None:
    before = shown(*map(of, SLUGS))
    lines = read(BytesIO(b"".join(written(before.shown(ORIGIN)))))
    store = SnapshotStore()
    store.adopt(lines)
    assert (store.exposition.projects, store.exposition.series) == (len(SLUGS), before.series)
    assert scraped(store.exposition) == scraped(before.exposition)
    store.publish([of(WEB)], NOW)
    assert scraped(store.exposition) == scraped(before.exposition), "a part of them would be less"
    store.publish([of(API)], NOW)
    store.release()
    assert scraped(store.exposition) == scraped(shown(of(WEB), of(API)).exposition)
    assert (store.exposition.projects, store.exposition.series) == (2, store.series)


def test_lines_that_became_too_old_are_hidden_until_all_is_published() -> None:
    store = SnapshotStore()
    store.adopt(read(BytesIO(b"".join(written(shown(*map(of, SLUGS)).shown(ORIGIN))))))
    store.hide()
    assert (scraped(store.exposition), store.exposition.projects) == (b"", 0)
    store.publish([of(WEB)], NOW)
    assert scraped(store.exposition) == b""
    store.publish([of(API)], NOW)
    store.release()
    store.hide()
    assert scraped(store.exposition) == scraped(shown(of(WEB), of(API)).exposition)


def test_lines_that_may_not_be_whole_are_not_shown_before_what_is_published() -> None:
    store = SnapshotStore()
    store.adopt(shown(*map(of, SLUGS)).shown())
    assert scraped(store.exposition) == b""


@pytest.mark.parametrize(
    "snapshot",
    [
        replace(of(WEB), dropped={"max_series": 3}),
        replace(of(WEB), project=of(WEB).project.model_copy(update={"max_series": 5})),
        replace(of(WEB), ledger=Ledger(int(NOW), NOW, (60.0,), {})),
    ],
    ids=["a count that begins anew", "lines that were cut", "runs"],
)
def test_lines_are_not_whole_beside_what_a_start_changes(snapshot: Snapshot) -> None:
    assert shown(of(API)).shown(ORIGIN).whole is not None
    store = SnapshotStore()
    store.publish([of(API), snapshot], NOW, polled=True)
    assert store.shown(ORIGIN).whole is None


def test_lines_hold_until_the_first_of_them_is_too_old() -> None:
    store = shown(of(WEB), of(API))
    whole = store.shown(ORIGIN).whole
    assert whole is not None
    assert whole.until == min(each.expires_at or 0.0 for _, each in store.published.values())
    assert (whole.projects, whole.series, whole.origin) == (2, store.series, ORIGIN)


def test_what_would_be_the_same_is_not_rendered() -> None:
    kept = marked(shown(of(WEB), of(API)))
    assert SENTINEL.strip() in lines(restored(kept, of(WEB), of(API)))
    assert SENTINEL.strip() in lines(restored(kept, of(API), of(WEB))), "in another order"
    assert SENTINEL.strip() in lines(restored(kept, of(MOBILE), of(WEB))), "beside other projects"


CHANGED = {
    "other rows": replace(of(WEB), parts=of(WEB, ("other",)).parts),
    "one part less": replace(of(WEB), parts=dict([*of(WEB).parts.items()][1:])),
    "another name": replace(of(WEB), project=project("name: other", slug=WEB)),
    "other metrics": replace(of(WEB), project=project("metrics: {exclude: ['*_median_*']}", slug=WEB)),
    "other workflows": replace(of(WEB), project=project("workflows: {exclude: [build]}", slug=WEB)),
    "less room": replace(of(WEB), project=project("max_series: 3", slug=WEB)),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_what_would_be_something_else_is_rendered(changed: Snapshot) -> None:
    before, now = of(API), shown(changed, of(API))
    store = restored(marked(shown(of(WEB), before)), changed, before)
    assert lines(store) == lines(now)
    assert store.series == now.series


def test_what_is_too_old_by_now_is_not_shown() -> None:
    later = NOW + 30 * 86_400
    store, now = restored(marked(shown(of(WEB))), of(WEB), at=later), SnapshotStore()
    now.publish([of(WEB)], later)
    assert lines(store) == lines(now)
    assert b"circleci_insights_workflow" not in scraped(store.exposition)


def test_what_is_published_in_steps_is_the_same_and_keeps_its_slot() -> None:
    kept = marked(shown(*map(of, SLUGS)))
    store = SnapshotStore()
    store.adopt(kept)
    store.publish([of(MOBILE), of("gh/acme/new")], NOW)
    store.publish([of(API), of(WEB, ("other",))], NOW)
    store.publish([of(WEB)], NOW)
    store.release()
    assert lines(store) == lines(shown(of(MOBILE), of("gh/acme/new"), of(API), of(WEB)))
    slots = store.shown().slots
    assert {slug: slots[slug] for slug in (WEB, API, MOBILE)} == {WEB: 0, API: 1, MOBILE: 2}
    store.release()
    assert len(store.published) == 4


def test_a_publication_that_fails_takes_nothing_of_what_was_kept() -> None:
    kept = marked(shown(of(WEB), of(API)))
    store, broken = SnapshotStore(), of(API)
    question = next(iter(broken.parts))
    broken = replace(broken, parts={question: replace(broken.parts[question], rows=packed(b"no rows"))})
    store.adopt(kept)
    with pytest.raises(json.JSONDecodeError):
        store.publish([of(WEB), broken], NOW)
    store.publish([of(WEB), of(API)], NOW)
    assert SENTINEL.strip() in lines(store)


MIXED: dict[str, Callable[[Any], object]] = {
    "a project without a slot": lambda head: head["slots"].pop(WEB),
    "a slot without a project": lambda head: head["sections"].pop(WEB),
    "a slot that is a text": lambda head: head["slots"].update({WEB: "1"}),
    "a slot that is no whole number": lambda head: head["slots"].update({WEB: 1.0}),
    "a slot below the first": lambda head: head["slots"].update({WEB: -1}),
    "one slot for two": lambda head: head["slots"].update({WEB: head["slots"][API]}),
    "lines of another family": lambda head: head["sets"][0].append("another family"),
    "no sets of families": lambda head: head["sets"].clear(),
    "a number that is a text": lambda head: section(head).__setitem__(1, "5"),
    "a digest that is none": lambda head: section(head).__setitem__(0, "none"),
    "blocks of another family": lambda head: head["families"].update({"another family": []}),
    "a count that is a text": lambda head: head.update(rows="many"),
    "a commit that is a text": lambda head: head["whole"][0].__setitem__(0, "5"),
    "settings that are a number": lambda head: head["whole"][0].__setitem__(1, 5),
    "an age that is a text": lambda head: head["whole"].__setitem__(1, "soon"),
    "projects that are a text": lambda head: head["whole"].__setitem__(2, "5"),
    "series that are a list": lambda head: head["whole"].__setitem__(3, [5]),
    "series that are texts": lambda head: head["whole"].__setitem__(3, {"workflows": "5"}),
}


def section(head: Any) -> list[object]:
    found: list[object] = next(iter(head["sections"][WEB].values()))
    return found


@pytest.mark.parametrize("change", MIXED.values(), ids=MIXED)
def test_parts_that_do_not_belong_together_are_refused_whole(change: Callable[[Any], object]) -> None:
    head, _, rest = b"".join(written(shown(of(WEB), of(API)).shown(ORIGIN))).partition(b"\n")
    document = json.loads(head)
    assert read(BytesIO(json.dumps(document).encode() + b"\n" + rest)).slots == {WEB: 0, API: 1}
    change(document)
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        read(BytesIO(json.dumps(document).encode() + b"\n" + rest))


def test_a_project_that_is_gone_leaves_no_line_and_its_slot_to_another() -> None:
    kept = shown(*map(of, SLUGS)).shown()
    store = restored(kept, of(SLUGS[0]), of(SLUGS[4]))
    assert lines(store) == lines(shown(of(SLUGS[0]), of(SLUGS[4])))
    store.publish([of(SLUGS[2])], NOW)
    assert lines(store) == lines(shown(of(SLUGS[0]), of(SLUGS[2]), of(SLUGS[4])))
    assert sorted(store.shown().slots.values()) == [0, 1, 4]


def test_lines_that_were_cut_are_rendered_again() -> None:
    rows = [workflow_row("build"), workflow_row("deploy")]
    question = next(iter(of(WEB).parts))
    limited = Snapshot(
        project(f"max_series: {len(WORKFLOW) + 1}", slug=WEB), FACTS, {question: part("workflows", rows)}
    )
    kept = marked(shown(limited))
    store = restored(kept, limited)
    assert lines(store) == lines(shown(limited))
    assert store.series == {"workflows": len(WORKFLOW)}
    assert SENTINEL.strip() not in lines(store)


def test_no_line_of_runs_is_kept_since_it_may_have_an_exemplar() -> None:
    families = shown(of(WEB)).shown().families
    assert "circleci_insights_workflow_success_ratio" in families
    assert not [name for name in families if name.startswith(("circleci_workflow_", "circleci_job_"))]


def test_the_rows_of_every_part_are_said_to_be_readable() -> None:
    before = part("workflows", [workflow_row(success_rate=0.5)])
    (question, newest), *others = of(WEB).parts.items()
    known = replace(of(WEB), parts={question: replace(newest, previous=before.rows), **dict(others)})
    every = {fingerprint(each.rows, asked.collector) for asked, each in known.parts.items()}
    every.add(fingerprint(before.rows, "workflows"))
    assert shown(known).shown().rows == every


OTHER: dict[str, object] = {
    "interval": 1800.0,
    "stale_after": 99_000.0,
    "windows": ("last-30-days",),
    "default_branch": False,
    "all_branches": True,
    "branches": ("dev",),
    "collectors": ("workflows",),
    "workflows": Globs(include=("a",)),
    "jobs": Jobs(include=("a",)),
    "metrics": Globs(exclude=("a",)),
    "runs": Runs.model_validate({"interval": "2m"}),
    "pipelines": Pipelines(jobs=False),
    "flaky_tests": TopTests(top=3),
    "tests": TopTests(top=3),
    "labels": Labels.of({"team": "a"}),
    "project_label": "slug",
    "max_series": 7,
    "slug": API,
    "name": "other",
}


def test_the_digest_tells_every_setting() -> None:
    known = Project(slug=WEB)
    assert OTHER.keys() == Project.model_fields.keys()
    digests = {digest((known.model_copy(update={key: value}),)) for key, value in OTHER.items()}
    assert len(digests | {digest((known,))}) == len(OTHER) + 1
    assert digest((Project(slug=WEB),)) == digest((known,))


def test_the_digest_tells_everything_else() -> None:
    (question, known), *_ = of(WEB).parts.items()
    outcome = Outcome(success=True, duration=1.0, finished_at=NOW)
    bases: list[tuple[object, ...]] = [
        (question, known.rows),
        (question._replace(workflow="other"), known.rows),
        (question, known.rows + b" "),
        (question,),
        (question, known.rows, question, known.rows),
        (question, b"ab", question, b"c"),
        (question, b"a", question, b"bc"),
        (question, b"abc", question, b""),
        (question, (3,), question, (0,)),
        (FACTS,),
        (replace(FACTS, default_branch="other"),),
        ({"jobs": outcome},),
        ({"jobs": replace(outcome, error="1")},),
        ({"jobs": replace(outcome, finished_at=NOW + 0.001)},),
        (1,),
        ("1",),
        (None,),
        (),
    ]
    assert len({digest(basis) for basis in bases}) == len(bases)


JOBS = st.dictionaries(st.sampled_from(["lint", "test", "pack"]), st.none() | st.integers(0, 9), max_size=3)
PROJECTS = st.lists(
    st.tuples(
        st.sampled_from(SLUGS),
        st.lists(JOBS, max_size=2),
        st.lists(JOBS, max_size=1),
        st.sampled_from([18, 20_000]),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda each: each[0],
)


def fleet(
    projects: Iterable[tuple[str, list[dict[str, int | None]], list[dict[str, int | None]], int, bool]],
) -> list[Snapshot]:
    made = []
    for slug, jobs, workflows, limit, has_facts in projects:
        parts = {}
        for collector, found in (("jobs", jobs), ("workflows", workflows)):
            for number, rows in enumerate(found):
                asked = COLLECTORS[collector].questions(
                    slug, workflow=f"w{number}", branch="main", windows=["last-7-days"]
                )
                answer = [workflow_row(name, total_runs=runs) for name, runs in rows.items()]
                parts[next(asked)] = part(collector, answer, at=NOW - 3 * 3600 + number * 5000)
        made.append(Snapshot(project(f"max_series: {limit}", slug=slug), FACTS if has_facts else None, parts))
    return made


@given(st.lists(PROJECTS, min_size=2, max_size=4), st.sampled_from([0, 9000]))
def test_after_any_restarts_the_same_is_shown_as_without_kept_lines(
    starts: list[list[tuple[str, list[dict[str, int | None]], list[dict[str, int | None]], int, bool]]], later: int
) -> None:
    kept = Kept()
    for number, projects in enumerate(starts):
        at = NOW + number * later - 9000
        store, fresh = restored(kept, *fleet(projects), at=at), SnapshotStore()
        fresh.publish(fleet(projects), at)
        assert lines(store) == lines(fresh)
        assert store.series == fresh.series
        changed = fleet([*projects, *starts[0]])
        store.publish(changed, at)
        fresh.publish(changed, at)
        assert lines(store) == lines(fresh)
        assert store.series == fresh.series
        store.withdraw([SLUGS[0]])
        kept = store.shown()
