"""What was read is kept for the next call, and for no other question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import StartError
from exporter.history.spool import OLDEST, Known, Place, Spool
from exporter.knowledge.snapshots import Facts
from exporter.runs.reading import Run

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_790_000_000.0
SLUG = "gh/acme/web"
KNOWN = Known(Facts("main", "web", "acme", "GitHub", NOW, ("main", "x")), {"build": NOW, "old": None})


def opened(path: Path, *, days: int = 90, now: float = NOW, server: str = "https://a/api/v2") -> tuple[Spool, bool]:
    return Spool.open(path / "spool", server=server, days=days, now=now)


def filled(path: Path) -> Spool:
    spool, _ = opened(path)
    spool.learn(SLUG, KNOWN, ["build"])
    return spool


def run(key: int, stopped: float | None, **more: object) -> tuple[Run, float]:
    status = "" if stopped is None else "success"
    made = Run(key, "main", int(NOW - 100), status, stopped, 2**53, 1.5, approval=True, created=NOW - 99.75)
    return made, stopped or NOW


def test_what_is_known_is_there_in_the_next_call_as_it_was(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    spool.close()
    again, resumed = opened(tmp_path, now=NOW + 60)
    assert resumed
    assert again.known(SLUG) == KNOWN
    assert again.get("asked")["began"] == NOW, "the time that is read stays the same"
    again.close()


@pytest.mark.parametrize(
    "other", [{"days": 30}, {"server": "https://b/api/v2"}, {"now": NOW + OLDEST}, {"now": NOW - 9}]
)
def test_what_was_read_for_another_question_or_long_ago_is_read_anew(tmp_path: Path, other: dict[str, int]) -> None:
    filled(tmp_path).close()
    spool, resumed = opened(tmp_path, **other)  # type: ignore[arg-type]
    assert not resumed
    assert spool.known(SLUG) is None
    spool.close()


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(200)])
def test_a_damaged_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool").write_bytes(content)
    spool, resumed = opened(tmp_path)
    assert not resumed
    assert spool.count() == 0
    spool.close()


def test_where_there_can_be_no_file_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nowhere"):
        opened(tmp_path / "nowhere")


def test_nobody_else_may_read_the_file_and_an_empty_one_is_removed(tmp_path: Path) -> None:
    spool, _ = opened(tmp_path)
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o600
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_kept_with_the_token_of_the_next_one(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    [place] = spool.places(SLUG)
    spool.begin(place, NOW, 7)
    spool.add(place, [run(1, NOW)], "more")
    assert spool.places(SLUG) == [Place(place.id, SLUG, "build", NOW, 7, "more", 0)]
    spool.add(place, [run(2, NOW - 5)], None)
    assert spool.places(SLUG) == [Place(place.id, SLUG, "build", NOW, 7, None, 1)]
    assert [each.key for each in spool.runs(place)] == [2, 1], "in the order of their ends"
    spool.close()


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    [place] = spool.places(SLUG)
    one = run(-(2**63), NOW)
    spool.add(place, [one], None)
    [found] = spool.runs(place)
    assert found == one[0]
    assert found.created == one[0].created
    assert (repr(found.duration), repr(found.credits)) == ("9007199254740992", "1.5")
    spool.close()


def test_a_run_that_comes_twice_stands_once_as_finished(tmp_path: Path) -> None:
    spool = filled(tmp_path)
    [place] = spool.places(SLUG)
    for each in (run(1, None), run(1, NOW), run(1, None), run(1, NOW + 5)):
        spool.add(place, [each], "more")
    assert [each.stopped_at for each in spool.runs(place)] == [NOW]
    assert spool.finished(place, int(NOW - 100)) == {1: int(NOW - 100)}
    assert spool.finished(place, int(NOW)) == {}
    spool.close()
