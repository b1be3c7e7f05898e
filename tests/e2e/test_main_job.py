"""The main job from end to end: the installed command, the synthetic CircleCI, a real Prometheus, and the truth."""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter import __version__
from tests.circleci import Circle, truth
from tests.faults.campaign import Known
from tests.running.program import Exporter
from tests.running.prometheus import Prometheus
from tests.running.proxy import Proxy
from tests.running.scrapes import Scrape, series
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "e2e-token-0d9f"
EVERY_WINDOW = ("last-24-hours", "last-7-days", "last-30-days", "last-60-days", "last-90-days")
WEB, ODD, BILLING = "gh/acme/web", "gh/acme/odd.names_1", "bb/initech/billing"
APP = "circleci/8vLqd1AbCdEf/43G3kM5RtfFE"
CONFIG = """
circleci: {{url: "{url}", requests_per_second: 1000, burst: 1000, concurrency: 8}}
defaults: {{interval: 1h, labels: {{team: nobody}}}}
projects:
  - slug: github/acme/web
    windows: [last-24-hours, last-7-days, last-30-days, last-60-days, last-90-days]
    all_branches: true
    branches: [main, "release/*", "*/2.0", feature/checkout]
    labels: {{team: shop, tier: "1"}}
  - slug: {odd}
    branches: ["*"]
    windows: [last-30-days]
  - slug: bitbucket/initech/billing
    windows: [last-30-days]
  - slug: {app}
    name: the platform
    default_branch: false
    branches: [feature/vpc]
    windows: [last-90-days]
    workflows: {{exclude: [apply]}}
  - gh/acme/nowhere
"""
# What each project is asked for: branches and windows.
SCOPES = {
    WEB: (("main", "all branches", "release/2.0", "feature/checkout"), EVERY_WINDOW),
    ODD: (("main", "feature/a b", "fix/#42?", "größe/100%", 'quote"d\\branch'), ("last-30-days",)),
    BILLING: (("master",), ("last-30-days",)),
    APP: (("feature/vpc",), ("last-90-days",)),
}
NAMES = {APP: "the platform"}


@pytest.fixture(scope="module")
def circle() -> Iterator[Circle]:
    with Circle(seed=7, start=1_790_000_000, speed=0, token=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def exporter(circle: Circle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    config = CONFIG.format(url=circle.url, odd=ODD, app=APP)
    with Exporter(tmp_path_factory.mktemp("e2e"), config, token=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(
    exporter: Exporter, prometheus_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, Proxy]]:
    """Started with the exporter, since it takes its time until the first scrape."""
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        Proxy() as proxy,
        Prometheus(prometheus_program, folder, target=exporter.address, proxy=proxy.url, interval="2s") as running,
    ):
        yield running, proxy


@pytest.fixture(scope="module")
def scrape(exporter: Exporter) -> Scrape:
    """A scrape after everything was polled once."""
    names = [NAMES.get(slug, slug) for slug in SCOPES]

    def polled(scrape: Scrape) -> bool:
        wanted = [(name, collector) for name in names for collector in ("workflows", "jobs")]
        return all(scrape.get("collector_success", project=name, collector=each) == 1 for name, each in wanted)

    return exporter.until(polled, "everything to be polled")


def workflows_of(circle: Circle, slug: str) -> dict[str, list[str]]:
    left_out = {"apply"} if slug == APP else set()
    found = circle.organization.workflows(slug)
    return {each.name: [job.name for job in each.jobs] for each in found if each.name not in left_out}


def expected(circle: Circle, slug: str) -> dict[str, float]:
    branches, windows = SCOPES[slug]
    return truth.of_project(
        Known(circle), slug, workflows_of(circle, slug), windows=windows, branches=branches, project=NAMES.get(slug, "")
    )


@pytest.mark.parametrize("slug", SCOPES)
def test_every_gauge_of_workflows_and_jobs_has_the_value_that_circleci_sent(
    slug: str, scrape: Scrape, circle: Circle
) -> None:
    known = expected(circle, slug)
    assert len(known) > 40
    shown = truth.shown(scrape.of_project(NAMES.get(slug, slug)))
    assert shown == known, sorted(shown.items() ^ known.items())[:10]


def test_all_windows_and_scopes_are_told_apart_by_labels(scrape: Scrape) -> None:
    found = {
        (branch, window)
        for branch in (*SCOPES[WEB][0], "preview")
        for window in EVERY_WINDOW
        if any(f'branch="{branch}"' in name and f'window="{window}"' in name for name in scrape.of_project(WEB))
    }
    assert {window for _, window in found} == set(EVERY_WINDOW)
    assert {branch for branch, _ in found} == {"main", "all branches", "release/2.0", "feature/checkout"}


def test_the_first_and_the_last_run_are_told_in_seconds(scrape: Scrape, circle: Circle) -> None:
    organization = circle.organization
    at = organization.aggregated_at()
    for workflow in ("build-and-test", "nightly"):
        ran = organization.window_runs(WEB, workflow, "main", "last-30-days", at)
        labels = {"project": WEB, "workflow": workflow, "branch": "main", "window": "last-30-days"}
        first, last = (
            scrape.get(f"circleci_insights_workflow_{which}_run_timestamp_seconds", **labels)
            for which in ("first", "last")
        )
        assert first == pytest.approx(ran[0].created, abs=0.001)
        assert last == pytest.approx(ran[-1].created, abs=0.001)


def test_a_null_gives_no_sample_and_a_zero_gives_0(scrape: Scrape, circle: Circle) -> None:
    labels = {"project": BILLING, "workflow": "legacy-import", "branch": "master", "window": "last-30-days"}
    known = circle.organization.workflow_metrics(BILLING, "legacy-import", "master", "last-30-days")
    assert known is not None
    assert known["mttr"] is None
    assert scrape.get("circleci_insights_workflow_runs", **labels) == known["total_runs"]
    assert scrape.get("circleci_insights_workflow_mttr_seconds", **labels) is None
    assert 0.0 in truth.shown(scrape.of_project(BILLING)).values()


def test_what_is_known_of_projects_is_told_for_joins(scrape: Scrape) -> None:
    info = [name for name in scrape.values if name.startswith("circleci_insights_project_info{")]
    about = {"project": WEB, "slug": WEB, "project_name": "web", "organization": "acme", "provider": "GitHub"}
    assert (
        series("circleci_insights_project_info", about | {"default_branch": "main", "team": "shop", "tier": "1"})
        in info
    )
    assert any('project="the platform"' in name and f'slug="{APP}"' in name and "CircleCI" in name for name in info)
    assert scrape.get("circleci_insights_default_branch", project=BILLING, branch="master") == 1


def test_a_scope_that_is_asked_for_in_four_ways_is_asked_once(scrape: Scrape, circle: Circle) -> None:
    asked = Counter((one.path, one.query) for one in circle.requests)
    repeated = {question: count for question, count in asked.items() if count > 1 and "nowhere" not in question[0]}
    assert repeated == {}
    listings = [query for path, query in asked if path == f"/insights/{WEB}/workflows"]
    assert len(listings) == len(SCOPES[WEB][0]) * len(EVERY_WINDOW)


def test_requests_say_who_asks_and_leave_slashes_of_a_slug_as_they_are(scrape: Scrape, circle: Circle) -> None:
    assert {one.user_agent for one in circle.requests} == {f"circleci-insights-exporter/{__version__}"}
    assert {one.status for one in circle.requests if "nowhere" not in one.path} == {200}
    encoded = "/insights/gh/acme/odd.names_1/workflows/build%20%2F%20test%20%26%20deploy/jobs"
    assert encoded in {one.path for one in circle.requests}


def test_a_project_that_does_not_exist_fails_alone(scrape: Scrape) -> None:
    assert scrape.get("collector_success", project="gh/acme/nowhere", collector="workflows") == 0
    assert scrape.get("collector_failures_total", collector="workflows", reason="not_found") == 1
    assert scrape.get("up") == 1
    assert scrape.get("projects") == 5


def test_the_text_format_is_clean_for_promtool(scrape: Scrape, promtool: Path) -> None:
    found = subprocess.run(
        [promtool, "check", "metrics"], input=scrape.text, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_openmetrics_and_gzip_are_given_to_whom_asks_and_say_the_same(exporter: Exporter, scrape: Scrape) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    status, headers, text = exporter.ask("/metrics", **{"Accept": accept, "Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    samples = {
        series(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    mine = {name: value for name, value in scrape.values.items() if name.startswith("circleci_insights_")}
    assert {name: value for name, value in samples.items() if name.startswith("circleci_insights_")} == mine


def test_prometheus_holds_every_value(prometheus: tuple[Prometheus, Proxy], scrape: Scrape, circle: Circle) -> None:
    server, _ = prometheus
    server.wait_for_scrape()
    known = {name: value for slug in SCOPES for name, value in expected(circle, slug).items()}
    wanted = '{__name__=~"circleci_insights_(workflow|job)_.*",__name__!~".*_run_timestamp_seconds"}'
    wait_until(lambda: server.values(wanted) == known, interval=0.2, why="a scrape of all values")


def test_prometheus_is_given_openmetrics_in_gzip(prometheus: tuple[Prometheus, Proxy]) -> None:
    server, proxy = prometheus
    server.wait_for_scrape()
    head = proxy.heads[0].lower()
    assert "accept: application/openmetrics-text;version=1.0.0" in head
    assert "accept-encoding: gzip" in head
    kinds = server.get("metadata", metric="circleci_exporter_api_requests_total")
    kinds |= server.get("metadata", metric="circleci_exporter_api_requests")
    assert {each["type"] for found in kinds.values() for each in found} == {"counter"}
    (target,) = server.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_prometheus_answers_the_questions_that_dashboards_ask(
    prometheus: tuple[Prometheus, Proxy], scrape: Scrape, circle: Circle
) -> None:
    server, _ = prometheus
    server.wait_for_scrape()
    runs = 'circleci_insights_workflow_runs{window="last-30-days"}'
    on_default = f"{runs} * on (project, branch) group_left () circleci_insights_default_branch"
    wait_until(lambda: server.ask('count(circleci_insights_project_info{team="shop"})'), why="a scrape of the facts")
    found = {
        (each.labels["project"], each.labels["branch"], each.labels["workflow"]): each.value
        for each in server.ask(on_default)
    }
    organization = circle.organization
    known = {
        (slug, branch, name): float(metrics["total_runs"])  # type: ignore[arg-type]
        for slug, branch in ((WEB, "main"), (ODD, "main"), (BILLING, "master"))
        for name in workflows_of(circle, slug)
        if (metrics := organization.workflow_metrics(slug, name, branch, "last-30-days"))
    }
    assert found == known
    worst = server.ask('bottomk(1, circleci_insights_workflow_success_ratio{branch="main", window="last-90-days"})')
    assert len(worst) == 1
    grown = "sum by (collector) (increase(circleci_exporter_collector_failures_total[5m]))"
    wait_until(lambda: server.ask(grown), interval=0.2, why="a second scrape")


def test_the_process_is_ready_and_healthy_all_the_while(exporter: Exporter) -> None:
    assert exporter.get("/-/healthy")[0] == exporter.get("/-/ready")[0] == 200
    status, page = exporter.get("/")
    assert status == 200
    assert "build-and-test" in page
