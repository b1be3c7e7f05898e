"""Half an hour without CircleCI: every figure that the exporter shows of itself, held against what really happened."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from exporter.client.failures import RETRIES
from tests.campaigns.outages.alerts import firing
from tests.campaigns.outages.night import API, DOCS, LATENESS, MINUTE, SLUGS, WEB, night

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.campaigns.outages.night import Look, Night

BEGIN, END, LAST = 12, 42, 57
LONGEST_GAP = 5
SOON = (2 * LATENESS + 2) / MINUTE
"""Minutes in which whatever is due has surely begun."""
DUE = {(WEB, "workflows"), (WEB, "jobs"), (WEB, "pipelines"), (API, "runs"), (DOCS, "workflows")}
"""What is to be polled within the half hour."""
NOT_DUE = {(WEB, "runs"), (API, "workflows")}
SHOWN = {
    (DOCS, "workflows"): "circleci_insights_workflow_runs",
    (WEB, "workflows"): "circleci_insights_workflow_runs",
    (WEB, "pipelines"): "circleci_workflow_runs_total",
    (API, "runs"): "circleci_workflow_runs_total",
}
"""Of some collectors one name of what they show."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Night]:
    """A night before anything happened, at the moment at which CircleCI begins to fail."""
    with night(tmp_path) as found:
        found.until(BEGIN, traffic(found))
        yield found


def traffic(running: Night) -> Callable[[float], None]:
    """Let runs happen, until they can all have been counted at the end."""

    def happens(minute: float) -> None:
        if minute % 2 == 0 and minute < LAST - 5:
            running.run(WEB, "build")
        if minute % 5 == 0 and minute < LAST - 5:
            for slug in SLUGS:
                running.run(slug, "deploy", status="failed" if minute == END - 2 else "success")

    return happens


def live_through(running: Night, ends: Callable[[], None], last: int = LAST) -> float:
    """Let the outage end, and the night after it; returns the minute of the first answered request."""
    running.until(END, traffic(running))
    ends()
    running.until(last, traffic(running))
    return running.requests(END, last)[0][0]


def the_figures_are_right(running: Night, back: float, page: str, *, up: float, rests: float = 1) -> None:
    """Before the outage, in it and after it; requests are answered from `back` on, and all is done when it rests."""
    for look in [*running.between(1, BEGIN), *running.between(back + rests, running.minute)]:
        assert (look.one("circleci_exporter_up"), look.page) == (1, "reachable, token accepted"), look.minute
        assert delay(look) <= SOON * MINUTE, look.minute
        assert failing(look) == set()
    for look in running.between(BEGIN + SOON, back):
        assert (look.one("circleci_exporter_up"), look.page) == (up, page), look.minute
        assert delay(look) == pytest.approx((look.minute - BEGIN) * MINUTE, abs=5 * SOON * MINUTE), look.minute
    success_is_claimed_by_nobody(running, back)
    what_is_stale_is_not_shown(running, back)
    for slug in (WEB, API):
        assert running.counted(slug, running.looks[-1]) == running.truth(slug)


def delay(look: Look) -> float:
    return look.one("circleci_exporter_poll_delay_seconds") or 0.0


def failing(look: Look) -> set[tuple[str, str]]:
    """What failed last, as the metrics say it; the page says the same."""
    found = {pair for pair, success in look.success().items() if not success}
    assert found == {
        (slug, name) for slug, each in look.health.items() for name, word in each.items() if word == "failing"
    }
    return found


def success_is_claimed_by_nobody(running: Night, back: float) -> None:
    """What was due fails until it is answered, and no success is newer than the last answer."""
    outage = running.between(BEGIN + 1, back)
    assert failing(outage[-1]) == DUE
    assert set(outage[-1].success()) == DUE | NOT_DUE
    for before, after in pairwise(outage):
        assert failing(before) <= failing(after), after.minute
    for look in outage:
        for slug, collector in DUE | NOT_DUE:
            succeeded_at = look.minute - look.age(slug, collector) / MINUTE
            assert succeeded_at <= BEGIN + SOON, (slug, collector, look.minute)


def what_is_stale_is_not_shown(running: Night, back: float) -> None:
    """Each figure stays as it is until its age is too great, is then gone, and comes back with the answers."""
    for (slug, collector), name in SHOWN.items():
        snapshot = running.term.engine.store.get(slug)
        assert snapshot is not None
        longest, seen = snapshot.project.staleness(collector), running.at(BEGIN + 1).of(name, project=slug)
        assert seen
        for look in running.between(BEGIN + 1, back):
            shown, age = look.of(name, project=slug), look.age(slug, collector)
            assert shown in ({}, seen)
            if abs(age - longest) > SOON * MINUTE:
                assert bool(shown) == (age < longest), (slug, collector, look.minute)
        assert not running.at(END - 1).of(name, project=slug) or longest >= (END - BEGIN) * MINUTE
        assert running.looks[-1].of(name, project=slug)


def only_the_light_question_is_asked(running: Night, answered_from: float) -> None:
    """Once it was not answered, at growing gaps up to five minutes."""
    asked = [(minute, path) for minute, path, _ in running.requests(BEGIN, answered_from)]
    first = next(minute for minute, path in asked if path == "/me")
    before = [path for minute, path in asked if minute <= first and path != "/me"]
    stale = RETRIES  # a kept connection that was closed is another matter, with retries of its own
    assert max(Counter(before).values()) <= 1 + RETRIES + stale
    assert len(set(before)) <= 2 * len(SLUGS), "what was under way, nothing for each of what is due"
    assert {path for minute, path in asked if minute > first} == {"/me"}
    gaps = [
        after - before
        for (before, _), (after, _) in pairwise([each for each in asked if each[0] >= first and each[1] == "/me"])
    ]
    assert all(after >= before - SOON for before, after in pairwise(gaps))
    assert max(gaps) == pytest.approx(LONGEST_GAP, abs=SOON)
    assert len(asked) <= 25


def fires(running: Night, promtool: Path, folder: Path) -> dict[str, tuple[int, int]]:
    """Each alert about the exporter that fired in the night: its first minute, and that at which it was over."""
    minutes: dict[str, list[int]] = {}
    for minute, names in enumerate(firing(promtool, folder, running.looks)):
        for name in names:
            minutes.setdefault(name, []).append(minute)
    assert all(found == [*range(found[0], found[-1] + 1)] for found in minutes.values()), minutes
    return {name: (found[0], found[-1] + 1) for name, found in minutes.items()}


def one_alert_tells_that_circleci_is_not_reached(running: Night, promtool: Path, folder: Path, back: float) -> None:
    alerts = fires(running, promtool, folder)
    assert alerts.keys() == {"CircleCIUnreachable"}
    first, over = alerts["CircleCIUnreachable"]
    assert first == pytest.approx(BEGIN + 9, abs=1)
    assert back <= over <= back + 1


def the_log_tells_of_it_once(running: Night, begins: tuple[str, str], ends: tuple[str, str], back: float) -> None:
    (first, *_, error), (second, *_) = running.log[1:]
    assert running.said(1, LAST) == [begins, ends]
    assert first == pytest.approx(BEGIN, abs=2 * SOON)
    assert second == pytest.approx(back, abs=SOON)
    assert second >= back
    assert str(error["error"]).count("GET ") == 1, "it names what was asked, and nothing else"


@pytest.mark.parametrize("fault", ["reset", "html_200"])
def test_without_answers_or_with_web_pages_every_figure_tells_that_circleci_is_not_reached(
    running: Night, promtool: Path, tmp_path: Path, fault: str
) -> None:
    running.circle.fail(fault)
    back = live_through(running, running.circle.heal)

    assert END <= back <= END + LONGEST_GAP + SOON
    the_figures_are_right(running, back, "not reachable", up=0)
    only_the_light_question_is_asked(running, back)
    unreachable, again = ("warning", "CircleCI cannot be reached"), ("info", "CircleCI answers again")
    the_log_tells_of_it_once(running, unreachable, again, back)
    one_alert_tells_that_circleci_is_not_reached(running, promtool, tmp_path, back)


def test_while_the_token_is_refused_every_figure_tells_it_until_another_token_is_accepted(
    running: Night, promtool: Path, tmp_path: Path
) -> None:
    running.circle.accept("another")

    def renewed() -> None:
        running.token.write_text("another")

    back = live_through(running, renewed)

    assert END <= back <= END + SOON, "another token is tried at once"
    the_figures_are_right(running, back, "token refused", up=0)
    only_the_light_question_is_asked(running, back)
    rejected, accepted = ("error", "CircleCI rejects the token"), ("info", "CircleCI accepts the token again")
    the_log_tells_of_it_once(running, rejected, accepted, back)
    alerts = fires(running, promtool, tmp_path)
    assert alerts.keys() == {"CircleCITokenRefused"}
    first, over = alerts["CircleCITokenRefused"]
    assert first == pytest.approx(BEGIN + 6, abs=1)
    assert back <= over <= back + 1


def test_while_circleci_answers_429_it_is_asked_seldom_and_every_figure_tells_how_late_all_is(
    running: Night, promtool: Path, tmp_path: Path
) -> None:
    running.circle.fail("throttle")
    back = live_through(running, running.circle.heal, last=LAST + 30)

    assert END <= back <= END + LONGEST_GAP + SOON
    the_figures_are_right(running, back, "rate limited, the last answer was 429", up=1, rests=6)
    asked = running.requests(BEGIN, back)
    assert {status for _, _, status in asked} == {429}
    assert len(asked) <= 40
    log = [(event, fields["project"]) for _, _, event, fields in running.log[1:]]
    begun, ended = log[: len(SLUGS)], log[len(SLUGS) :]
    assert Counter(begun) == Counter(("project is failing", slug) for slug in SLUGS)
    assert Counter(ended) == Counter(("project recovered", slug) for slug in SLUGS)
    assert min(minute for minute, _, event, _ in running.log if event == "project recovered") >= back
    alerts = fires(running, promtool, tmp_path)
    assert alerts.keys() == {"CircleCIRateLimited"}
    assert alerts["CircleCIRateLimited"][1] <= back + 30


def test_a_collector_fails_in_an_outage_though_its_first_poll_there_had_nothing_to_ask(tmp_path: Path) -> None:
    with night(tmp_path) as running:
        running.until(10, lambda minute: running.run(WEB, "build") if minute % 5 == 0 else None)
        running.circle.accept("another")
        running.term.engine.client.ask_lightly()
        running.until(14)
        asked = {path for minute, path, _ in running.asked if minute > 10}
        assert asked == {"/me"}
        assert (WEB, "pipelines") in failing(running.looks[-1])
