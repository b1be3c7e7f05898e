"""Good bodies, spoilt at random: they become rows, or an error of a named reason, and never anything else."""

from __future__ import annotations

import copy
import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import CapturingLogger

from exporter.client import body
from exporter.config import parse
from exporter.counting import crediting
from exporter.counting.book import RunBook
from exporter.counting.ledger import listed
from exporter.errors import REASONS, InternalError, PayloadError, PollError
from exporter.formats.deflate import inflate
from exporter.insights.collectors import COLLECTORS, ORGANIZATIONS
from exporter.knowledge import facts
from exporter.knowledge.packing import pack
from exporter.knowledge.snapshots import Facts, Part, Snapshot
from exporter.polling.attempt import Attempts, Clocks
from exporter.polling.search import find
from exporter.publishing import counted_lines
from exporter.publishing.store import SnapshotStore
from exporter.runs.branches import labels_of
from exporter.runs.reading import read_page
from exporter.telemetry import Telemetry
from tests.campaigns.effort import effort
from tests.insights import payloads
from tests.knowledge.test_packing import again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.client import Client
    from exporter.insights.questions import Question
    from exporter.system.logs import Logger

NOW = 1_790_000_000.0
DOCUMENTS = {name: payloads.document(name) for name in payloads.NAMES}
CONFIG = parse(
    """
projects:
  - slug: gh/acme/web
    windows: [last-7-days, last-24-hours]
    collectors: [workflows, jobs, runs, flaky_tests, tests, project, job_trend, workflow_summary]
    flaky_tests: {top: 5}
    tests: {top: 5}
organizations:
  - {slug: gh/acme, exclude: [nothing]}
  - {slug: circleci/8vLqd1AbCdEf, exclude: [nothing]}
""",
)
(PROJECT,) = CONFIG.projects
SAMPLE = re.compile(r'[a-z_0-9]+(?:\{(?:[a-z_0-9]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (?:-?[0-9.]+(?:e[+-]?[0-9]+)?)')

JUNK: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    -0.0,
    7,
    1e308,
    10**400,
    2**64,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "x",
    'a\nb\\c"d',
    "\x00",
    "\ud800",
    "9" * 400,
    "12",
    "NaN",
    "..",
    "all branches",
    "y" * 5000,
    "2026-13-45T99:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+14:00",
    [],
    [[]],
    [None, 1, "x"],
    {},
    {"name": {"name": []}},
    {"items": [{}]},
]


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that can be spoilt."""
    if at:
        yield at
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*at, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from places(value, (*at, index))


PLACES = {name: list(places(document)) or [()] for name, document in DOCUMENTS.items()}


def spoil(document: Any, place: tuple[Any, ...], how: str, junk: Any) -> None:
    """Change one place; it may be gone since another change."""
    container = document
    if not place:
        return
    for step in place[:-1]:
        try:
            container = container[step]
        except (KeyError, IndexError, TypeError):
            return
    key = place[-1]
    if isinstance(container, list) and isinstance(key, int) and key < len(container):
        if how == "drop":
            del container[key]
        elif how == "double":
            container.append(copy.deepcopy(container[key]))
        else:
            container[key] = junk
    elif isinstance(container, dict) and key in container:
        if how == "drop":
            del container[key]
        elif how == "double":
            container[f"{key}-{key}"] = container[key]
        else:
            container[key] = junk


@st.composite
def spoilt(draw: st.DrawFn, names: list[str] | None = None) -> Any:
    """A document of the API, changed at one to four places, or as a whole."""
    name = draw(st.sampled_from(names or list(payloads.NAMES)))
    document = copy.deepcopy(DOCUMENTS[name])
    if draw(st.integers(0, 19)) == 0:
        return draw(st.sampled_from(JUNK))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(PLACES[name]))
        how = draw(st.sampled_from(["put", "put", "put", "drop", "double"]))
        spoil(document, place, how, draw(st.sampled_from(JUNK)))
    return document


@st.composite
def bytes_of(draw: st.DrawFn, names: list[str] | None = None) -> bytes:
    """A body as it comes over the wire: a spoilt document, in some cases with some bytes of it changed as well."""
    text = bytearray(json.dumps(draw(spoilt(names))).encode())
    if draw(st.integers(0, 3)) == 0:
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.integers(0, len(text)))
            text[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(text)


def named(reading: Callable[[], Any]) -> Any:
    """What reading gives; None where it ends in an error of a named reason."""
    try:
        return reading()
    except PollError as error:
        named_so = error.reason
    assert named_so in set(REASONS) - {InternalError.reason}
    return None


def lines_of(snapshot: Snapshot) -> list[str]:
    """The sample lines of a snapshot."""
    store = SnapshotStore()
    store.publish([snapshot], NOW, polled=True)
    lines = b"".join(map(inflate, store.exposition.text.pieces)).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def read_pages(contents: list[bytes]) -> list[Any] | None:
    """The pages as the client gives them: objects only."""

    def read() -> list[Any]:
        pages = [body.decode(content) for content in contents]
        if not all(isinstance(page, dict) for page in pages):
            raise PayloadError("the body is not an object")
        return pages

    found: list[Any] | None = named(read)
    return found


@settings(max_examples=effort(300, 4000))
@given(data=st.data())
def test_every_collector_makes_rows_or_a_named_error_of_any_body(data: st.DataObject) -> None:
    collector = COLLECTORS[data.draw(st.sampled_from(sorted(COLLECTORS)), "collector")]
    question = next(collector.questions("gh/acme/web", workflow="build", branch="main", windows=PROJECT.windows))
    pages = read_pages(data.draw(st.lists(bytes_of(), min_size=1, max_size=2), "pages"))

    def read() -> bytes:
        rows, unread = collector.read(pages or [], question, NOW)
        assert all(count > 0 for count in unread.values())
        return again(pack(collector, rows))

    packed = None if pages is None else named(read)
    parts = {} if packed is None else {question: Part(packed, NOW, NOW)}
    if collector.name != ORGANIZATIONS:
        lines = lines_of(Snapshot(PROJECT, Facts("main", "web", "acme", "GitHub", NOW), parts, polled_at=NOW))
        assert all(SAMPLE.fullmatch(line) for line in lines)
        assert max(Counter(line.rpartition(" ")[0] for line in lines).values()) == 1, "a series came twice"


@settings(max_examples=effort(100, 800))
@given(data=st.data())
def test_the_rows_of_runs_are_counted_or_left_out_or_a_named_error(data: st.DataObject) -> None:
    names = [name for name in payloads.NAMES if name.startswith("runs")]
    pages = read_pages(data.draw(st.lists(bytes_of(names), min_size=1, max_size=3), "pages"))
    found = named(lambda: [read_page(page, NOW)[0] for page in pages or []])
    if found is None:
        return
    fresh = {run.key: run for page in found for run in page}
    ledger = listed({"build": None}, NOW, read=NOW, lookback=PROJECT.runs.lookback)
    for swept in (True, False):
        book = RunBook(ledger, PROJECT, labels_of(PROJECT, "main"), now=NOW)
        crediting.add(book, "build", fresh.values())
        created = [run.created_at for run in fresh.values()]
        book.read("build", created, now=NOW, start=int(NOW - PROJECT.runs.lookback), swept=swept)
        book.close()
        ledger = book.ledger
    for key, rows in counted_lines.of_runs(ledger, PROJECT, NOW).items():
        row = counted_lines.lines(PROJECT.name, key, rows)
        assert all(SAMPLE.fullmatch(sample) for line in row for sample in line.text.splitlines())


@settings(max_examples=effort(100, 800))
@given(content=bytes_of([name for name in payloads.NAMES if name.startswith(("project", "branches"))]))
def test_what_is_known_of_a_project_is_text_or_a_named_error(content: bytes) -> None:
    pages = read_pages([content])
    if pages is None:
        return
    found = named(lambda: facts.of_project(pages[0], None, NOW)) or Facts("main", "web", "acme", "GitHub", NOW)
    found = named(lambda: facts.with_branches(found, pages[0], NOW)) or found
    assert all(SAMPLE.fullmatch(line) for line in lines_of(Snapshot(PROJECT, found)))


class Answering:
    """A client whose answers are what a test drew: page by page, then an error of the last page."""

    def __init__(self, draw: Callable[[], bytes]) -> None:
        self._draw = draw

    def pages(self, question: Question, *, deadline: float, **_: object) -> Iterator[object]:  # noqa: ARG002  the client's
        pages = read_pages([self._draw()])
        if pages is None:
            raise PayloadError("spoilt")
        yield from pages

    def doubt(self, failure: PollError, _began: float) -> None:
        """What is drawn never is what every question would meet."""
        assert not failure.of_all


@pytest.mark.parametrize("organization", CONFIG.organizations, ids=lambda each: str(each.slug))
@settings(max_examples=effort(60, 400))
@given(data=st.data())
def test_a_search_for_projects_finds_some_or_a_named_error(organization: Any, data: st.DataObject) -> None:
    names = [name for name in payloads.NAMES if name.startswith(("organization", "pipelines", "project."))]
    telemetry = Telemetry("1", ("organizations",))
    client = cast("Client", Answering(lambda: data.draw(bytes_of(names))))
    attempts = Attempts(client, Clocks(lambda: NOW, lambda: NOW), telemetry, cast("Logger", CapturingLogger()))
    found = find(attempts.begin("organizations", 300), organization, {})
    assert found.error is None or found.error.reason in set(REASONS) - {InternalError.reason}
    for slug in found.sightings or {}:
        assert organization.project(slug).slug == slug
