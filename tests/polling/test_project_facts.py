from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import NotFoundError
from exporter.polling.project_facts import refresh
from tests.running.engine import Running, hourly

if TYPE_CHECKING:
    from exporter.errors import PollError
    from exporter.knowledge.snapshots import Facts

WEB = "gh/acme/web"
DAY, HOUR = 86_400, 3600


def learn(
    running: Running, facts: Facts | None = None, *, branches: bool = True
) -> tuple[Facts | None, PollError | None]:
    snapshot = running.engine.store.get(WEB)
    assert snapshot is not None
    attempt = running.engine.attempts.begin("workflows", 3600)
    return refresh(attempt, snapshot.project, facts, branches=branches)


def test_the_project_is_asked_for_once_a_day_and_its_branches_once_an_hour() -> None:
    with hourly("branches: ['ma*']") as running:
        facts, error = learn(running)
        assert error is None
        assert facts is not None
        assert (facts.default_branch, "main" in facts.branches) == ("main", True)
        assert len(running.asked()) == 2
        running.now += HOUR - 1
        assert learn(running, facts) == (facts, None)
        assert running.asked() == []
        running.now += 1
        later, _ = learn(running, facts)
        assert running.asked() == [f"/insights/{WEB}/branches"]
        running.now += DAY
        learn(running, later)
        assert running.asked() == [f"/project/{WEB}", f"/insights/{WEB}/branches"]


@pytest.mark.parametrize(("settings", "branches"), [("", True), ("branches: ['ma*']", False)])
def test_branches_are_asked_for_where_globs_need_them_and_the_poll_does(settings: str, branches: bool) -> None:
    with hourly(settings) as running:
        learn(running, branches=branches)
        assert running.asked() == [f"/project/{WEB}"]


def test_a_project_without_a_default_branch_is_asked_for_again_where_that_is_wanted() -> None:
    for settings, calls in (("", 2), ("default_branch: false, branches: [main]", 1)):
        with hourly(settings) as running:
            running.circle.fail("put", match="/project/", path="vcs_info.default_branch", value=None)
            facts, error = learn(running)
            assert error is None
            learn(running, facts)
            assert running.asked() == [f"/project/{WEB}"] * calls


def test_what_was_known_serves_while_asking_fails_and_the_failure_is_told() -> None:
    with hourly() as running:
        facts, _ = learn(running)
        running.now += DAY
        running.circle.fail("not_found", match="/project/")
        known, error = learn(running, facts)
        assert known is facts
        assert isinstance(error, NotFoundError)
        assert learn(running)[0] is None
