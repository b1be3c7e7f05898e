"""Whatever has become of the state file's bytes, the exporter starts, and what is damaged costs itself alone."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import CapturingLogger

from exporter.config import parse
from exporter.counting.book import Changes
from exporter.counting.ledger import WorkflowLedger
from exporter.formats.deflate import packed
from exporter.knowledge.snapshots import Snapshot
from exporter.process.engine import Engine
from exporter.process.fleet import Fleet
from exporter.state import Stored
from tests.campaigns.effort import effort
from tests.knowledge.samples import FACTS, NOW, snapshot
from tests.state.making import LIVE, NOW_LEDGER, OUTCOMES, change, damaged, opened, whole

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.system.logs import Logger
    from tests.conftest import Place
    from tests.state.making import Opened

WEB, API = "gh/acme/web", "gh/acme/api"
KNOWN = snapshot("collectors: [workflows, jobs, runs]", workflows=("build", "deploy"), jobs=("lint", "test"))
FIRST, *_ = KNOWN.parts
DROPPED = "a damaged record of {} was dropped"


@pytest.fixture
def path(place: Place) -> Place:
    """A state file of two projects of which everything is known."""
    with opened(place) as found:
        fill(found)
    return place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The same, a file in any case."""
    path = tmp_path / "state.db"
    with opened(path) as found:
        fill(found)
        remember(found)
    return path


def remember(found: Opened) -> None:
    """Remember runs and jobs of each project, as many as take some pages."""
    for slug in (WEB, API):
        project = parse(f"projects: [{slug}]").projects[0]
        every = Snapshot(project, FACTS, KNOWN.parts, OUTCOMES, polled_at=NOW, ledger=NOW_LEDGER, live=LIVE)
        keys = {7919**3 * number: int(NOW) - number for number in range(300)}
        runs = {"build": {key: (created_at, True) for key, created_at in keys.items()}}
        found.state.commit_counts(
            every, Changes(whole=True, runs=runs, jobs={key: (at, True) for key, at in keys.items()})
        )


def fill(found: Opened) -> None:
    for slug in (WEB, API):
        project = parse(f"projects: [{slug}]").projects[0]
        every = Snapshot(project, FACTS, KNOWN.parts, OUTCOMES, polled_at=NOW, ledger=NOW_LEDGER, live=LIVE)
        found.state.commit(every, every.parts, ())
        found.state.commit_counts(every, replace(whole(), pipelines=dict(LIVE.pipelines)))


def load(found: Opened) -> dict[str, Stored]:
    found.state.show_up()
    return {stored.slug: stored for stored in found.state.load()}


NOT_JSON = ("{", "[]", "7", "null", '{"a":', "\0", "[" * 50_000, '"\\ud800"')
PARTS = "UPDATE part SET {} WHERE rowid = (SELECT min(rowid) FROM part)"
CASES: list[tuple[str, str, Any]] = [
    *[
        ("facts", "UPDATE project SET facts = ? WHERE slug = 'gh/acme/web'", text)
        for text in NOT_JSON
        if text != "null"
    ],
    ("facts", "UPDATE project SET facts = ? WHERE slug = 'gh/acme/web'", b"blob"),
    ("facts", "UPDATE project SET facts = CAST(? AS TEXT) WHERE slug = 'gh/acme/web'", b'{"\xff":1}'),
    ("facts", "UPDATE project SET facts = ? WHERE slug = 'gh/acme/web'", '{"default_branch":"\\ud800"}'),
    *[("outcomes", "UPDATE project SET outcomes = ? WHERE slug = 'gh/acme/web'", text) for text in NOT_JSON],
    ("outcomes", "UPDATE project SET outcomes = ? WHERE slug = 'gh/acme/web'", '{"runs":{"success":[],"duration":1}}'),
    ("project", "UPDATE project SET polled_at = ? WHERE slug = 'gh/acme/web'", "yesterday"),
    ("project", "UPDATE project SET polled_at = ? WHERE slug = 'gh/acme/web'", 9e999),
    *[("part", PARTS.format("question = ?"), text) for text in NOT_JSON],
    ("part", PARTS.format("answer = ?"), b"garbage"),
    ("part", PARTS.format("answer = ?"), "text"),
    *[
        ("part", PARTS.format("answer = ?"), packed(rows.encode()))
        for rows in (
            *NOT_JSON,
            '{"workflow":{"columns":[],"labels":[["a","b"]],"numbers":[[]]}}',
            '{"workflow":{"columns":[],"labels":[[7]],"numbers":[[]]}}',
            '{"workflow":{"columns":["a"],"labels":[["b"]],"numbers":[[]]}}',
            '{"workflow":{"columns":["a"],"labels":[["b"]],"numbers":[["5"]]}}',
            '{"workflow":{"columns":["a"],"labels":[["b"]],"numbers":[[NaN]]}}',
            '{"workflow":{"columns":[],"labels":[["a"]],"numbers":[]}}',
        )
    ],
    ("part", PARTS.format("answer = substr(answer, 1, ?)"), 50),
    ("part", PARTS.format("previous = ?"), b"garbage"),
    ("part", PARTS.format("checked_at = ?"), "soon"),
    ("part", PARTS.format("answered_at = ?"), -9e999),
    ("part", PARTS.format("follow_ups = ?"), "many"),
    ("part", PARTS.format("basis = ?"), b"\xff"),
    *[("ledger", "UPDATE ledger SET facts = ? WHERE project = 1", text) for text in NOT_JSON],
    ("ledger", "UPDATE ledger SET facts = ? WHERE project = 1", '{"began":1,"names_at":1e999}'),
    *[("workflow", "UPDATE workflow SET facts = ? WHERE id = 1", text) for text in NOT_JSON],
    ("workflow", "UPDATE workflow SET facts = replace(facts, '\"seen\":', ?) WHERE id = 1", '"seen":"x'),
    ("server", "INSERT INTO server (url, up) VALUES ('https://circleci.com/api/v2', ?)", "maybe"),
]


@pytest.mark.parametrize(("kind", "statement", "value"), CASES, ids=lambda each: str(each)[:30])
def test_a_damaged_record_is_dropped_alone_counted_and_logged_once(
    path: Place, kind: str, statement: str, value: object
) -> None:
    if not change(path, statement, value):
        return  # the database holds no such damage
    with opened(path) as found:
        stored = load(found)
        assert damaged(found) == {kind: 1}
        assert found.log.told() == [DROPPED.format(found.name)]
        assert found.log.events[0][2]["kind"] == kind
        whole = Stored(API, FACTS, KNOWN.parts, OUTCOMES, NOW, NOW_LEDGER, LIVE)
        assert stored[API] == whole
        web = stored[WEB]
        assert (web.facts is None) == (kind == "facts")
        assert (web.outcomes == {}) == (kind == "outcomes")
        assert (web.polled_at is None) == (kind == "project")
        assert len(web.parts) == len(KNOWN.parts) - (kind == "part")
        assert (web.ledger is None) == (kind == "ledger")
        if kind == "workflow":
            assert web.ledger is not None
            assert web.ledger.workflows == {**NOW_LEDGER.workflows, "build": WorkflowLedger(0, baseline=True)}


OF_JOB_RUNS = "project = 1 AND family LIKE '%job_runs%'"
VALUES: list[tuple[str, str, str, str]] = [
    ("facts", "main", "maim", "UPDATE project SET facts = replace(facts, ?, ?) WHERE slug = 'gh/acme/web'"),
    ("outcomes", "true", "false", "UPDATE project SET outcomes = replace(outcomes, ?, ?) WHERE slug = 'gh/acme/web'"),
    ("ledger", "lost", "last", "UPDATE ledger SET facts = replace(facts, ?, ?) WHERE project = 1"),
    ("workflow", "main", "maim", "UPDATE workflow SET facts = replace(facts, ?, ?) WHERE id = 1"),
    ("workflow", "build", "builf", "UPDATE workflow SET name = replace(name, ?, ?) WHERE id = 1"),
    ("live", "false", "true", "UPDATE live SET facts = replace(facts, ?, ?) WHERE project = 1"),
    ("pipeline", "main", "maim", "UPDATE pipeline SET facts = replace(facts, ?, ?) WHERE project = 1 AND id = 'p1'"),
    (
        "counter",
        "3",
        "4",
        f"UPDATE cell SET facts = replace(facts, ?, ?) WHERE {OF_JOB_RUNS}",  # noqa: S608  ours
    ),
    (
        "counter",
        "job",
        "jab",
        f"UPDATE cell SET family = replace(family, ?, ?) WHERE {OF_JOB_RUNS}",  # noqa: S608  ours
    ),
]


@pytest.mark.parametrize(("kind", "before", "after", "statement"), VALUES)
def test_a_value_that_became_another_good_one_is_damage(
    path: Place, kind: str, before: str, after: str, statement: str
) -> None:
    if not change(path, statement, before, after):
        return  # the database holds no such damage
    with opened(path) as found:
        web = load(found)[WEB]
        assert damaged(found) == {kind: 1}
        assert found.log.told() == [DROPPED.format(found.name)]
        assert (web.facts == FACTS) == (kind != "facts")
        assert (web.outcomes == OUTCOMES) == (kind != "outcomes")
        assert (web.ledger == NOW_LEDGER) == (kind not in {"ledger", "workflow", "counter"})
        assert (web.live == LIVE) == (kind not in {"ledger", "live", "pipeline"})


@pytest.mark.parametrize("statement", ["UPDATE run SET key = key + 1", "UPDATE job SET key = key + 1"])
def test_keys_of_runs_and_jobs_that_changed_take_no_counter_with_them(path: Place, statement: str) -> None:
    with opened(path) as found:
        remember(found)
    assert change(path, statement)
    with opened(path) as found:
        assert [(each.ledger, each.live) for each in found.state.load()] == [(NOW_LEDGER, LIVE)] * 2
        assert damaged(found) == {}


@pytest.mark.parametrize(("kind", "statement", "value"), CASES, ids=lambda each: str(each)[:30])
def test_once_it_was_learned_anew_nothing_is_damaged(path: Place, kind: str, statement: str, value: object) -> None:
    if not change(path, statement, value):
        return  # the database holds no such damage
    with opened(path) as found:
        load(found)
        found.telemetry.api_up(True)
        fill(found)
    with opened(path) as found:
        stored = load(found)
        assert damaged(found) == {}, kind
        assert stored[WEB] == Stored(WEB, FACTS, KNOWN.parts, OUTCOMES, NOW, NOW_LEDGER, LIVE)


def test_an_answer_that_only_another_version_asks_for_is_no_damage(path: Place) -> None:
    change(path, PARTS.format("question = replace(question, 'workflows', ?)"), "later")
    with opened(path) as found:
        assert len(load(found)[WEB].parts) == len(KNOWN.parts)
        assert damaged(found) == {}


def test_every_kind_is_at_0_from_the_start() -> None:
    with opened(None) as found:
        kinds = (
            *("server", "project", "facts", "outcomes", "part", "ledger", "workflow", "live", "pipeline", "counter"),
            *("version", "hint"),
        )
        values = [
            found.telemetry.registry.get_sample_value("circleci_exporter_state_damaged_records_total", {"kind": kind})
            for kind in kinds
        ]
        assert values == [0] * len(kinds)


def test_a_ledger_that_begins_again_says_so(path: Place) -> None:
    change(path, "UPDATE ledger SET facts = '{' WHERE project = 1")
    with opened(path) as found:
        load(found)
        [(_, _, fields)] = found.log.events
        assert fields["project"] == WEB
        assert fields["consequence"] == "the project's run counters start at 0"
        assert found.state.resume(WEB, 300.0) == (None, None)


class Start:
    """What a start does before it serves: it opens the state, restores and renders."""

    def __init__(self, file: Path) -> None:
        config = parse(
            f"state: {{path: '{file}'}}\ndefaults: {{collectors: [workflows, jobs, runs]}}\nprojects: [{WEB}, {API}]"
        )
        self.engine = Engine(config, cast("Logger", CapturingLogger()), environ={"CIRCLECI_TOKEN": "t"})
        fleet = Fleet(self.engine, cast("Any", None))
        fleet.restore(config.projects)
        self.published = self.engine.store.published
        self.engine.close()


@pytest.mark.parametrize("seed", range(effort(12, 120)))
def test_it_starts_with_random_bytes_anywhere(file: Path, tmp_path: Place, seed: int) -> None:
    random = Random(seed)  # noqa: S311  nothing secret hangs on it
    if seed % 3 == 0:  # as a kill leaves it, most of it in the log
        with opened(file) as found:
            fill(found)
            log = file.with_name("state.db-wal").read_bytes()
        file.with_name("state.db-wal").write_bytes(spoilt(log, random))
    else:
        file.write_bytes(spoilt(file.read_bytes(), random))
    assert Start(file).published.keys() == {WEB, API}
    assert Start(file).published.keys() == {WEB, API}


def spoilt(content: bytes, random: Random) -> bytes:
    """The content with a bit, a byte or a stretch of it changed, or cut."""
    spoilt = bytearray(content)
    at = random.randrange(len(content))
    match random.randrange(4):
        case 0:
            spoilt[at] ^= 1 << random.randrange(8)
        case 1:
            for _ in range(random.randrange(1, 20)):
                spoilt[random.randrange(len(content))] = random.randrange(256)
        case 2:
            spoilt[at : at + 500] = random.randbytes(len(spoilt[at : at + 500]))
        case _:
            del spoilt[at:]
    return bytes(spoilt)


@pytest.mark.parametrize("at", range(0, 100, effort(5, 1)))
def test_it_starts_with_any_byte_of_the_header_changed(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0xFF
    file.write_bytes(content)
    assert Start(file).published.keys() == {WEB, API}
