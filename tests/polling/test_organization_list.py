"""The list of an organization's newest pipelines, against a synthetic CircleCI."""

from __future__ import annotations

from exporter.polling.organization_list import OrganizationList
from tests.running.engine import SLUG
from tests.running.watching import Watching

PAGE = 20


def told(running: Watching) -> set[str]:
    """Look at the list; the projects that are told of something new."""
    engine, found = running.engine, set[str]()
    OrganizationList("gh/acme", [SLUG], 60.0, engine.attempts, engine.coverage, arrived=found.update).step()
    engine.coverage.take(SLUG)
    return found


def pages_asked(running: Watching) -> int:
    """Look at the list; how many pages that took."""
    running.asked()
    engine = running.engine
    OrganizationList("gh/acme", [SLUG], 60.0, engine.attempts, engine.coverage, arrived=lambda _: None).step()
    return len([path for path in running.asked() if path == "/pipeline"])


def more(running: Watching, count: int) -> None:
    for _ in range(count):
        running.pass_time(1)
        running.circle.pipelines.add(SLUG, "main")


def test_it_is_read_down_to_what_was_known() -> None:
    with Watching() as running:
        more(running, 3 * PAGE)
        assert pages_asked(running) == 1
        more(running, 2 * PAGE)
        assert pages_asked(running) == 3
        assert pages_asked(running) == 1


def test_an_entry_that_can_never_be_read_does_not_make_every_look_longer() -> None:
    with Watching() as running:
        more(running, PAGE)
        assert pages_asked(running) == 1
        running.circle.fail("put", "/pipeline[?]org-slug", path="items.0.created_at", value="never")
        pages = []
        for _ in range(12):
            more(running, PAGE)
            pages.append(pages_asked(running))
        assert pages[:5] == [2, 3, 4, 5, 6]  # what could not be read is looked for again
        assert max(pages[6:]) == 2


def test_a_project_is_told_of_what_is_new_also_when_circlecis_clock_was_set_back() -> None:
    with Watching() as running:
        more(running, 3)
        assert told(running) == {SLUG}
        assert told(running) == set()
        running.circle.clock.advance(-600)
        more(running, 1)
        assert told(running) == {SLUG}
        assert told(running) == set()
