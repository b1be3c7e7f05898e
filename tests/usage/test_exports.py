"""The exports of several organizations, side by side."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StateError
from exporter.usage.api import LostError
from tests.circleci import Circle
from tests.circleci.usage import FILE, LOOK, START, Gate
from tests.running.waiting import wait_until
from tests.usage.making import NOON, job_id, row
from tests.usage.reading import Exporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACME, OTHERS = "gh/acme", ("gh/initech", "gh/hooli")
ALL = (ACME, *OTHERS)
COMPUTE = 'circleci_usage_credits_total{kind="compute",organization="%s"}'


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0, quiet=True) as running:
        for slug in OTHERS:
            running.organization.roster.add(f"{slug}/web")
        running.usage.rows(row(1))
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def run(exporter: Exporter, slug: str = ACME) -> None:
    """Take some steps of an organization."""
    organization = exporter.exports._organizations[slug]
    for _ in range(10):
        organization.step()
        exporter.clock.skip(organization.wait)


def compute(exporter: Exporter) -> dict[str, float]:
    """Compute credits by organization."""
    shown = exporter.samples()
    return {slug: shown[COMPUTE % slug] for slug in ALL if COMPUTE % slug in shown}


def test_what_is_known_of_every_organization_is_shown_before_anything_is_asked(circle: Circle, path: Path) -> None:
    with Exporter(circle, path, slugs=ALL) as before:
        before.exports.restore()
        for slug in ALL:
            run(before, slug)
    circle.forget_requests()
    with Exporter(circle, path, slugs=ALL) as after:
        after.exports.restore()
        assert compute(after) == dict.fromkeys(ALL, 51)
    assert circle.requests == []


def test_a_state_that_cannot_be_read_is_read_by_the_first_step(circle: Circle, path: Path) -> None:
    with Exporter(circle, path) as exporter:
        exporter.state.usage.write(ACME, {})
        exporter.state._connection.execute("ALTER TABLE organization_cell RENAME TO away")
        with pytest.raises(StateError):
            exporter.exports.restore()
        exporter.state._connection.execute("ALTER TABLE away RENAME TO organization_cell")
        run(exporter)
        assert compute(exporter) == {ACME: 51}


def test_an_organization_whose_file_stops_holds_up_no_other(circle: Circle, path: Path) -> None:
    gate = Gate()
    circle.next_answers(FILE, gate.stopping)
    with Exporter(circle, path, slugs=ALL) as exporter:
        exporter.exports.restore()
        slow = threading.Thread(target=run, args=(exporter,))
        slow.start()
        wait_until(gate.reached.is_set, why="the first file to stop")
        for slug in OTHERS:
            run(exporter, slug)
        assert compute(exporter) == dict.fromkeys(OTHERS, 51)
        gate.opened.set()
        slow.join()
        assert compute(exporter) == dict.fromkeys(ALL, 51)


def test_while_two_exports_are_read_a_third_neither_waits_in_a_thread_nor_uses_up_a_look(
    circle: Circle, path: Path
) -> None:
    with Exporter(circle, path) as exporter:
        exporter.exports.restore()
        reading = exporter.exports._reading
        assert [reading.acquire(blocking=False) for _ in range(3)] == [True, True, False]
        run(exporter)
        assert (len(circle.asked(START)), len(circle.asked(LOOK))) == (1, 0)
        assert exporter.organization.wait == 1
        reading.release()
        run(exporter)
        assert compute(exporter) == {ACME: 51}
        assert reading.acquire(blocking=False), "it has let go"


def test_exports_are_asked_about_by_the_newest_settings_of_the_client(circle: Circle, path: Path) -> None:
    with Exporter(circle, path) as exporter:
        exporter.client.prepare(exporter.config.circleci.model_copy(update={"auth": "bearer"}))()
        with pytest.raises(LostError):
            exporter.exports._api.look(circle.organization.roster.owners()[ACME].id, job_id(1))
        (asked,) = circle.requests
        assert asked.token_ok
        assert "authorization" in asked.header_names
        assert "circle-token" not in asked.header_names
