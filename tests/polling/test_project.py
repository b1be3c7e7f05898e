"""One poll against a real server: what is asked, what is shown, what a failure costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from exporter.errors import Stopped
from tests.running.engine import Running, hourly

if TYPE_CHECKING:
    from exporter.knowledge.snapshots import Snapshot

WEB = "gh/acme/web"
RUNS = "circleci_insights_workflow_runs"
FAILURES = "circleci_exporter_collector_failures_total"


def test_a_poll_shows_what_circleci_says() -> None:
    with hourly() as running:
        running.poll()
        truth = running.circle.organization.workflow_metrics(WEB, "build-and-test", None, "last-7-days")
        assert truth is not None
        shown = {"project": WEB, "workflow": "build-and-test", "branch": "main", "window": "last-7-days"}
        assert running.value(RUNS, **shown) == truth["total_runs"]
        assert running.value("circleci_insights_workflow_success_ratio", **shown) == truth["success_rate"]
        jobs = running.circle.organization.job_metrics(WEB, "build-and-test", "lint", "main", "last-7-days")
        assert jobs is not None
        assert running.value("circleci_insights_job_runs", job_name="lint", **shown) == jobs["total_runs"]
        assert running.value("circleci_insights_default_branch", branch="main") == 1
        assert running.value("circleci_exporter_collector_success", collector="jobs") == 1


def test_workflows_are_shown_before_the_first_job_is_asked_for() -> None:
    with hourly() as running:
        poll = running.engine.begin(WEB)
        assert poll is not None
        assert poll.step()
        assert len(running.samples(RUNS)) == 3
        assert running.samples("circleci_insights_job_runs") == {}
        assert all("/jobs" not in path for path in running.asked())
        assert not poll.step()
        assert len(running.samples("circleci_insights_job_runs")) > 3


def test_the_project_itself_is_asked_for_once_a_day() -> None:
    with hourly() as running:
        running.poll()
        assert running.asked().count("/project/gh/acme/web") == 1
        running.now += 86_399
        running.poll()
        assert running.asked().count("/project/gh/acme/web") == 0
        running.now += 1
        running.poll()
        assert running.asked().count("/project/gh/acme/web") == 1


def test_the_last_known_default_branch_serves_while_its_question_fails() -> None:
    with hourly() as running:
        running.poll()
        running.now += 86_400
        running.circle.fail("not_found", match="/project/")
        running.poll()
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 1
        assert running.value(FAILURES, collector="workflows", reason="not_found") == 1


def test_without_a_known_default_branch_the_poll_fails_and_asks_nothing_more() -> None:
    with hourly() as running:
        running.circle.fail("not_found", match="/project/")
        running.poll()
        assert running.asked() == ["/project/gh/acme/web"]
        assert running.samples("circleci_exporter_collector_success") == {
            f'{{collector="{name}",project="{WEB}"}}': 0 for name in ("jobs", "workflows")
        }


def test_a_project_that_needs_no_default_branch_is_polled_without_knowing_it() -> None:
    with hourly("default_branch: false, branches: [main]") as running:
        running.circle.fail("not_found", match="/project/")
        running.poll()
        assert len(running.samples(RUNS, branch="main")) == 3


@pytest.mark.parametrize("body", ['{"vcs_info": {"default_branch": 3}}', '{"vcs_info": {"default_branch": null}}'])
def test_a_default_branch_that_is_no_name_fails_the_poll(body: str) -> None:
    with hourly() as running:
        running.circle.fail("body", match="/project/", text=body)
        running.poll()
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 0
        assert running.value(FAILURES, collector="workflows", reason="payload") == 1


def test_what_needs_no_branch_is_asked_without_knowing_the_default_one() -> None:
    with hourly("collectors: [workflows, flaky_tests]") as running:
        running.circle.fail("not_found", match="/project/")
        running.poll()
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 0
        assert running.value("circleci_exporter_collector_success", collector="flaky_tests") == 1
        assert running.value("circleci_insights_flaky_tests") == 0
        assert running.asked() == ["/project/gh/acme/web", "/insights/gh/acme/web/flaky-tests"]


def test_what_is_left_out_is_counted_at_each_poll_and_logged_once_while_that_lasts() -> None:
    with hourly("max_series: 20") as running:
        running.poll()
        left_out = running.value("circleci_exporter_dropped_series_total", reason="max_series")
        assert left_out is not None
        assert left_out > 0
        running.poll()
        assert running.value("circleci_exporter_dropped_series_total", reason="max_series") == 2 * left_out
        assert running.logged() == [("warning", "limit exceeded, data dropped")]
        store = running.engine.store
        known = store.get(WEB)
        assert known is not None
        for limit in (20_000, 20):
            store.publish([replace(known, project=known.project.model_copy(update={"max_series": limit}))], running.now)
            running.poll()
        assert running.logged() == [("warning", "limit exceeded, data dropped")] * 2


def test_one_failing_job_call_blanks_nothing_else() -> None:
    with hourly("jobs: {max_age: 1h}") as running:
        running.poll()
        before = running.samples("circleci_insights_job_runs")
        running.now += 3600
        running.circle.fail("bad_request", match="/workflows/build-and-test/jobs")
        running.poll()
        assert running.samples("circleci_insights_job_runs") == before
        assert running.value("circleci_exporter_collector_success", collector="jobs") == 0
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 1
        assert running.value("circleci_exporter_collector_last_success_timestamp_seconds", collector="jobs") == (
            running.now - 3600
        )


def test_when_the_token_is_refused_the_rest_of_the_poll_is_given_up() -> None:
    with hourly() as running:
        running.poll()
        running.asked()
        running.circle.accept("another")
        running.poll()
        assert running.asked() == ["/insights/gh/acme/web/workflows", "/me"]
        assert running.samples("circleci_exporter_collector_success") == {
            f'{{collector="{name}",project="{WEB}"}}': 0 for name in ("jobs", "workflows")
        }
        assert len(running.samples(RUNS)) == 3
        assert running.value("circleci_exporter_up") == 0


def test_a_refused_token_is_logged_once_for_all_projects_and_once_when_it_is_taken_again() -> None:
    with hourly(projects="gh/acme/web, gh/acme/api") as running:
        running.circle.accept("another")
        for slug in ("gh/acme/web", "gh/acme/api", "gh/acme/web"):
            running.poll(slug)
        assert running.logged() == [("error", "CircleCI rejects the token")]
        assert len(running.asked()) == 2, "one question, and whether it is so of all"
        running.circle.accept(running.circle.token)
        running.engine.client.ask_lightly()
        for slug in ("gh/acme/web", "gh/acme/api", "gh/acme/web"):
            running.poll(slug)
        assert running.logged()[1:] == [("info", "CircleCI accepts the token again")]


def test_a_single_question_that_is_answered_401_is_its_projects_failure_alone() -> None:
    with hourly(projects="gh/acme/web, gh/acme/api") as running:
        running.circle.fail("unauthorized", match="/insights/gh/acme/web/")
        for slug in ("gh/acme/web", "gh/acme/api", "gh/acme/web"):
            running.poll(slug)
        assert running.logged() == [("warning", "project is failing")]
        assert running.value("circleci_exporter_up") == 1
        assert len(running.samples(RUNS, project="gh/acme/api")) > 0


def test_a_project_that_fails_is_logged_once_and_once_when_it_recovers() -> None:
    with hourly() as running:
        running.circle.fail("bad_request", match="/workflows\\?")
        for _ in range(3):
            running.poll()
        assert running.logged() == [("warning", "project is failing")]
        running.circle.heal()
        for _ in range(3):
            running.poll()
        assert running.logged()[1:] == [("info", "project recovered")]


def test_a_workflow_that_circleci_no_longer_returns_is_gone_with_its_jobs_at_the_next_good_poll() -> None:
    with hourly() as running:
        running.poll()
        running.circle.organization.roster.hide(WEB, workflow="nightly")
        running.now += 3600
        running.poll()
        assert running.samples(RUNS, workflow="nightly") == {}
        assert running.samples("circleci_insights_job_runs", workflow="nightly") == {}
        assert len(running.samples(RUNS)) == 2


def test_odd_rows_are_counted_and_cost_nothing_else() -> None:
    with hourly() as running:
        running.circle.fail("text_number", match="/workflows\\?")
        running.poll()
        assert sum(running.samples("circleci_exporter_unreadable_fields_total").values()) > 0
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 1
        assert len(running.samples("circleci_insights_workflow_failed_runs")) == 3


def test_two_rows_of_the_same_name_fail_the_part_and_never_show_a_series_twice() -> None:
    with hourly() as running:
        running.circle.fail("duplicate_rows", match="/workflows\\?")
        running.poll()
        assert running.samples(RUNS) == {}
        assert running.value(FAILURES, collector="workflows", reason="payload") == 1


def test_rows_that_come_again_unchanged_are_shown_once() -> None:
    with hourly() as running:
        running.circle.fail("duplicate_rows", match="/workflows\\?", differ=False)
        running.poll()
        assert len(running.samples(RUNS)) == 3
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 1


def test_a_list_that_shifted_while_it_was_read_is_asked_for_once_more() -> None:
    with hourly() as running:
        fault = running.circle.fail("duplicate_rows", match="/workflows\\?", times=1)
        running.poll()
        assert fault.hits == 1
        assert len(running.samples(RUNS)) == 3
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 1
        assert running.value(FAILURES, collector="workflows", reason="payload") == 0


def test_only_what_is_missing_is_asked_for_when_that_is_wanted() -> None:
    with hourly() as running:
        running.poll()
        running.asked()
        store = running.engine.store
        known = store.get(WEB)
        assert known is not None
        wider = replace(known, project=known.project.model_copy(update={"windows": ("last-7-days", "last-24-hours")}))
        store.publish([wider], running.now)
        running.now += 60
        running.poll(missing_only=True)
        queries = {request.query for request in running.circle.requests}
        assert queries == {"branch=main&reporting-window=last-24-hours"}
        assert len(running.samples(RUNS, window="last-7-days")) == 3
        assert len(running.samples(RUNS, window="last-24-hours")) == 2
        after = store.get(WEB)
        assert after is not None
        assert after.polled_at == known.polled_at


def test_a_poll_that_has_nothing_to_ask_renews_no_success() -> None:
    with hourly() as running:
        running.poll()
        known = running.engine.store.get(WEB)
        assert known is not None
        running.asked()
        running.now += 60
        running.poll(missing_only=True)
        after = running.engine.store.get(WEB)
        assert after is not None
        assert running.asked() == []
        assert after.outcomes == known.outcomes


def test_a_project_that_was_taken_out_meanwhile_does_not_come_back() -> None:
    with hourly() as running:
        poll = running.engine.begin(WEB)
        assert poll is not None
        running.engine.store.withdraw([WEB])
        assert not poll.step()
        assert running.samples(RUNS) == {}
        assert running.engine.begin(WEB) is None


def test_a_poll_under_way_publishes_by_the_settings_that_hold_then() -> None:
    with hourly() as running:
        poll = running.engine.begin(WEB)
        assert poll is not None
        poll.step()
        known = running.engine.store.get(WEB)
        assert known is not None
        running.engine.store.publish(
            [replace(known, project=known.project.model_copy(update={"windows": ("last-90-days",)}))], 0
        )
        assert not poll.step()
        after = running.engine.store.get(WEB)
        assert after is not None
        assert after.parts == {}


def test_jobs_of_unchanged_workflows_are_not_asked_for_and_stay_fresh() -> None:
    with hourly() as running:
        for _ in range(3):
            running.poll()
            running.now += 3600
        asked(running)
        for _ in range(5):
            running.poll()
            running.now += 3600
        assert asked(running) == {"workflows": 5, "jobs": 0}
        assert len(running.samples("circleci_insights_job_runs", workflow="build-and-test")) == 5


def asked(running: Running) -> dict[str, int]:
    paths = running.asked()
    jobs = sum(path.endswith("/jobs") for path in paths)
    return {"workflows": len(paths) - jobs, "jobs": jobs}


def test_branch_globs_are_expanded_hourly() -> None:
    with hourly("default_branch: false, branches: ['ma*']") as running:
        running.poll()
        assert running.asked().count("/insights/gh/acme/web/branches") == 1
        assert len(running.samples(RUNS, branch="main")) == 3
        running.now += 3599
        running.poll()
        assert running.asked().count("/insights/gh/acme/web/branches") == 0


def test_a_defect_in_reading_is_held_to_one_question_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with hourly() as running:
        monkeypatch.setattr("exporter.polling.project_answers.pack", None)
        running.poll()
        assert running.value(FAILURES, collector="workflows", reason="internal") == 1
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 0
        assert ("exception", "unexpected error in one request") in running.logged()
        monkeypatch.undo()
        running.poll()
        assert running.value("circleci_exporter_collector_success", collector="workflows") == 1


def test_a_stop_ends_a_poll() -> None:
    with hourly() as running:
        running.engine.stop.set()
        with pytest.raises(Stopped):
            running.poll()


def test_once_the_time_of_a_poll_is_over_the_first_failure_ends_it() -> None:
    with hourly("workflows: {exclude: [preview]}") as running:
        running.poll()
        running.asked()
        running.circle.fail("bad_request", match="/jobs")
        running.now += 86_400
        poll = running.engine.begin(WEB)
        assert poll is not None
        assert poll.step()
        begun = len(running.asked())
        running.waits.skipped += 3601
        assert not poll.step()
        assert begun > 0
        asked = running.asked()
        running.poll()
        assert asked, "those that were on their way"
        assert running.asked(), "the next poll asks again"


def test_a_project_that_circleci_does_not_know_is_asked_one_question_until_it_is_back() -> None:
    with hourly("windows: [last-7-days, last-30-days], collectors: [workflows, jobs, flaky_tests]") as running:
        running.poll()
        full = len(running.asked())
        known = len(running.samples(RUNS))
        running.circle.fail("not_found", match="/insights/")
        running.now += 3600
        running.poll()
        assert running.asked() == ["/insights/gh/acme/web/workflows"] * 2
        assert absent_since(running) == running.now
        since = running.now
        for _ in range(2):
            running.now += 86_400
            running.poll()
            assert running.asked() == ["/insights/gh/acme/web/workflows"]
        assert absent_since(running) == since
        assert set(running.samples("circleci_exporter_collector_success").values()) == {0}
        assert running.engine.kinds["project"].interval(snapshot_of(running)) == 86_400
        running.circle.heal()
        running.poll()
        assert absent_since(running) is None
        assert len(running.asked()) >= full - 1
        assert set(running.samples("circleci_exporter_collector_success").values()) == {1}
        assert len(running.samples(RUNS)) == known
        assert running.engine.kinds["project"].interval(snapshot_of(running)) == 3600


def test_a_project_of_which_one_list_is_not_found_is_there() -> None:
    with hourly("windows: [last-7-days, last-30-days]") as running:
        running.circle.fail("not_found", match="/workflows\\?.*last-30-days")
        running.poll()
        assert absent_since(running) is None
        assert any("/jobs" in path for path in running.asked())


def test_a_project_that_was_never_there_is_asked_for_itself_alone() -> None:
    with hourly(projects="gh/acme/nowhere") as running:
        for _ in range(3):
            running.poll("gh/acme/nowhere")
            assert running.asked() == ["/project/gh/acme/nowhere"]
            running.now += 3600
        assert absent_since(running, "gh/acme/nowhere") == running.now - 3 * 3600


def snapshot_of(running: Running, slug: str = WEB) -> Snapshot:
    snapshot = running.engine.store.get(slug)
    assert snapshot is not None
    return snapshot


def absent_since(running: Running, slug: str = WEB) -> float | None:
    return snapshot_of(running, slug).outcomes["workflows"].absent_since


def test_the_interval_of_each_collector_is_shown_for_ages_to_be_compared_with() -> None:
    with hourly("collectors: [workflows, jobs, runs], runs: {interval: 5m}") as running:
        running.poll()
        name = "circleci_exporter_collector_interval_seconds"
        assert running.samples(name) == {
            f'{{collector="{collector}",project="{WEB}"}}': 3600 for collector in ("jobs", "workflows")
        }
        runs = running.engine.begin(WEB, "runs")
        assert runs is not None
        runs.step()
        assert running.value(name, collector="runs") == 300
