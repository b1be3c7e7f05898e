"""`check` against a synthetic CircleCI: what a person reads, and what a program does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.circleci import Circle
from tests.running.starting import COMMAND, Process, command
from tests.running.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="circle", scope="module")
def one_circle() -> Iterator[Circle]:
    with Circle() as api:
        yield api


@pytest.fixture(autouse=True)
def healed(circle: Circle) -> None:
    circle.heal()


def run_check(
    circle: Circle, folder: Path, config: str, *flags: str, token: str = "", width: int = 80
) -> tuple[int, str]:
    """Run the command; returns the exit code and what stood on standard output."""
    reach = f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000, timeout: 60s}}\n"
    (folder / "config.yaml").write_text(config if "circleci:" in config else reach + config)
    result = command("check", *flags, folder=folder, token=token or circle.token, COLUMNS=str(width))
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout


def as_json(circle: Circle, folder: Path, config: str, token: str = "") -> tuple[int, dict[str, Any]]:
    code, said = run_check(circle, folder, config, "--json", token=token)
    document = json.loads(said)
    assert isinstance(document, dict)
    return code, document


def test_a_person_reads_a_row_for_each_project_and_what_it_costs(circle: Circle, tmp_path: Path) -> None:
    code, said = run_check(circle, tmp_path, "projects: [gh/acme/web, bb/initech/billing]")

    assert code == 0
    (row,) = (line for line in said.splitlines() if "gh/acme/web " in line)
    assert row.split()[:3] == ["gh/acme/web", "1–4", "main"]
    assert "master" in said
    assert "Token accepted (user insights-bot)." in said
    assert "2 to 8 API calls an hour, within the 3600000 that requests_per_second allows." in said


def test_a_configuration_that_needs_one_call_an_hour_is_said_so(circle: Circle, tmp_path: Path) -> None:
    _, said = run_check(
        circle, tmp_path, "projects: [{slug: gh/acme/nosuch, collectors: [workflows, runs], runs: {interval: 1h}}]"
    )

    assert "\n1 API call an hour, within the 3600000 that requests_per_second allows." in said


@pytest.mark.parametrize("collector", ["runs", "pipelines"])
@pytest.mark.parametrize("state", [True, False])
def test_counters_that_no_state_keeps_are_not_called_good(
    collector: str, state: bool, circle: Circle, tmp_path: Path
) -> None:
    kept = "state: {path: state.sqlite}\n" if state else ""
    config = f"{kept}projects: [gh/acme/web, {{slug: gh/acme/api, collectors: [workflows, {collector}]}}]"

    code, said = run_check(circle, tmp_path, config, width=160)
    _, document = as_json(circle, tmp_path, config)

    (result,) = (line.rstrip().split("  ")[-1].strip() for line in said.splitlines() if "gh/acme/api  " in line)
    assert (code, result) == (0, "good" if state else "no state")
    assert ("the counters of gh/acme/api begin at 0" in said) is not state
    assert [each["counters_kept"] for each in document["projects"]] == [True, state]


def test_the_file_alone_tells_that_counters_are_not_kept(circle: Circle, tmp_path: Path) -> None:
    config = "organizations: [{slug: gh/acme, collectors: [runs]}]"

    assert "gh/acme begin at 0" in run_check(circle, tmp_path, config, "--offline")[1]
    assert json.loads(run_check(circle, tmp_path, config, "--offline", "--json")[1])["counters_kept"] is False
    assert "begin at 0" not in run_check(circle, tmp_path, f"state: {{path: s}}\n{config}", "--offline")[1]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_cut(circle: Circle, tmp_path: Path, width: int) -> None:
    code, said = run_check(circle, tmp_path, "projects: [gh/acme/odd.names_1]", width=width)

    assert code == 0
    assert max(map(len, said.splitlines())) <= width
    joined = "".join(said.split())
    assert "gh/acme/odd.names_1" in joined
    assert "<script>" in joined


def test_a_project_that_fails_is_named_with_a_remedy(circle: Circle, tmp_path: Path) -> None:
    code, said = run_check(circle, tmp_path, "projects: [gh/acme/nosuch, gh/acme/web]")

    assert code == 3
    assert "gh/acme/nosuch fails: GET /project/gh/acme/nosuch: HTTP 404: Project not found" in said
    assert "The slug is wrong, or the token's user cannot see the project." in said


def test_what_is_empty_is_explained(circle: Circle, tmp_path: Path) -> None:
    config = "projects: [{slug: gh/acme/web, default_branch: false, branches: [never-built]}]"
    code, said = run_check(circle, tmp_path, config, width=200)

    assert code == 0
    assert "gh/acme/web has no workflow: 0 on never-built in last-7-days, 0 in last-90-days, 4 on all branches" in said
    assert "empty" in said


def test_where_only_some_is_empty_it_says_so(circle: Circle, tmp_path: Path) -> None:
    config = "projects: [{slug: gh/acme/web, branches: [never-built]}]"
    assert "partly empty" in run_check(circle, tmp_path, config, width=200)[1]


def test_globs_that_match_nothing_fail_without_a_remedy(circle: Circle, tmp_path: Path) -> None:
    config = "projects: [{slug: gh/acme/web, default_branch: false, branches: ['nope/*']}]"
    code, said = run_check(circle, tmp_path, config, width=200)

    assert code == 3
    assert "gh/acme/web fails: no branch that Insights knows matches nope/*" in said


def test_a_refused_token_is_told_with_a_remedy_and_nothing_else_is_asked(circle: Circle, tmp_path: Path) -> None:
    code, said = run_check(circle, tmp_path, "projects: [gh/acme/web]", token="wrong")
    assert code == 3
    assert "HTTP 401" in said
    assert "Make a new personal API token" in said

    code, document = as_json(circle, tmp_path, "projects: [gh/acme/web]", token="wrong")
    assert (code, document["ok"], document["token"]["accepted"]) == (3, False, False)


def test_an_api_that_does_not_answer_says_nothing_of_the_token(circle: Circle, tmp_path: Path) -> None:
    config = "circleci: {url: 'http://127.0.0.1:1'}\nprojects: [gh/acme/web]"

    code, document = as_json(circle, tmp_path, config)

    assert (code, document["ok"], document["token"]["accepted"]) == (3, False, None)
    assert "no connection to 127.0.0.1:1" in document["token"]["error"]


def test_what_costs_more_than_the_rate_allows_is_said(circle: Circle, tmp_path: Path) -> None:
    config = (
        f"circleci: {{url: '{circle.url}', requests_per_second: 0.01, burst: 100}}\n"
        "defaults: {interval: 10s}\nprojects: [gh/acme/web]"
    )

    code, said = run_check(circle, tmp_path, config)

    assert code == 0
    assert "more than the 36 that requests_per_second allows." in said


def test_a_program_reads_scopes_calls_and_reasons(circle: Circle, tmp_path: Path) -> None:
    code, document = as_json(circle, tmp_path, "projects: [{slug: gh/acme/web, name: web}, gh/acme/nosuch]")

    good, bad = document["projects"]
    assert (code, document["ok"], document["token"]) == (3, False, {"accepted": True, "login": "insights-bot"})
    assert (good["project"], good["slug"], good["default_branch"]) == ("web", "gh/acme/web", "main")
    assert [scope["window"] for scope in good["scopes"]] == ["last-7-days"]
    assert (bad["ok"], bad["reason"]) == (False, "not_found")


def test_excluded_workflows_cost_nothing(circle: Circle, tmp_path: Path) -> None:
    _, document = as_json(circle, tmp_path, "projects: [{slug: gh/acme/web, workflows: {include: [nightly]}}]")

    assert document["calls_per_hour"]["most"] == pytest.approx(2 + 1 / 24)


def test_runs_are_counted_of_workflows_on_every_branch(circle: Circle, tmp_path: Path) -> None:
    _, document = as_json(circle, tmp_path, "projects: [{slug: gh/acme/web, collectors: [runs]}]")

    # The names once an hour, four workflows every five minutes, one of which runs on other branches only.
    assert document["calls_per_hour"]["least"] == pytest.approx(1 + 4 * 12 + 1 / 24)


def test_it_is_foretold_that_looks_will_be_late_in_the_busiest_hour(tmp_path: Path) -> None:
    with Circle(quiet=True, refresh=1) as circle:
        began = circle.clock.now() - 7200
        for number in range(20):
            run = {"name": "build", "status": "success", "created": began + number, "stopped": began + number + 840}
            circle.pipelines.add("gh/acme/web", created=began + number, workflows=[run])
        reach = f"circleci: {{url: '{circle.url}', requests_per_second: RATE, burst: 1000, timeout: 60s}}\n"
        config = f"{reach}projects: [{{slug: gh/acme/web, collectors: [pipelines]}}]"
        (_, scarce), (_, plenty) = (run_check(circle, tmp_path, config.replace("RATE", rate)) for rate in ("0.05", "1"))
    # Each of them costs 28 calls, most of them within its first hour.
    foretold = re.search(r"The busiest hour needs (\d+), more than that: pipelines will be read late then", scarce)
    assert foretold
    assert int(foretold[1]) == pytest.approx(20 * 28, rel=0.05)
    assert "busiest" not in plenty


def test_pipelines_are_counted_and_what_they_cost_is_told(tmp_path: Path) -> None:
    with Circle(quiet=True, refresh=1) as circle:
        now = circle.clock.now()
        for slug, count in (("gh/acme/web", 30), ("gh/acme/api", 0)):
            for number in range(count):
                begun = now - 3600 * number - 1800
                run = {"name": "build", "status": "success", "created": begun, "stopped": begun + 840}
                circle.pipelines.add(slug, created=begun, workflows=[run])
        config = "defaults: {collectors: [pipelines]}\nprojects: [gh/acme/web, gh/acme/api]"
        _, document = as_json(circle, tmp_path, config)
        _, said = run_check(circle, tmp_path, config, width=120)
    web, api = document["projects"]
    assert (web["pipelines"], api["pipelines"]) == ({"a_day": 24, "first_look": 32}, {"a_day": 0, "first_look": 1})
    assert document["first_look"] == 33
    (of_lists,) = document["pipeline_lists"]
    assert (of_lists["organization"], round(of_lists["calls_per_hour"]["most"])) == ("gh/acme", 43)
    # 11 looks at a run of 14 minutes and 11 at its jobs, 6 for a re-run, once an hour; the list, and four names a day.
    assert web["calls_per_hour"]["least"] == pytest.approx(11 + 11 + 6 + 1 / 4 + 1 / 20 + 4 / 24, rel=0.01)
    assert api["calls_per_hour"]["most"] == pytest.approx(4 + 4 / 24)
    total = sum(each["calls_per_hour"]["least"] for each in (web, api, of_lists))
    assert document["calls_per_hour"]["least"] == pytest.approx(total)
    (row,) = (line for line in said.splitlines() if "gh/acme/web " in line)
    assert row.split()[2] == "24"
    assert "gh/acme: 43 calls an hour for its list of newest pipelines" in said
    assert "The first look at all pipelines needs about 33 more, once." in said


def test_organizations_are_searched_and_their_projects_checked(circle: Circle, tmp_path: Path) -> None:
    code, said = run_check(circle, tmp_path, "organizations: [bb/initech, gh/nosuch]", width=160)

    assert code == 3
    assert "bb/initech: 1 project found" in said
    assert "bb/initech/billing" in said
    assert "gh/nosuch: GET" in said


def test_offline_nothing_is_asked_and_no_token_is_needed(circle: Circle, tmp_path: Path) -> None:
    circle.forget_requests()

    code, said = run_check(circle, tmp_path, "projects: [gh/acme/web]\norganizations: [gh/a, gh/b]", "--offline")

    assert (code, said) == (0, "config.yaml is valid: 1 project, 2 organizations. CircleCI was not contacted.\n")
    code, said = run_check(circle, tmp_path, "projects: [gh/acme/web]", "--offline", "--json")
    assert json.loads(said) == {"ok": True, "projects": 1, "organizations": 0, "counters_kept": True}
    assert list(circle.requests) == []


@pytest.mark.parametrize("stage", ["token", "search", "projects"])
def test_it_ends_at_once_and_quietly_at_ctrl_c(circle: Circle, tmp_path: Path, stage: str) -> None:
    """At a rate that leaves its questions waiting for their turn, most of them for minutes."""
    reached = {"token": "/me", "search": "/insights/gh/acme/summary", "projects": "/project/"}[stage]
    if stage == "token":
        circle.fail("hang", r"/me$")
    (tmp_path / "config.yaml").write_text(
        f"circleci: {{url: '{circle.url}', requests_per_second: 1.5, burst: {2 if stage == 'search' else 3}}}\n"
        "organizations: [gh/acme]\n" + "projects: [" + ", ".join(f"gh/acme/p{n}" for n in range(60)) + "]\n"
    )
    asked = len(circle.requests)
    with Process(
        [COMMAND, "check"],
        cwd=tmp_path,
        env={**os.environ, "CIRCLECI_TOKEN": circle.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: any(reached in one.path for one in circle.requests[asked:]))
            process.send_signal(signal.SIGINT)
            output, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, output) == (130, "")
    assert "Traceback" not in said


# ---- webhooks

HOOK = "https://hooks.example.com/webhooks/circleci"
WATCHED = "projects: [{slug: gh/acme/web, collectors: [pipelines]}, gh/acme/api]"


def web_id(circle: Circle) -> str:
    return next(project.id for project in circle.organization.projects if project.slug == "gh/acme/web")


def registered(circle: Circle, secret: str, url: str = HOOK) -> None:
    hook: dict[str, object] = {"id": web_id(circle), "name": "x", "url": url, "signing_secret": secret}
    circle.organization.webhooks = {web_id(circle): [hook]}


def test_a_webhook_with_a_secret_is_found_and_only_projects_with_pipelines_are_asked(
    circle: Circle, tmp_path: Path
) -> None:
    registered(circle, "****", f"{HOOK}/")
    code, said = run_check(circle, tmp_path, WATCHED, "--webhook-url", HOOK, width=200)
    assert code == 0
    assert "web: webhook found, with a secret" in said
    assert "api: " not in said


def test_a_webhook_without_a_secret_or_with_another_address_is_a_problem_and_the_call_that_makes_one_is_shown(
    circle: Circle, tmp_path: Path
) -> None:
    registered(circle, "")
    code, said = run_check(circle, tmp_path, WATCHED, "--webhook-url", HOOK, width=200)
    assert code == 3
    assert "has no secret" in said
    registered(circle, "****", "https://elsewhere.example.com")
    code, said = run_check(circle, tmp_path, WATCHED, "--webhook-url", HOOK, width=200)
    assert code == 3
    (line,) = [line for line in said.splitlines() if line.startswith("curl ")]
    shell = f"curl() {{ printf '%s' \"${{!#}}\"; }}; CIRCLECI_TOKEN=t CIRCLECI_WEBHOOK_SECRET=s; {line}"
    sent = json.loads(subprocess.run(["/bin/bash", "-c", shell], capture_output=True, text=True, check=True).stdout)
    assert sent["signing_secret"] == "s"
    assert (sent["url"], sent["events"]) == (HOOK, ["workflow-completed"])
    assert sent["scope"] == {"id": web_id(circle), "type": "project"}


def test_a_token_that_may_not_see_webhooks_is_told_so_and_is_no_failure(circle: Circle, tmp_path: Path) -> None:
    circle.fail("forbidden", "/webhook")
    code, said = run_check(circle, tmp_path, WATCHED, "--webhook-url", HOOK, width=200)
    assert code == 0
    assert "web: webhook not checked: the token may not see the project's webhooks" in said


def test_a_program_reads_what_became_of_each_webhook(circle: Circle, tmp_path: Path) -> None:
    circle.organization.webhooks = {}
    code, said = run_check(circle, tmp_path, WATCHED, "--webhook-url", HOOK, "--json")
    web, api = json.loads(said)["projects"]
    assert code == 3
    assert (web["ok"], web["webhook"]["state"], api["webhook"]) == (False, "missing", None)
