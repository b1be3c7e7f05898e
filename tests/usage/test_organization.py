"""An organization's exports: when they start and are looked at, what they add, and what each failure costs."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from exporter.demo.messages import Reply
from exporter.errors import Stopped
from exporter.insights.questions import Question
from exporter.usage.identity import COLLABORATIONS
from tests.circleci import Circle
from tests.circleci.usage import FILE, LOOK, START
from tests.usage.making import DAY, NOON, YESTERDAY, file, on, row
from tests.usage.reading import Exporter, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIDNIGHT = NOON // DAY * DAY
JOB = 'job_name="test",project="gh/acme/shop",resource_class="medium"'
CREDITS = f'circleci_usage_job_credits_total{{{JOB},workflow="build"}}'
COMPUTE = 'circleci_usage_credits_total{kind="compute",organization="gh/acme"}'
READ_DAY = 'circleci_usage_day_timestamp_seconds{organization="gh/acme"}'
HOUR = 3600.0


@pytest.fixture
def circle() -> Iterator[Circle]:
    with Circle(start=NOON, speed=0, quiet=True) as running:
        yield running


def times(circle: Circle, match: str) -> list[float]:
    """When something was asked."""
    return [each.now for each in circle.asked(match)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_the_first_export_has_the_last_three_full_days_and_its_sums_are_shown(circle: Circle, path: Path) -> None:
    circle.usage.rows(
        row(1), row(2, JOB_BUILD_STATUS="failed", TOTAL_CREDITS="9", COMPUTE_CREDITS="7", DLC_CREDITS="2")
    )
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        samples = exporter.samples()
        assert circle.usage.windows == [(MIDNIGHT - 3 * DAY, MIDNIGHT)]
        assert samples[CREDITS] == 60
        assert samples[COMPUTE] == 58
        assert samples['circleci_usage_credits_total{kind="dlc",organization="gh/acme"}'] == 2
        assert samples['circleci_usage_credits_total{kind="lease_overage",organization="gh/acme"}'] == 0
        runs = f'circleci_usage_job_runs_total{{{JOB},status="%s",workflow="build"}}'
        assert [samples[runs % status] for status in ("success", "failed")] == [1, 1]
        assert samples[f'circleci_usage_job_run_seconds_total{{{JOB},workflow="build"}}'] == 304
        queue = 'circleci_usage_job_queue_seconds_%s{project="gh/acme/shop",resource_class="medium"}'
        assert samples[queue % "sum"] == 12.96
        bucket = 'circleci_usage_job_queue_seconds_bucket{le="%s",project="gh/acme/shop",resource_class="medium"}'
        assert [samples[bucket % bound] for bound in ("5.0", "15.0", "+Inf")] == [0, 2, 2]
        assert samples[queue % "count"] == 2
        assert samples[READ_DAY] == MIDNIGHT - DAY
        assert samples[f'circleci_usage_job_cpu_median_ratio{{{JOB},workflow="build"}}'] == 0.415
        assert samples[f'circleci_usage_job_memory_max_ratio{{{JOB},workflow="build"}}'] == 0.351


def test_new_series_are_at_0_for_a_minute_and_then_all_rise_together(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(30)
        samples = exporter.samples()
        assert samples[CREDITS] == samples[COMPUTE] == 0
        assert samples[READ_DAY] == MIDNIGHT - 4 * DAY
        assert not [name for name in samples if "_ratio" in name]
        exporter.run(20)
        assert exporter.samples()[CREDITS] == 0
        exporter.run(60)
        assert exporter.samples()[CREDITS] == exporter.samples()[COMPUTE] == 51


def test_a_held_export_stays_at_0_for_its_time_after_a_restart(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(30)
    circle.clock.advance(3 * HOUR)
    with Exporter(circle, path) as exporter:
        exporter.run(30)
        assert exporter.samples()[CREDITS] == 0
        assert exporter.samples()[READ_DAY] == MIDNIGHT - 4 * DAY
        exporter.run(60)
        assert exporter.samples()[CREDITS] == 51
        assert exporter.samples()[READ_DAY] == MIDNIGHT - DAY


def test_what_was_shown_never_falls_when_a_day_is_added(circle: Circle, path: Path) -> None:
    circle.usage.contents = lambda start, _end: [
        file([on(f"2026-11-{day}", day) for day in (23, 24, 25) if start <= MIDNIGHT + DAY])
    ]
    circle.usage.rows(on("2026-11-24", 24))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 51
        circle.usage.rows(
            on("2026-11-24", 24), on("2026-11-24", 99), on("2026-11-25", 25), on("2026-11-25", 26, JOB_NAME="new")
        )
        exporter.run(DAY)
        assert circle.usage.windows[-1] == (MIDNIGHT - 3 * DAY, MIDNIGHT + DAY)
        assert exporter.samples()[CREDITS] == 3 * 51
        assert exporter.samples()[READ_DAY] == MIDNIGHT
    for name in (CREDITS, COMPUTE):
        shown = [
            float(line.rpartition(" ")[2])
            for text in exporter.published
            for line in text.splitlines()
            if line.startswith(name)
        ]
        assert shown == sorted(shown)
        assert shown[0] == 0


def test_what_was_there_before_an_export_rises_with_its_new_series_and_its_day(circle: Circle, path: Path) -> None:
    circle.usage.rows(on("2026-11-24", 24))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        circle.usage.rows(on("2026-11-24", 24), on("2026-11-25", 25), on("2026-11-25", 26, JOB_NAME="new"))
        exporter.run(DAY)
        found = [
            (each.get(CREDITS), each.get(CREDITS.replace('"test"', '"new"')), each.get(READ_DAY))
            for each in map(values, exporter.published)
        ]
    assert list(dict.fromkeys(found))[1:] == [
        (0, None, MIDNIGHT - 4 * DAY),
        (51, None, MIDNIGHT - DAY),
        (51, 0, MIDNIGHT - DAY),
        (102, 51, MIDNIGHT),
    ]


def test_the_series_of_a_job_without_a_run_for_90_days_go(circle: Circle, path: Path) -> None:
    gone = CREDITS.replace('"test"', '"gone"')
    circle.usage.rows(row(1), row(2, JOB_NAME="gone"))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert (exporter.samples()[CREDITS], exporter.samples()[gone]) == (51, 51)
    circle.clock.advance(100 * DAY)
    circle.usage.rows(on("2027-03-03", 3))
    with Exporter(circle, path, interval="1h") as exporter:
        exporter.run(120)
        assert circle.usage.windows[-1] == (MIDNIGHT - 3 * DAY, MIDNIGHT + 28 * DAY)
        assert (exporter.samples()[CREDITS], exporter.samples()[gone]) == (102, 51)
        exporter.run(HOUR)
        assert circle.usage.windows[-1][1] == MIDNIGHT + 100 * DAY
        assert exporter.samples()[CREDITS] == 102
        assert not [name for name in exporter.samples() if '"gone"' in name]
        assert exporter.samples()[COMPUTE] == 153


def test_what_an_older_state_may_have_counted_already_is_remembered_and_adds_nothing(
    circle: Circle, path: Path
) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
    backup = path.with_name("backup.db")
    shutil.copyfile(path, backup)
    circle.usage.rows(row(1), row(2))
    with Exporter(circle, path) as exporter:
        exporter.run(DAY)
        assert exporter.samples()[CREDITS] == 102
    shutil.copyfile(backup, path)
    with Exporter(circle, path) as exporter:
        assert exporter.samples() == {}
        exporter.run(30)
        assert READ_DAY not in exporter.samples()  # since no day is added
        exporter.run(270)
        assert exporter.samples()[CREDITS] == exporter.samples()[COMPUTE] == 0
        assert exporter.samples()[READ_DAY] == MIDNIGHT - DAY
        circle.usage.rows(row(1), row(2), on("2026-11-25", 3))
        exporter.run(DAY)
        assert exporter.samples()[CREDITS] == 51


def test_once_yesterday_is_read_nothing_is_asked_until_the_next_day(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(11.9 * HOUR)
        assert len(circle.usage.windows) == 1
        exporter.run(0.2 * HOUR)
        assert len(circle.usage.windows) == 2


def test_an_empty_answer_reads_nothing_and_an_export_starts_every_interval(circle: Circle, path: Path) -> None:
    with Exporter(circle, path, interval="1h") as exporter:
        exporter.run(2.5 * HOUR)
        starts = times(circle, START)
        assert len(starts) == 3
        assert all(3599 < later - earlier < 3600 + 90 for earlier, later in pairwise(starts))
        assert exporter.samples() == {}
        circle.usage.rows(row(1))
        exporter.run(HOUR)
        assert exporter.samples()[CREDITS] == 51
        assert exporter.log.told().count("the Usage export is failing") == 0


def test_rows_of_an_earlier_day_alone_do_not_read_yesterday(circle: Circle, path: Path) -> None:
    circle.usage.rows(on("2026-11-23", 1))
    with Exporter(circle, path, interval="1h") as exporter:
        exporter.run(1.5 * HOUR)
        assert exporter.samples()[READ_DAY] == MIDNIGHT - 2 * DAY
        assert circle.usage.windows == [(MIDNIGHT - 3 * DAY, MIDNIGHT), (MIDNIGHT - 4 * DAY, MIDNIGHT)]
        assert exporter.samples()[CREDITS] == 51


def test_a_day_to_come_is_not_read_but_its_rows_count(circle: Circle, path: Path) -> None:
    circle.usage.rows(on("2026-11-25", 1))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.samples()[READ_DAY] == MIDNIGHT - DAY
        assert exporter.samples()[CREDITS] == 51


def test_after_a_long_absence_windows_have_31_days_until_all_is_read(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path, interval="1h") as exporter:
        exporter.run(120)
    circle.clock.advance(70 * DAY)
    circle.usage.contents = lambda _start, _end: []
    with Exporter(circle, path, interval="1h") as exporter:
        exporter.run(3.5 * HOUR)
    begins = MIDNIGHT - 3 * DAY
    assert circle.usage.windows[1:] == [
        (begins, begins + 31 * DAY),
        (begins + 29 * DAY, begins + 60 * DAY),
        (begins + 58 * DAY, MIDNIGHT + 70 * DAY),
        (begins + 58 * DAY, MIDNIGHT + 70 * DAY),
    ]


def test_a_local_clock_that_is_ahead_does_not_ask_for_the_future(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path, ahead=2 * DAY) as exporter:
        exporter.run(120)
        assert circle.usage.windows == [(MIDNIGHT - 3 * DAY, MIDNIGHT)]
        assert exporter.samples()[CREDITS] == 51


def test_an_export_is_looked_at_sooner_than_later(circle: Circle, path: Path) -> None:
    circle.usage.states = ["created", *["processing"] * 20]
    with Exporter(circle, path) as exporter:
        exporter.run(0.7 * HOUR)
    start = times(circle, START)[0]
    looks = [at - start for at in times(circle, LOOK)]
    assert [round(look / 5) * 5 for look in looks] == [5, 20, 60, 180, 600, 1200, 1800, 2400]


def test_an_export_under_way_is_looked_at_at_once_after_a_restart_and_no_other_is_started(
    circle: Circle, path: Path
) -> None:
    circle.usage.rows(row(1))
    circle.usage.states = ["processing", "processing"]
    with Exporter(circle, path) as exporter:
        exporter.run(30)
        assert len(circle.asked(LOOK)) == 2
    with Exporter(circle, path) as exporter:
        exporter.run(1)
        assert len(circle.asked(LOOK)) == 3
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 51
    assert len(circle.usage.windows) == 1


def test_no_hour_has_more_than_nine_starts_or_looks_whatever_is_restarted(circle: Circle, path: Path) -> None:
    circle.usage.states = ["processing"] * 500
    for _ in range(40):
        with Exporter(circle, path, interval="1s") as exporter:
            exporter.run(150)
    looks = times(circle, LOOK)
    assert max(sum(at <= other < at + 3600 for other in looks) for at in looks) == 9
    circle.usage.states = ["failed"] * 500
    for _ in range(40):
        with Exporter(circle, path, interval="1s") as exporter:
            exporter.run(150)
    starts = times(circle, START)
    assert max(sum(at <= other < at + 3600 for other in starts) for at in starts) == 9


def test_a_429_holds_back_the_organization_for_the_time_that_it_names_also_over_a_restart(
    circle: Circle, path: Path
) -> None:
    circle.usage.rows(row(1))
    circle.fail("throttle", START, times=1, retry_after=1800)
    with Exporter(circle, path) as exporter:
        exporter.run(600)
        assert exporter.failures("throttled") == 1
        assert len(circle.asked(START)) == 1
    with Exporter(circle, path) as exporter:
        exporter.run(1000)
        assert len(circle.asked(START)) == 1
        exporter.run(400)
        assert len(circle.asked(START)) == 2
        assert exporter.samples()[CREDITS] == 51


def test_a_429_for_a_look_holds_back_the_next_look(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    circle.fail("throttle", LOOK, times=1, retry_after=1800)
    with Exporter(circle, path) as exporter:
        exporter.run(1700)
        assert len(circle.asked(LOOK)) == 1
        assert exporter.failures("throttled") == 1
        exporter.run(300)
        assert exporter.samples()[CREDITS] == 51
        assert len(circle.asked(START)) == 1


def test_a_stop_ends_the_reading_of_an_export_and_nothing_of_it_counts(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(4)

        circle.when_asked(FILE, exporter.stop.set)
        with pytest.raises(Stopped):
            exporter.run(60)
    with Exporter(circle, path) as exporter:
        assert exporter.samples() == {}
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 51


def test_a_start_that_fails_is_made_again_after_an_interval_and_not_before(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    circle.fail("unavailable", START, times=1)
    with Exporter(circle, path, interval="2h") as exporter:
        exporter.run(1.9 * HOUR)
        assert len(circle.asked(START)) == 1
        assert exporter.failures("server") == 1
        exporter.run(0.3 * HOUR)
        assert len(circle.asked(START)) == 2
        assert exporter.samples()[CREDITS] == 51
        assert exporter.log.told().count("the Usage export recovered") == 1


@pytest.mark.parametrize(
    ("fault", "states", "reason"),
    [("not_found", [], "not_found"), ("as_is", ["failed"], "server")],
)
def test_an_export_that_fails_or_is_unknown_is_replaced_after_an_interval(
    circle: Circle, path: Path, fault: str, states: list[str], reason: str
) -> None:
    circle.usage.rows(row(1))
    circle.usage.states = [*states]
    circle.fail(fault, LOOK, times=1)
    with Exporter(circle, path, interval="2h") as exporter:
        exporter.run(1.9 * HOUR)
        assert len(circle.asked(START)) == 1
        assert exporter.failures(reason) == 1
        exporter.run(0.3 * HOUR)
        assert len(circle.asked(START)) == 2
        assert exporter.samples()[CREDITS] == 51


def test_an_export_that_is_not_ready_after_five_hours_is_given_up(circle: Circle, path: Path) -> None:
    circle.usage.states = ["processing"] * 100
    with Exporter(circle, path, interval="1h") as exporter:
        exporter.run(4.9 * HOUR)
        assert len(circle.asked(START)) == 1
        exporter.run(1.5 * HOUR)
        assert exporter.failures("deadline") == 1
        assert len(circle.asked(START)) == 2


def test_a_look_that_fails_costs_nothing_but_the_time_until_the_next(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    circle.fail("server_error", LOOK, times=1)
    circle.fail("body", LOOK, times=1, text='["no", "object"]')
    circle.fail("put", LOOK, times=1, path="state", value="odd")
    circle.fail("put", LOOK, times=1, path="state", value=["completed"])
    with Exporter(circle, path) as exporter:
        exporter.run(900)
        start = times(circle, START)[0]
        assert [round((at - start) / 5) * 5 for at in times(circle, LOOK)] == [5, 20, 60, 180, 600]
        assert exporter.failures("server") == 1
        assert exporter.failures("payload") == 3
        assert len(circle.usage.windows) == 1
        assert exporter.samples()[CREDITS] == 51


def test_a_completed_export_without_files_is_a_success(circle: Circle, path: Path) -> None:
    with Exporter(circle, path) as exporter:
        exporter.run(60)
        assert ("info", "Usage export read", {"organization": "gh/acme", "rows": 0, "day": None}) in exporter.log.events
        assert [event for level, event, _ in exporter.log.events if level == "warning"] == []


def test_a_job_in_several_exports_adds_once_with_its_first_final_row(circle: Circle, path: Path) -> None:
    under_way = row(1, JOB_BUILD_STATUS="running", TOTAL_CREDITS="5", JOB_RUN_STOPPED_AT=r"\N")
    circle.usage.rows(under_way, row(2), row(2, TOTAL_CREDITS="1000"))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 51
        circle.usage.rows(
            row(1, TOTAL_CREDITS="70"), row(1, TOTAL_CREDITS="3"), row(2, TOTAL_CREDITS="900"), on("2026-11-25", 3)
        )
        exporter.run(DAY)
        assert exporter.samples()[CREDITS] == 51 + 70 + 51


def test_ids_are_kept_until_no_export_can_have_them(circle: Circle, path: Path) -> None:
    days = [f"2026-11-{day}" for day in (22, 23, 24)]
    circle.usage.rows(*(on(day, number) for number, day in enumerate(days)))
    kept = []
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        for later in range(25, 29):
            circle.usage.rows(on(f"2026-11-{later}", later))
            exporter.run(DAY)
            [(number,)] = exporter.state.usage._connection.execute("SELECT count(*) FROM usage_job")
            kept.append(number)
    assert kept == [3, 3, 3, 3]


def test_files_are_read_in_their_order_and_gzip_members_are_one_file(circle: Circle, path: Path) -> None:
    text = gzip.decompress(file([row(1), row(2), row(3)]))
    members = gzip.compress(text[:700]) + gzip.compress(text[700:]) + b"\0" * 512
    circle.usage.contents = lambda _start, _end: [file([row(4)]), members, gzip.decompress(file([row(5)]))]
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 5 * 51
        assert [each.path[-8] for each in circle.asked(FILE)] == ["0", "1", "2"]


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_content_encoding_may_be_said_or_not(circle: Circle, path: Path, encoding: str) -> None:
    circle.usage.rows(row(1))
    headers = (("Content-Type", "text/csv"), *((("Content-Encoding", encoding),) if encoding else ()))
    circle.next_answers(FILE, Reply(200, file([row(1), row(2)]), headers))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 2 * 51


def cut_at_a_row(reply: Reply) -> Reply:
    """A file of whole rows, the end of whose gzip is missing."""
    return replace(reply, body=gzip.compress(gzip.decompress(reply.body))[:-8])


def test_a_file_cut_at_the_end_of_a_row_is_asked_for_again_at_the_same_url(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1), row(2))
    circle.next_answers(FILE, cut_at_a_row)
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.failures("truncated") == 1
        assert exporter.samples()[CREDITS] == 2 * 51
    asked = [each.target for each in circle.asked(FILE)]
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_a_file_cut_three_times_is_asked_for_at_a_new_url_by_the_next_look(circle: Circle, path: Path) -> None:
    circle.usage.contents = lambda _start, _end: [file([row(3)]), file([row(1), row(2)])]
    circle.next_answers("/part-1", *[cut_at_a_row] * 3)
    with Exporter(circle, path) as exporter:
        exporter.run(130)
        assert exporter.failures("truncated") == 3
        assert len(circle.asked(LOOK)) == 2
        assert exporter.samples()[CREDITS] == 3 * 51
    targets = {each.target for each in circle.asked("/part-1")}
    assert len(targets) == 2


HTML = Reply(200, b"<!doctype html><html><body>Please log in</body></html>", (("Content-Type", "text/html"),))
XML = Reply(
    403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", (("Content-Type", "application/xml"),)
)
ELSEWHERE = Reply(302, b"", (("Location", "https://example.com/elsewhere"),))
DAMAGED = Reply(200, b"\x1f\x8b\x08\x00" + b"damage" * 100)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (HTML, "payload"),
        (Reply(200, gzip.compress(b"JOB_ID," + b"x" * (1 << 20) + b"\n")), "too_large"),
        (XML, "forbidden"),
        (ELSEWHERE, "redirect"),
        (DAMAGED, "payload"),
        (Reply(200, b""), "payload"),
        (Reply(206, file([row(1)])), "payload"),
        (Reply(503, b"slow down"), "server"),
        (Reply(404, b"gone"), "not_found"),
    ],
    ids=["html", "a long line", "xml", "redirect", "damaged", "empty", "a part", "503", "404"],
)
def test_another_failure_of_a_download_is_counted_and_the_next_look_has_a_new_url(
    circle: Circle, path: Path, reply: Reply, reason: str
) -> None:
    circle.usage.rows(row(1))
    circle.next_answers(FILE, reply)
    with Exporter(circle, path) as exporter:
        exporter.telemetry.api_up(True)
        exporter.run(90)
        assert exporter.failures(reason) == 1
        assert exporter.telemetry.up.value == 1
        exporter.run(60)
        assert exporter.samples()[CREDITS] == 51
        assert len(circle.asked(START)) == 1
    targets = [each.target for each in circle.asked(FILE)]
    assert len(set(targets)) == len(targets) == 2


def test_the_url_stands_in_no_log_error_page_metric_or_state(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    circle.next_answers(FILE, HTML, XML, ELSEWHERE, DAMAGED, cut_at_a_row)
    with Exporter(circle, path) as exporter:
        exporter.run(3000)
        assert exporter.samples()[CREDITS] == 51
        told = repr(exporter.log.events)
        assert "Usage export" in told
        shown = exporter.text() + exporter.telemetry.render(openmetrics=True).decode()
        assert 'endpoint="usage file"' in shown
    stored = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert len(circle.usage.signatures) == 5  # what was cut was asked for again at the same URL
    for secret in (*circle.usage.signatures, circle.token):
        assert secret not in told + shown
        assert secret.encode() not in stored


def test_the_id_of_an_organization_is_kept(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
    circle.fail("body", COLLABORATIONS, text="[]")
    circle.clock.advance(DAY)
    circle.usage.rows(on("2026-11-25", 2))
    with Exporter(circle, path) as exporter:
        question = Question("usage", COLLABORATIONS, "gh/acme")
        exporter.client.fetch(question, deadline=exporter.clock.monotonic() + 60)
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 2 * 51


def test_an_organization_that_the_user_does_not_list_is_found_by_a_polled_project(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    listed = [{"id": "x", "slug": 5}, None, {"id": None, "slug": "gh/acme"}]
    circle.fail("body", COLLABORATIONS, text=json.dumps(listed))
    with Exporter(circle, path, more="projects: [gh/acme/web]") as exporter:
        exporter.run(120)
        assert exporter.samples()[CREDITS] == 51
        assert [exporter.unread(field) for field in ("slug", "id", "organization_id")] == [2, 1, 0]


def test_an_unknown_organization_is_counted_and_asked_for_again(circle: Circle, path: Path) -> None:
    circle.fail("body", COLLABORATIONS, text="[]")
    with Exporter(circle, path) as exporter:
        exporter.run(70)
        assert exporter.failures("not_found") == 3
        assert exporter.log.told().count("the Usage export is failing") == 1
        assert circle.asked(START) == []


def test_other_buckets_begin_the_histogram_anew_and_nothing_else(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    queue = 'circleci_usage_job_queue_seconds_count{project="gh/acme/shop",resource_class="medium"}'
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        assert exporter.samples()[queue] == 1
    other = "defaults: {pipelines: {wait_buckets: [2s, 4s]}}"
    with Exporter(circle, path, more=other) as exporter:
        exporter.run(120)
        assert queue not in exporter.samples()
        assert exporter.samples()[CREDITS] == 51
        circle.usage.rows(on("2026-11-25", 2))
        exporter.run(DAY)
        assert exporter.samples()[queue] == 1
        assert exporter.samples()[CREDITS] == 2 * 51


def test_columns_are_found_by_name_in_any_case_and_order_and_missing_ones_are_counted(
    circle: Circle, path: Path
) -> None:
    columns = ("total_credits", "Job_Build_Status", "something_new", "job_id", "JOB_RUN_DATE", "job_name")
    circle.usage.contents = lambda _start, _end: [file([row(1)], columns)]
    with Exporter(circle, path) as exporter:
        exporter.run(120)
        labels = 'job_name="test",project="none",resource_class="none",workflow="none"'
        assert exporter.samples()[f"circleci_usage_job_credits_total{{{labels}}}"] == 51
        assert exporter.unread("PROJECT_NAME") == exporter.unread("COMPUTE_CREDITS") == 1
        assert exporter.unread("TOTAL_CREDITS") == 0


def test_a_state_that_cannot_be_written_starts_nothing(circle: Circle, path: Path) -> None:
    with Exporter(circle, path) as exporter:
        exporter.run(0.01)
        exporter.state.usage._access.connection.execute("PRAGMA query_only = ON")
        exporter.run(100)
        assert exporter.failures("state") > 0
        assert len(circle.asked(START)) <= 1


def test_the_state_has_no_more_than_counters_ids_and_how_far_it_is(circle: Circle, path: Path) -> None:
    circle.usage.rows(row(1))
    with Exporter(circle, path) as exporter:
        exporter.run(120)
    with closing(sqlite3.connect(path)) as file_:
        (facts,) = file_.execute("SELECT facts FROM usage_organization").fetchone()
        assert "http" not in facts
        assert YESTERDAY not in facts
