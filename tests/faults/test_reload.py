"""A configuration that changes under a running exporter: what is good is taken, what is bad changes nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.circleci import truth
from tests.faults.campaign import WORKFLOWS, last_success, polled, slug_of, unharmed
from tests.faults.conftest import TOKEN
from tests.running.program import Exporter
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.circleci import RemoteCircle
    from tests.running.scrapes import Scrape

A, B, C, D = (slug_of(number) for number in range(4))
BROKEN = "circleci: {timeout: never, colour: red}\nprojects:\n  - gh/acme\n"


def slowly(circle: RemoteCircle, *projects: str, defaults: str = "", circleci: str = "") -> str:
    """A configuration whose polls are an hour apart: what is asked is asked for another reason than the time."""
    lines = "".join(f"  - {project}\n" for project in projects)
    return (
        f'circleci: {{url: "{circle.url}", requests_per_second: 1000, burst: 1000, timeout: 5s{circleci}}}\n'
        f"defaults: {{interval: 1h{defaults}}}\nprojects:\n{lines}"
    )


@pytest.fixture(autouse=True)
def healed(circle: RemoteCircle) -> Iterator[None]:
    circle.reset()
    yield
    circle.reset()


@pytest.fixture(scope="module")
def daemon(circle: RemoteCircle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder, config = tmp_path_factory.mktemp("reload"), slowly(circle, A, B)
    with Exporter(folder, config, "--web.enable-lifecycle", token=TOKEN) as running:
        yield running


@pytest.fixture
def exporter(daemon: Exporter, circle: RemoteCircle) -> Exporter:
    """The exporter with the two projects that each test begins with, both polled."""
    known = {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in (A, B)}
    reload(daemon, slowly(circle, A, B))
    daemon.until(
        lambda scrape: (
            scrape.get("projects") == 2
            and polled(scrape, [A, B])
            and all(truth.shown(scrape.of_project(slug)) == known[slug] for slug in (A, B))
        ),
        "the values of the first two projects",
    )
    circle.reset()
    return daemon


def reloads(scrape: Scrape) -> float:
    return scrape.get("config_last_reload_success_timestamp_seconds") or 0.0


def reload(exporter: Exporter, config: str) -> Scrape:
    """Give it another configuration that is good, and return the first scrape after it was taken."""
    before = len(exporter.events("configuration reloaded"))
    exporter.configure(config)
    exporter.hang_up()
    wait_until(lambda: len(exporter.events("configuration reloaded")) > before, why="the reload")
    return exporter.scrape()


def asked(circle: RemoteCircle, slug: str) -> int:
    return sum(slug in one["path"] for one in circle.requests())


def exact(exporter: Exporter, circle: RemoteCircle, *slugs: str) -> Scrape:
    return unharmed(exporter, {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in slugs})


def test_a_reload_adds_and_removes_projects_and_leaves_the_others_alone(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    before = exporter.scrape()
    scrape = reload(exporter, slowly(circle, B, C))
    assert scrape.of_project(A, "circleci_") == {}, "what was taken out is gone at once"
    assert scrape.of_project(B) == before.of_project(B), "what stays keeps its parts"
    exporter.until(lambda scrape: polled(scrape, [C]), "what is new to be polled at once")
    exact(exporter, circle, B, C)
    assert asked(circle, B) == 0, "what stays is not polled anew"
    assert exporter.scrape().get("projects") == 2


def test_a_reload_that_changes_nothing_asks_nothing(exporter: Exporter, circle: RemoteCircle) -> None:
    before = exporter.scrape()
    after = reload(exporter, slowly(circle, A, B) + "# a remark\n")
    assert {slug: after.of_project(slug) for slug in (A, B)} == {slug: before.of_project(slug) for slug in (A, B)}
    assert reloads(after) > reloads(before)
    exact(exporter, circle, A, B)
    assert circle.requests() == []


def test_a_further_window_is_asked_for_at_once_and_nothing_else_is(exporter: Exporter, circle: RemoteCircle) -> None:
    reload(exporter, slowly(circle, A, f"{{slug: {B}, windows: [last-7-days, last-24-hours]}}"))
    both = truth.of_project(circle, B, WORKFLOWS, windows=("last-7-days", "last-24-hours"))
    exporter.until(lambda scrape: truth.shown(scrape.of_project(B)) == both, "the values of both windows")
    paths = [(one["path"], one["query"]) for one in circle.requests()]
    assert paths
    assert all(B in path and "last-24-hours" in query for path, query in paths)


def test_a_window_that_is_no_longer_asked_for_is_gone_at_once(exporter: Exporter, circle: RemoteCircle) -> None:
    reload(exporter, slowly(circle, A, B, defaults=", windows: [last-24-hours]"))
    day = {slug: truth.of_project(circle, slug, WORKFLOWS, windows=["last-24-hours"]) for slug in (A, B)}
    scrape = exporter.until(
        lambda scrape: all(truth.shown(scrape.of_project(slug)) == day[slug] for slug in day), "the other window"
    )
    assert "last-7-days" not in scrape.text


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        ("collectors: [workflows]", "circleci_insights_job_"),
        ('workflows: {exclude: ["*-001"]}', 'workflow="workflow-001"'),
        ('jobs: {exclude: ["*-001"]}', 'job_name="job-001"'),
        ('metrics: {exclude: ["*_p95_*"]}', "_duration_p95_seconds"),
    ],
    ids=["without a collector", "without a workflow", "without a job", "without a metric"],
)
def test_what_is_no_longer_wanted_goes_at_the_reload_and_comes_back_with_the_next(
    settings: str, mark: str, exporter: Exporter, circle: RemoteCircle
) -> None:
    left = reload(exporter, slowly(circle, A, B, defaults=f", {settings}")).of_project(A)
    assert not any(mark in name for name in left)
    assert left
    reload(exporter, slowly(circle, A, B))
    every = truth.of_project(circle, A, WORKFLOWS)
    exporter.until(lambda scrape: truth.shown(scrape.of_project(A)) == every, "all values to be back")


def test_a_project_that_gets_a_name_is_shown_by_it_at_once(exporter: Exporter, circle: RemoteCircle) -> None:
    scrape = reload(exporter, slowly(circle, A, f"{{slug: {B}, name: the web shop, labels: {{team: sales}}}}"))
    assert scrape.of_project(B, "circleci_") == {}
    expected = truth.of_project(circle, B, WORKFLOWS, project="the web shop")
    assert truth.shown(scrape.of_project("the web shop")) == expected
    assert 'team="sales"' in scrape.text
    assert circle.requests() == []


def test_a_shorter_interval_holds_at_once(exporter: Exporter, circle: RemoteCircle) -> None:
    before = exporter.scrape()
    reload(exporter, slowly(circle, A, f"{{slug: {B}, interval: 1s}}"))
    exporter.until(lambda scrape: last_success(scrape, B) > last_success(before, B) + 1.5, "two more polls")
    assert last_success(exporter.scrape(), A) == last_success(before, A)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (BROKEN, ["circleci.timeout", "circleci.colour", "projects[0]"]),
        ("projects: [", ["config.yaml"]),
        ("", ["projects"]),
        (None, ["config.yaml"]),
    ],
    ids=["three mistakes", "no YAML", "an empty file", "no file"],
)
def test_a_bad_file_changes_nothing_and_is_logged_with_all_its_problems(
    config: str | None, said: list[str], exporter: Exporter, circle: RemoteCircle
) -> None:
    before, told = exporter.scrape(), len(exporter.events("configuration not reloaded"))
    if config is None:
        exporter.config_file.unlink()
    else:
        exporter.configure(config)
    exporter.hang_up()
    after = exporter.until(lambda scrape: scrape.get("config_last_reload_successful") == 0, "the failure to show")
    problems = [entry["problem"] for entry in exporter.events("configuration not reloaded")[told:]]
    assert len(problems) >= len(said)
    assert all(any(words in problem for problem in problems) for words in said)
    assert reloads(after) == reloads(before)
    exact(exporter, circle, A, B)
    assert circle.requests() == []

    good = reload(exporter, slowly(circle, A, B))
    assert good.get("config_last_reload_successful") == 1


@pytest.mark.parametrize("key", ["url", "state", "ca_file", "token_file"])
def test_what_only_a_restart_can_change_or_what_is_not_there_is_refused_in_words(
    key: str, exporter: Exporter, circle: RemoteCircle, tmp_path: Path
) -> None:
    good = slowly(circle, A, C)
    nowhere = tmp_path / "nowhere"
    bad = {
        "url": good.replace(circle.url, "http://127.0.0.1:9"),
        "state": good + f'state: {{path: "{tmp_path / "new.db"}"}}\n',
        "ca_file": slowly(circle, A, C, circleci=f', ca_file: "{nowhere}"'),
        "token_file": slowly(circle, A, C, circleci=f', token_file: "{nowhere}"'),
    }
    exporter.configure(bad[key])
    status, text = exporter.get("/-/reload", "POST")
    assert (status, exporter.scrape().get("config_last_reload_successful")) == (500, 0)
    words = {"url": "circleci.url", "state": "state.path"}.get(key, f"circleci.{key}")
    assert words in text
    assert any(words in entry["problem"] for entry in exporter.events("configuration not reloaded"))
    exact(exporter, circle, A, B)
    assert not (tmp_path / "new.db").exists()
    assert reload(exporter, good).of_project(B) == {}


def test_the_route_reloads_and_tells_what_came_of_it(exporter: Exporter, circle: RemoteCircle) -> None:
    exporter.configure(slowly(circle, A))
    status, _ = exporter.get("/-/reload", "POST")
    assert (status, exporter.scrape().get("projects")) == (200, 1)
    exporter.configure(BROKEN)
    status, text = exporter.get("/-/reload", "POST")
    assert status == 500
    assert all(words in text for words in ("circleci.timeout", "circleci.colour", "projects[0]"))
    assert exporter.scrape().get("projects") == 1


def test_the_route_is_closed_without_the_flag_and_a_signal_still_reloads(circle: RemoteCircle, tmp_path: Path) -> None:
    with Exporter(tmp_path, slowly(circle, A), token=TOKEN) as exporter:
        assert exporter.get("/-/reload", "POST")[0] == 403
        assert reload(exporter, slowly(circle, A, B)).get("projects") == 2


def test_a_swapped_configmap_is_noticed_with_the_flag(circle: RemoteCircle, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    for name, projects in (("..1", [A]), ("..2", [A, B]), ("..3", [])):
        (mount / name).mkdir()
        (mount / name / "config.yaml").write_text(slowly(circle, *projects))
    (mount / "..data").symlink_to("..1")
    (mount / "config.yaml").symlink_to("..data/config.yaml")
    flags = ("--config.watch", "--config.file", str(mount / "config.yaml"))
    with Exporter(tmp_path / "run", None, *flags, token=TOKEN) as exporter:
        exporter.until(lambda scrape: scrape.get("projects") == 1, "the first version")
        for version in ("..2", "..3"):
            (mount / "..new").symlink_to(version)
            (mount / "..new").rename(mount / "..data")
            if version == "..2":
                exporter.until(lambda scrape: polled(scrape, [A, B]), "the second version")
        exporter.until(lambda scrape: scrape.get("config_last_reload_successful") == 0, "the bad third version")
        assert exporter.scrape().get("projects") == 2


def test_a_change_without_the_flag_waits_for_a_signal(exporter: Exporter, circle: RemoteCircle) -> None:
    exporter.configure(slowly(circle, A))
    exact(exporter, circle, A, B)
    exporter.process.send_signal(signal.SIGHUP)
    exporter.until(lambda scrape: scrape.get("projects") == 1, "the change")


def test_a_poll_under_way_ends_by_the_old_settings_and_is_followed_by_the_new_ones(
    exporter: Exporter, circle: RemoteCircle
) -> None:
    circle.fail("delay", C + r"/workflows\?", times=1, seconds=2)
    circle.fail("delay", D + r"/workflows\?", times=1, seconds=2)
    reload(exporter, slowly(circle, A, C, D))
    wait_until(lambda: {"delay"} <= {one["fault"] for one in circle.requests()} and asked(circle, D) >= 2)
    scrape = reload(exporter, slowly(circle, A, f"{{slug: {C}, windows: [last-24-hours]}}"))
    assert scrape.get("collector_success", project=C, collector="workflows") is None, "it is under way"
    day = truth.of_project(circle, C, WORKFLOWS, windows=["last-24-hours"])
    exporter.until(lambda scrape: truth.shown(scrape.of_project(C)) == day, "the values of the new settings")
    scrape = exact(exporter, circle, A)
    assert scrape.of_project(D, "circleci_") == {}, "a poll of what was taken out shows nothing"
    windows = [one["query"].rpartition("=")[2] for one in circle.requests() if f"{C}/workflows" in one["path"]]
    assert windows.index("last-7-days") < windows.index("last-24-hours")


def test_many_reloads_at_once_end_in_the_newest_configuration(exporter: Exporter, circle: RemoteCircle) -> None:
    for round_number in range(20):
        exporter.configure(slowly(circle, *([A, C, D] if round_number % 2 else [B, D])))
        exporter.hang_up()
    known = {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in (A, C, D)}
    exporter.until(
        lambda scrape: (
            scrape.get("projects") == 3 and all(truth.shown(scrape.of_project(slug)) == known[slug] for slug in known)
        ),
        "the newest configuration's values",
    )
    assert "Traceback" not in exporter.log
