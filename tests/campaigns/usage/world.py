"""A world of job runs with everything in it that CircleCI's exports have been seen to have, and the truth about it."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from exporter.demo.usage.rows import COLUMNS
from tests.running.scrapes import series
from tests.usage.making import DAY, NULL, Row, csv_text, job_id, row

if TYPE_CHECKING:
    from collections.abc import Iterable

STATUSES = ("success", "success", "success", "failed", "canceled", "retried", "timedout", "exploded", "Success")
KINDS = ("COMPUTE", "DLC", "USER", "STORAGE", "NETWORK", "LEASE", "LEASE_OVERAGE", "IPRANGES")
AMOUNTS = ("0", "0", "0", "7", "0.25", "12.5", "0.1", "1e2", NULL, "", "-4", "nan", "inf", "1_000", "many")
BOUNDS = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)


def amount(text: str) -> Decimal:
    """What a text adds, by the rules."""
    try:
        value = Decimal(text) if "_" not in text else Decimal(0)
    except ArithmeticError:
        return Decimal(0)
    return value if value.is_finite() and value > 0 else Decimal(0)


@dataclass(frozen=True)
class JobRun:
    """One job run: its final row, when exports have it, from when on it is final, and the days that it touches."""

    row: Row
    listed_at: float
    final_at: float
    first: float
    last: float

    @cached_property
    def running(self) -> Row:
        """The row before it is final."""
        return {**self.row, "JOB_BUILD_STATUS": "running", "JOB_RUN_STOPPED_AT": NULL, "TOTAL_CREDITS": "3"}

    def seen(self, at: float) -> Row | None:
        """The row in an export that is made at a time."""
        if at < self.listed_at:
            return None
        return self.row if at >= self.final_at else self.running


@dataclass
class Lines:
    """A part of a file: columns in an order of its own. Lines of rows that come again are made once."""

    columns: list[str]
    quoted: bool
    end: str

    def __post_init__(self) -> None:
        self.header = self._of([])
        self._made: dict[int, str] = {}

    def text(self, rows: Iterable[Row], others: Iterable[Row]) -> str:
        """Rows that are kept, and others that nobody keeps."""
        made = self._made
        for each in rows:
            if id(each) not in made:
                made[id(each)] = self._of([each])[len(self.header) :]
        return self.header + "".join(made[id(each)] for each in rows) + self._of(others)[len(self.header) :]

    def _of(self, rows: Iterable[Row]) -> str:
        return csv_text(rows, self.columns, quoted=self.quoted, end=self.end)


@dataclass
class World:
    """Job runs of some days from `start` on, `a_day` of them; a seed decides all."""

    start: float
    days: int
    a_day: int
    seed: int
    runs: list[JobRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311  no secret
        self._making = threading.Lock()
        for day in range(self.days):
            self.runs += [self._run(day, day * self.a_day + number) for number in range(self.a_day)]
        for day in range(self.days, self.days + 4):  # so that windows move on, and late rows are met
            self.runs.append(self._last(day))
        self._lines = [[self._columns(number) for _ in range(2)] for number in range(3)]

    def files(self, start: float, end: float, at: float) -> list[bytes]:
        """The files of an export of a window, as they are made at a time."""
        with self._making:
            return self._files(start, end, at)

    def truth(self) -> dict[str, float]:
        """What all runs add up to, by sample; only what Decimal says."""
        return truth(run.row for run in self.runs)

    def _run(self, day: int, number: int) -> JobRun:
        random = self._random
        begin = self.start + day * DAY
        queued = begin + random.random() * (DAY - 1)
        started = queued + random.choice((-2.0, 0.0, 0.5, 5.0, 44.25, 700.0, 5000.0))
        stopped = started + random.choice((3.0, 100.125, 3000.0, 30_000.0))
        late = random.choice((0.0, 0.0, 0.0, 3600.0, 9 * 3600.0, 20 * 3600.0))
        final_at = max(stopped, begin + DAY + late + random.choice((0.0, 0.0, 0.0, 11 * 3600.0)))
        credits_ = {f"{kind}_CREDITS": random.choice(AMOUNTS) for kind in KINDS}
        identifier = job_id(number)
        project = random.randrange(6)
        found = row(
            1,
            **{
                "JOB_ID": identifier.upper() if number % 5 == 0 else identifier,
                "PROJECT_ID": job_id(10_000_000 + project),
                "PROJECT_NAME": ("shop", "api", NULL, "größe", 'a "b", c', "web")[project],
                "VCS_NAME": ("GitHub", "github", "GitLab", NULL, "Bitbucket", "GitHub")[project],
                "WORKFLOW_NAME": random.choice(("build", "nightly\nrun", NULL, r"a\Nb", "")),
                "JOB_NAME": random.choice(("test", "e2e, slow", "lint")),
                "RESOURCE_CLASS": random.choice(("medium", "large", NULL, "acme/linux")),
                "JOB_BUILD_STATUS": random.choice(STATUSES),
                "JOB_RUN_DATE": written(queued)[:10],
                "JOB_RUN_QUEUED_AT": random.choice((written(queued), written(queued), NULL)),
                "JOB_RUN_STARTED_AT": random.choice(
                    (written(started), written(started).replace(" ", "T") + "Z", "soon")
                ),
                "JOB_RUN_STOPPED_AT": written(stopped),
                "JOB_RUN_SECONDS": random.choice(("152", "0.5", "3", NULL, "-1")),
                "TOTAL_CREDITS": random.choice(AMOUNTS),
                **credits_,
            },
        )
        return JobRun(found, begin + DAY + late, final_at, queued, max(queued, stopped))

    def _columns(self, number: int) -> Lines:
        columns = [*COLUMNS, "SOMETHING_NEW"]
        self._random.shuffle(columns)
        if number == 1:
            columns = [name.lower() for name in columns]
        return Lines(columns, quoted=number == 2, end="\r\n" if number == 1 else "\n")

    def _last(self, day: int) -> JobRun:
        begin = self.start + day * DAY
        at = written(begin + 60)
        found = row(
            20_000_000 + day, JOB_RUN_DATE=at[:10], JOB_RUN_QUEUED_AT=at, JOB_RUN_STARTED_AT=at, JOB_RUN_STOPPED_AT=at
        )
        return JobRun(found, begin + DAY, begin + DAY, begin + 60, begin + 60)

    def _files(self, start: float, end: float, at: float) -> list[bytes]:
        random = Random(f"{self.seed} {start} {end}")  # noqa: S311  no secret
        rows = [found for run in self.runs if run.first < end and run.last >= start and (found := run.seen(at))]
        if not rows:
            return []
        junk = [
            {**random.choice(rows), "TOTAL_CREDITS": "1000000", "JOB_BUILD_STATUS": "success"}
            for _ in range(len(rows) // 20)
        ]
        final = {each["JOB_ID"].lower() for each in rows if each["JOB_BUILD_STATUS"] != "running"}
        junk = [each for each in junk if each["JOB_ID"].lower() in final]  # after the first final row of the same id
        odd = [{**random.choice(rows), "JOB_ID": each} for each in (NULL, "", "9001", "not-a-uuid")]
        parts, size = [], len(rows) // 3 + 1
        for number, part in enumerate((rows[:size], rows[size : 2 * size], rows[2 * size :])):
            text = random.choice(self._lines[number]).text(part, [*junk, *odd] if number == 2 else []).encode()
            cut = random.randrange(len(text))
            parts.append(
                gzip.compress(text[:cut], 1) + gzip.compress(text[cut:], 1) if number else gzip.compress(text, 1)
            )
        return parts


def truth(rows: Iterable[Row]) -> dict[str, float]:
    """The counters that rows add up to, each once; by hand, without the exporter's code."""
    totals: Counter[str] = Counter()
    exact: dict[str, Decimal] = {}

    def add(name: str, value: Decimal) -> None:
        exact[name] = exact.get(name, Decimal(0)) + value

    for each in rows:
        for kind in KINDS:
            add(
                f'circleci_usage_credits_total{{kind="{kind.lower()}",organization="gh/acme"}}',
                amount(each[f"{kind}_CREDITS"]),
            )
        labels = {
            "job_name": label(each["JOB_NAME"]),
            "project": project(each),
            "resource_class": label(each["RESOURCE_CLASS"]),
            "workflow": label(each["WORKFLOW_NAME"]),
        }
        add(series("circleci_usage_job_credits_total", labels), amount(each["TOTAL_CREDITS"]))
        add(series("circleci_usage_job_run_seconds_total", labels), amount(each["JOB_RUN_SECONDS"]))
        status = each["JOB_BUILD_STATUS"].lower()
        for shown in {"success", "failed", "other" if status == "exploded" else status}:
            totals[series("circleci_usage_job_runs_total", {**labels, "status": shown})] += 0
        totals[
            series("circleci_usage_job_runs_total", {**labels, "status": "other" if status == "exploded" else status})
        ] += 1
        queued, started = moment(each["JOB_RUN_QUEUED_AT"]), moment(each["JOB_RUN_STARTED_AT"])
        if queued is not None and started is not None:
            wait = max(Decimal(0), started - queued)
            place = {"project": labels["project"], "resource_class": labels["resource_class"]}
            add(series("circleci_usage_job_queue_seconds_sum", place), wait)
            totals[series("circleci_usage_job_queue_seconds_count", place)] += 1
            for bound in (*BOUNDS, None):
                bucket = series(
                    "circleci_usage_job_queue_seconds_bucket",
                    {**place, "le": "+Inf" if bound is None else f"{bound}.0"},
                )
                totals[bucket] += int(bound is None or wait <= bound)
    return {**{name: float(value) for name, value in exact.items()}, **dict(totals)}


def label(text: str) -> str:
    return "none" if text in ("", NULL) else text


def project(each: Row) -> str:
    name, vcs = each["PROJECT_NAME"], {"github": "gh/", "bitbucket": "bb/"}.get(each["VCS_NAME"].lower(), "")
    return "none" if name == NULL else label(f"{vcs}acme/{name}")


def moment(text: str) -> Decimal | None:
    """A time as seconds, exactly."""
    if text in (NULL, "soon"):
        return None
    found = datetime.fromisoformat(text.replace("T", " ").removesuffix("Z")).replace(tzinfo=UTC)
    return Decimal(int(found.timestamp() // 1)) + Decimal(found.microsecond) / 1_000_000


def written(at: float) -> str:
    found = datetime.fromtimestamp(round(at * 1000) / 1000, UTC)
    return f"{found:%Y-%m-%d %H:%M:%S}.{found.microsecond // 1000:03}"
