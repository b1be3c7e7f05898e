"""A snapshot rendered: which samples, in which order, up to which limit, until when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.insights.collectors import COLLECTORS
from exporter.insights.own_families import COLLECTOR_DURATION, COLLECTOR_LAST_SUCCESS
from exporter.knowledge.snapshots import Outcome, Snapshot
from exporter.publishing.rendering import BRANCHES, FAMILIES, MAX_SERIES, Publication, render
from tests.counting.making import ledger, run
from tests.counting.making import polled as counted_after
from tests.knowledge.samples import NOW, part, project, snapshot, workflow_row

RUNS = "circleci_insights_workflow_runs"
LATER = NOW + 60
ALL = len(COLLECTORS["workflows"].tables[0].families)


def lines(publication: Publication, family: str) -> list[str]:
    return publication.texts[family].text.decode().splitlines() if family in publication.texts else []


def shown(known: Snapshot, family: str, now: float = LATER, *, polled: bool = True) -> list[str]:
    return lines(render(known, now, polled=polled), family)


def test_a_row_becomes_one_sample_in_each_family() -> None:
    assert shown(snapshot(), RUNS) == [
        f'{RUNS}{{branch="main",project="gh/acme/web",window="last-7-days",workflow="build"}} 82.0'
    ]
    assert shown(snapshot(), "circleci_insights_job_duration_p95_seconds") == [
        (
            'circleci_insights_job_duration_p95_seconds{branch="main",job_name="lint",project="gh/acme/web",'
            'window="last-7-days",workflow="build"} 72.0'
        )
    ]


def test_a_null_gives_no_sample_and_a_zero_gives_zero() -> None:
    known = snapshot()
    question = next(iter(known.parts))
    rows = [workflow_row("a", mttr=None), workflow_row("b", mttr=0)]
    publication = render(replace(known, parts={question: part("workflows", rows)}), LATER, polled=True)
    assert [line.rsplit("workflow=")[1] for line in lines(publication, "circleci_insights_workflow_mttr_seconds")] == [
        '"b"} 0.0'
    ]
    assert len(lines(publication, RUNS)) == 2


def test_samples_are_sorted_by_their_labels_whatever_the_order_of_the_answer() -> None:
    found = [line.rsplit("workflow=")[1] for line in shown(snapshot(workflows=("z", "a", "m")), RUNS)]
    assert found == ['"a"} 82.0', '"m"} 82.0', '"z"} 82.0']


def test_a_collector_that_is_not_configured_is_not_shown_though_it_is_asked() -> None:
    known = snapshot("collectors: [jobs]")
    assert shown(known, RUNS) == []
    assert len(shown(known, "circleci_insights_job_runs")) == 1


def test_names_are_chosen_by_the_settings_of_today() -> None:
    known = snapshot("workflows: {exclude: [docs*]}\njobs: {include: [l*]}", ("build", "docs"), ("lint", "test"))
    assert [line.count('workflow="build"') for line in shown(known, RUNS)] == [1]
    assert [line.count('job_name="lint"') for line in shown(known, "circleci_insights_job_runs")] == [1]


def test_families_are_chosen_by_their_names() -> None:
    publication = render(snapshot('metrics: {include: ["*_ratio", "circleci_insights_job_*"]}'), LATER, polled=True)
    assert lines(publication, RUNS) == []
    assert len(lines(publication, "circleci_insights_workflow_success_ratio")) == 1
    assert len(lines(publication, "circleci_insights_job_runs")) == 1
    assert lines(publication, "circleci_insights_project_info") == []


def test_a_part_that_is_too_old_is_not_shown_and_the_next_expiry_is_told() -> None:
    known = snapshot("interval: 10m")
    workflows, jobs = known.parts
    known = replace(known, parts={**known.parts, jobs: replace(known.parts[jobs], checked_at=NOW + 100)})
    assert render(known, NOW, polled=True).expires_at == NOW + 1800
    publication = render(known, NOW + 1800, polled=False)
    assert lines(publication, RUNS) == []
    assert len(lines(publication, "circleci_insights_job_runs")) == 1
    assert publication.expires_at == NOW + 1900
    assert render(known, NOW + 1900, polled=False).expires_at is None
    assert workflows in known.parts


def test_rows_beyond_the_limit_are_left_out_whole_and_counted_once_a_poll() -> None:
    known = snapshot(f"max_series: {ALL + 3}", ("a", "b", "c"))
    publication = render(known, LATER, polled=True)
    assert [line.rsplit("workflow=")[1] for line in lines(publication, RUNS)] == ['"a"} 82.0']
    assert lines(publication, "circleci_insights_job_runs") == []
    left_out = 2 * ALL + 3 * len(COLLECTORS["jobs"].tables[0].families)
    assert publication.cut == left_out
    assert publication.dropped[MAX_SERIES] == left_out
    again = replace(known, dropped=publication.dropped)
    assert render(again, LATER, polled=False).dropped[MAX_SERIES] == left_out
    assert render(again, LATER, polled=True).dropped[MAX_SERIES] == 2 * left_out
    assert publication.series == {"workflows": ALL}


def test_what_was_dropped_exists_at_zero_from_the_start() -> None:
    assert shown(Snapshot(project()), "circleci_exporter_dropped_series_total") == [
        f'circleci_exporter_dropped_series_total{{project="gh/acme/web",reason="{reason}"}} 0.0'
        for reason in sorted((MAX_SERIES, BRANCHES))
    ]


def test_a_project_says_who_it_is_for_joins() -> None:
    known = snapshot('name: acme web\nlabels: {team: "pay\\"ments", tier: gold}')
    assert shown(known, "circleci_insights_project_info") == [
        (
            'circleci_insights_project_info{default_branch="main",organization="acme",project="acme web",'
            'project_name="web",provider="GitHub",slug="gh/acme/web",team="pay\\"ments",tier="gold"} 1.0'
        )
    ]
    assert shown(known, "circleci_insights_default_branch") == [
        'circleci_insights_default_branch{branch="main",project="acme web"} 1.0'
    ]


def test_a_project_of_which_nothing_is_known_says_nothing_of_itself() -> None:
    unknown = Snapshot(project())
    assert shown(unknown, "circleci_insights_project_info") == []
    nameless = replace(snapshot(), facts=replace(snapshot().facts or pytest.fail("no facts"), default_branch=""))
    assert shown(nameless, "circleci_insights_default_branch") == []
    assert len(shown(nameless, "circleci_insights_project_info")) == 1


def test_a_poll_says_how_it_went() -> None:
    outcomes = {
        "workflows": Outcome(success=True, duration=1.5, finished_at=NOW, last_success=NOW),
        "jobs": Outcome(success=False, duration=0.25, finished_at=NOW, error="no", reason="server"),
    }
    publication = render(replace(snapshot(), outcomes=outcomes), LATER, polled=True)
    assert lines(publication, "circleci_exporter_collector_success") == [
        'circleci_exporter_collector_success{collector="jobs",project="gh/acme/web"} 0.0',
        'circleci_exporter_collector_success{collector="workflows",project="gh/acme/web"} 1.0',
    ]
    assert lines(publication, "circleci_exporter_collector_failing") == [
        'circleci_exporter_collector_failing{collector="jobs",project="gh/acme/web",reason="server"} 1.0'
    ]
    assert lines(publication, "circleci_exporter_collector_duration_seconds") == [
        'circleci_exporter_collector_duration_seconds{collector="jobs",project="gh/acme/web"} 0.25',
        'circleci_exporter_collector_duration_seconds{collector="workflows",project="gh/acme/web"} 1.5',
    ]
    assert lines(publication, "circleci_exporter_collector_last_success_timestamp_seconds") == [
        (
            "circleci_exporter_collector_last_success_timestamp_seconds"
            '{collector="workflows",project="gh/acme/web"} 1.79e+09'
        )
    ]


def test_the_page_is_given_the_figures_of_each_workflow_and_those_before() -> None:
    known = snapshot()
    question = next(iter(known.parts))
    before = part("workflows", [workflow_row(success_rate=0.5)])
    now = replace(part("workflows", [workflow_row(), workflow_row("new")]), previous=before.rows)
    old, new = render(replace(known, parts={question: now}), LATER, polled=True).figures.workflows
    assert (old.workflow, old.branch, old.window, old.runs, old.median, old.p95) == (
        "build",
        "main",
        "last-7-days",
        82,
        46,
        72,
    )
    assert (old.success_ratio, old.previous_success_ratio, old.previous_p95) == (0.5975609756097561, 0.5, 72)
    assert (new.workflow, new.previous_success_ratio, new.previous_p95) == ("new", None, None)


def republished(known: Snapshot, changed: Snapshot) -> tuple[Publication, Publication]:
    """A publication after another, and the same rendered from nothing."""
    before = render(known, LATER, polled=True)
    return render(changed, LATER, polled=True, before=before.shown()), render(changed, LATER, polled=True)


def test_the_page_keeps_its_figures_while_its_rows_stay_the_same() -> None:
    known = snapshot()
    before = render(known, LATER, polled=True)
    seen = before.figures.workflows
    later = render(replace(known, outcomes={}), LATER + 1, polled=True, before=before.shown())
    assert later.figures.workflows is seen
    other = replace(known, project=project("workflows: {exclude: ['*']}"))
    assert render(other, LATER, polled=True, before=later.shown()).figures.workflows == ()


def test_the_page_s_figures_hold_no_rows_but_those_that_are_published() -> None:
    known = snapshot()
    before = render(known, LATER, polled=True)
    same = {question: replace(each, rows=bytes(bytearray(each.rows))) for question, each in known.parts.items()}
    later = render(replace(known, parts=same), LATER, polled=True, before=before.shown())
    held = [id(each) for each in later.figures.basis if isinstance(each, bytes) and each]
    assert held == [id(each.rows) for question, each in same.items() if question.collector == "workflows"]


def test_what_did_not_change_is_not_rendered_again() -> None:
    known = snapshot()
    outcome = Outcome(success=True, duration=1.5, finished_at=NOW, last_success=NOW)
    known = replace(known, outcomes={"jobs": outcome})
    again, _ = republished(known, replace(known, outcomes={"jobs": replace(outcome, duration=2.5)}))
    assert again.texts.keys() == {COLLECTOR_DURATION.name, COLLECTOR_LAST_SUCCESS.name}
    assert again.series == render(known, LATER, polled=True).series
    again, _ = republished(known, known)
    assert not again.texts


def test_where_one_part_is_new_its_table_is_rendered_and_no_other() -> None:
    known = snapshot(workflows=("a", "b", "c"), jobs=("lint", "test"))
    question = list(known.parts)[2]  # the jobs of b
    changed = replace(
        known, parts={**known.parts, question: part("jobs", [workflow_row("build"), workflow_row("pack")])}
    )
    again, anew = republished(known, changed)
    assert again.texts.keys() == {family.name for family in COLLECTORS["jobs"].tables[0].families}
    assert again.texts.items() <= anew.texts.items()


@pytest.mark.parametrize(
    "settings", ["max_series: 100", "name: other", "metrics: {exclude: ['*_runs']}", "jobs: {exclude: [test]}"]
)
def test_other_settings_render_all_anew(settings: str) -> None:
    known = snapshot(workflows=("a", "b", "c"), jobs=("lint", "test"))
    again, anew = republished(known, replace(known, project=project(settings)))
    of_answers = {family: text for family, text in anew.texts.items() if family.startswith("circleci_insights_")}
    assert {family: text for family, text in again.texts.items() if family in of_answers} == of_answers
    assert (again.series, again.cut) == (anew.series, anew.cut)


def test_room_that_an_earlier_table_leaves_is_used_by_a_later_one_though_its_own_rows_are_as_they_were() -> None:
    known = snapshot(f"max_series: {2 * ALL + 3}", ("a", "b"))
    assert render(known, LATER, polled=True).series == {"workflows": 2 * ALL}
    question = next(iter(known.parts))
    fewer = replace(known, parts={**known.parts, question: part("workflows", [workflow_row("a")])})
    again, anew = republished(known, fewer)
    assert again.series == anew.series == {"workflows": ALL, "jobs": 14}
    assert again.cut == anew.cut == 14
    back, _ = republished(fewer, known)
    assert (back.series, back.cut) == ({"workflows": 2 * ALL}, 2 * 14)
    assert lines(back, "circleci_insights_job_runs") == []
    assert "circleci_insights_job_runs" not in back.families


def test_every_family_that_is_rendered_is_one_of_the_known() -> None:
    assert render(snapshot(), LATER, polled=True).families <= FAMILIES.keys()


def test_counters_that_are_shown_keep_their_room_when_more_gauges_come() -> None:
    counted = counted_after(ledger(), run(1))
    settings = "collectors: [workflows, runs]\nmax_series: 60"
    known = replace(snapshot(settings), ledger=counted)
    question = next(iter(known.parts))
    many = part("workflows", [workflow_row(f"a-{number}") for number in range(9)])
    before, after = render(known, LATER), render(replace(known, parts={question: many}), LATER, polled=True)
    assert before.series["runs"] == after.series["runs"] > 0
    assert after.beside == after.series["workflows"] <= 60 - after.series["runs"]
    assert after.cut == after.dropped["max_series"] == 9 * ALL - after.series["workflows"]
