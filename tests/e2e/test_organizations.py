"""The whole program with organizations: found projects are polled, come and go, and outlive what fails."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.circleci import Circle
from tests.history.past import read
from tests.running.program import Exporter
from tests.running.scrapes import Scrape
from tests.running.starting import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACME, BILLING, PAYROLL = "gh/acme", "bb/initech/billing", "bb/initech/payroll"


@pytest.fixture(name="circle", scope="module")
def one_circle() -> Iterator[Circle]:
    with Circle() as api:
        yield api


@pytest.fixture(autouse=True)
def healed(circle: Circle) -> None:
    circle.heal()


def configuration(circle: Circle, organizations: str, projects: str = "") -> str:
    return (
        f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 60s}}\n"
        "state: {path: state.db}\ndefaults: {interval: 1s, collectors: [project], stale_after: 1h}\n"
        f"projects: [{projects}]\norganizations: [{organizations}]\n"
    )


def polled(scrape: Scrape) -> set[str]:
    """The projects whose numbers are shown."""
    mark = "circleci_insights_project_runs{project="
    return {name[len(mark) :].split('"')[1] for name in scrape.values if name.startswith(mark)}


def test_found_projects_are_polled_and_come_and_go_without_a_restart(circle: Circle, tmp_path: Path) -> None:
    roster = circle.organization.roster
    searched = "{slug: bb/initech, discovery_interval: 1s}"
    config = configuration(circle, searched, "{slug: gh/acme/web, name: the web}")
    with Exporter(tmp_path, config, token=circle.token) as exporter:
        exporter.until(lambda scrape: polled(scrape) == {"the web", BILLING}, "the found project")
        roster.add(PAYROLL)
        roster.hide(BILLING)
        try:
            exporter.until(lambda scrape: polled(scrape) == {"the web", PAYROLL}, "the projects to change")
        finally:
            roster.show(BILLING)
            roster.hide(PAYROLL)
        scrape = exporter.until(lambda scrape: polled(scrape) == {"the web", BILLING}, "the project to be back")
        assert scrape.get("discovered_projects", organization="bb/initech") == 1
        assert scrape.get("projects") == 2


def test_a_reload_adds_an_organization_and_takes_one_out(circle: Circle, tmp_path: Path) -> None:
    with Exporter(tmp_path, configuration(circle, "bb/initech"), token=circle.token) as exporter:
        exporter.until(lambda scrape: polled(scrape) == {BILLING}, "the found project")
        exporter.configure(configuration(circle, f"{{slug: {ACME}, include: [web]}}"))
        exporter.hang_up()
        scrape = exporter.until(lambda scrape: polled(scrape) == {"gh/acme/web"}, "the other organization")
        window = {"window": "last-7-days"}
        assert scrape.get("circleci_insights_organization_runs", organization="bb/initech", **window) is None
        assert scrape.get("circleci_insights_organization_runs", organization=ACME, **window) is not None


def test_a_start_while_circleci_is_down_shows_the_projects_that_were_found_before(
    circle: Circle, tmp_path: Path
) -> None:
    config = configuration(circle, ACME)
    everything = {f"gh/acme/{name}" for name in ("web", "api", "mobile", "odd.names_1")}
    with Exporter(tmp_path, config, token=circle.token) as exporter:
        exporter.until(lambda scrape: polled(scrape) == everything, "the found projects")
    circle.fail("unavailable")
    with Exporter(tmp_path, config, token=circle.token) as exporter:
        scrape = exporter.scrape()
        assert polled(scrape) == everything
        assert scrape.get("discovered_projects", organization=ACME) == 4
        totals = scrape.get("circleci_insights_organization_runs", organization=ACME, window="last-7-days")
        assert totals is not None


def test_once_polls_found_projects_and_fails_with_a_failing_search(circle: Circle, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(configuration(circle, ACME, BILLING))
    good = command("once", folder=tmp_path, token=circle.token)
    assert good.returncode == 0, good.stderr
    assert len(polled(Scrape(good.stdout))) == 5
    circle.fail("not_found", "/insights/gh/acme/summary")
    bad = command("once", folder=tmp_path, token=circle.token)
    assert bad.returncode == 3
    assert polled(Scrape(bad.stdout)) == {BILLING}


def test_check_names_found_projects_and_what_the_searches_cost(circle: Circle, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(configuration(circle, f"{ACME}, circleci/8vLqd1AbCdEf"))
    checked = command("check", "--json", folder=tmp_path, token=circle.token)
    assert checked.returncode == 0, checked.stderr
    document = json.loads(checked.stdout)
    assert len(document["projects"]) == 5
    assert [(each["organization"], each["projects"]) for each in document["organizations"]] == [
        (ACME, 4),
        ("circleci/8vLqd1AbCdEf", 1),
    ]
    costs = [*document["projects"], *document["organizations"]]
    assert document["calls_per_hour"]["most"] == pytest.approx(sum(each["calls_per_hour"]["most"] for each in costs))


def test_found_projects_have_a_past_from_backfill_and_run_goes_on_from_it(tmp_path: Path) -> None:
    now = time.time()
    with Circle(quiet=True, refresh=1) as circle:
        organization = circle.organization
        for name in ("web", "api", "secret"):
            organization.roster.add(f"{ACME}/{name}")
            organization.add_run(f"{ACME}/{name}", "build", "main", "success", created=now - 9000, stopped=now - 8000)
        config = (
            f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 60s}}\n"
            "state: {path: state.db}\ndefaults: {collectors: [runs], runs: {interval: 1s}}\n"
            f"organizations: [{{slug: {ACME}, include: ['*e*', api], exclude: [se*], discovery_interval: 1s}}]\n"
        )
        (tmp_path / "config.yaml").write_text(config)
        done = command("backfill", "--output", "past", folder=tmp_path, token=circle.token)
        assert done.returncode == 0, done.stderr
        past = {series for series, samples in read(tmp_path / "past").items() if samples[-1][1]}
        names = {series.partition('project="')[2].partition('"')[0] for series in past}
        assert names == {"gh/acme/web", "gh/acme/api"}
        assert not [seen for seen in circle.requests if "secret" in seen.path]
        organization.add_run(f"{ACME}/api", "build", "main", "success", created=now - 900, stopped=now - 800)
        organization.roster.add(f"{ACME}/else")
        organization.add_run(f"{ACME}/else", "build", "main", "success", created=now - 9000, stopped=now - 8000)
        runs = {"workflow": "build", "branch": "main", "status": "success"}
        with Exporter(tmp_path, config, token=circle.token) as exporter:
            exporter.until(
                lambda scrape: (
                    [
                        scrape.get("circleci_workflow_runs_total", project=f"{ACME}/{name}", **runs)
                        for name in ("web", "api", "else", "secret")
                    ]
                    == [1, 2, 0, None]
                ),
                "the counters: of the past, of what came since, and of a project found later",
            )


def test_a_backfill_without_an_organization_names_it_and_writes_nothing(circle: Circle, tmp_path: Path) -> None:
    circle.fail("forbidden", "initech")
    (tmp_path / "config.yaml").write_text(
        configuration(circle, f"{{slug: {ACME}, include: [web]}}, bb/initech").replace("[project]", "[runs]")
    )
    asked = ("backfill", "--output", "past", "--days", "2")
    done = command(*asked, folder=tmp_path, token=circle.token)
    assert done.returncode == 3, done.stderr
    assert "bb/initech" in done.stderr
    assert not (tmp_path / "past").exists()
    circle.heal()
    done = command(*asked, folder=tmp_path, token=circle.token)
    assert done.returncode == 0, done.stderr
    assert BILLING in "".join(read(tmp_path / "past"))
