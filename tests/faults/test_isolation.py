"""Projects that are slow: the others are served as if there were none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.circleci import truth
from tests.faults.campaign import (
    WORKFLOWS,
    configuration,
    polled,
    slug_of,
    still_polled,
    unharmed,
)
from tests.faults.conftest import TOKEN
from tests.running.program import Exporter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.circleci import RemoteCircle


def test_four_slow_projects_cannot_fill_four_slots_for_long(circle: RemoteCircle, tmp_path: Path) -> None:
    slow, others = [slug_of(number) for number in range(20, 24)], [slug_of(number) for number in range(24, 34)]
    known = {slug: truth.of_project(circle, slug, WORKFLOWS) for slug in others}
    for slug in slow[:2]:
        circle.fail("hang", slug)
    for slug in slow[2:]:
        circle.fail("drip_body", slug, interval=0.5)
    with Exporter(
        tmp_path, configuration(circle, [*slow, *others], concurrency=4, timeout="1s"), token=TOKEN
    ) as exporter:
        exporter.until(lambda scrape: polled(scrape, others), "the others to be polled")
        unharmed(exporter, known)
        for _ in range(2):
            still_polled(exporter, others)
        scrape = unharmed(exporter, known)
        assert all(truth.shown(scrape.of_project(slug)) == {} for slug in slow)
        exporter.until(lambda scrape: scrape.failures("workflows").get("timeout"), "the slow ones to be told")
    circle.heal()
