"""What the version before left is taken over: its state, its configuration, its dashboards, its alerts.

That version made what is in `before/`. With each release it is made anew, by the version that is about to be replaced.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.exporter_metrics import DEPLOY, ROOT, exposed, recorded, rules
from tests.deploy.promql import metrics
from tests.running.program import Exporter
from tests.running.scrapes import Scrape
from tests.running.starting import run_to_end

BEFORE = Path(__file__).parent / "before"
PAGE = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
OLD_DASHBOARDS: dict[str, Any] = json.loads((BEFORE / "dashboards.json").read_text(encoding="utf-8"))


def renamed(text: str) -> str:
    """Text with each name as docs/upgrading.md has it now."""
    table = PAGE.partition("<!-- renamed -->")[2].partition("<!-- end -->")[0]
    for old, new in re.findall(r"^\| `(\S+?)\*?` \| `(\S+?)\*?` \|", table, re.MULTILINE):
        text = re.sub(rf"\b{re.escape(old)}", new, text)
    return text


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state file of the version before, as if it had been written just now."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(gzip.decompress((BEFORE / "state.sqlite.gz").read_bytes()))
    polled = "json_set(facts, '$.polled_at', :now, '$.swept_at', :now)"
    with closing(sqlite3.connect(path)) as connection, connection:
        for assignment in (
            "part SET checked_at = :now",
            "project SET polled_at = :now",
            f"workflow SET facts = {polled}",
        ):
            connection.execute(f"UPDATE {assignment}", {"now": time.time()})
    return path


def test_the_state_of_the_version_before_is_shown_at_once_with_every_counter_where_it_was(state: Path) -> None:
    old = Scrape(renamed(gzip.decompress((BEFORE / "metrics.txt.gz").read_bytes()).decode())).values
    config = (BEFORE / "config.yaml").read_text(encoding="utf-8")

    with Exporter(state.parent, config, token="made-up-token-of-a-test") as exporter:
        new = exporter.scrape().values
        moved_aside = list(state.parent.glob("*.corrupt-*"))

    assert len(old) > 900
    assert {series: new.get(series) for series in old} == old
    assert sum(value for series, value in new.items() if series.startswith("circleci_workflow_runs_total")) == 9
    assert moved_aside == []


@pytest.mark.parametrize("file", ["every-key.yaml", "config.yaml"])
def test_a_configuration_of_the_version_before_is_still_valid(file: str) -> None:
    done = run_to_end(
        [sys.executable, "-m", "exporter", "check", "--offline", "--config.file", BEFORE / file],
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", OLD_DASHBOARDS)
def test_a_dashboard_of_the_version_before_keeps_its_address_and_finds_its_series(name: str) -> None:
    old = OLD_DASHBOARDS[name]
    new = json.loads((DEPLOY / "grafana" / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    asked = {metric for query in old["queries"] for metric in metrics(renamed(query))}

    assert new["uid"] == old["uid"]
    assert asked - exposed().keys() - recorded() == {"up", "ALERTS"} & asked


def test_the_alerts_of_the_version_before_keep_their_names_but_those_that_the_page_says_are_removed() -> None:
    old = renamed((BEFORE / "alerts.txt").read_text(encoding="utf-8")).split()
    removed = re.findall(r"^\| `(CircleCI\w+)`", PAGE.partition("<!-- removed -->")[2], re.MULTILINE)

    assert len(old) == 20
    assert sorted(set(old) - {rule["alert"] for rule in rules("alerts.yml")}) == sorted(removed)
