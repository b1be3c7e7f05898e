from __future__ import annotations

from exporter.config import parse
from exporter.process import fixed

BEFORE = parse("projects: [gh/acme/web]")


def test_server_and_state_stay_as_they_are_until_a_restart() -> None:
    after = parse("circleci: {url: 'https://circleci.example.com'}\nstate: {path: /new.db}\nprojects: [gh/acme/web]")
    problems = fixed.changes(BEFORE, after)
    assert [problem.path for problem in problems] == ["circleci.url", "state.path"]
    assert all("restart the exporter" in str(problem) for problem in problems)


def test_everything_else_may_change() -> None:
    after = parse("circleci: {timeout: 5s}\nprojects: [gh/acme/api]\nrunners: {namespaces: [acme]}")
    assert fixed.changes(BEFORE, after) == ()
