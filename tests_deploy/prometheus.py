"""A real Prometheus with the project's rules, whose past is filled in before it starts."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.conftest import find_program
from tests.running.waiting import PATIENCE, wait_until
from tests_deploy.processes import free_port, query, running
from tests_deploy.rehearsal import JOB, STEP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests_deploy.rehearsal import Rehearsal

RULES = Path(__file__).parent.parent / "deploy" / "prometheus" / "rules"
# A sample of the past is eight hours from the next one.
LOOKBACK = f"{int(STEP) + 600}s"
SCRAPES = 15


def configuration(
    folder: Path, address: str | None, alertmanager: str | None = None, *, impatient: bool = False
) -> Path:
    """A configuration like the one that is shipped, with short intervals; an impatient one lets no alert wait."""
    rules = sorted(RULES.glob("*.yml"))
    if impatient:
        for path in rules:
            text = re.sub(r"^( +)for: .*$", r"\1for: 0s", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            if path.stem == "alerts":
                text = text.replace("1800  # failing_seconds", "0").replace("3600  # red_seconds", "0")
                text = text.replace("[15m]", "[10s]")
            (folder / path.name).write_text(text, encoding="utf-8")
        rules = [folder / path.name for path in rules]
    document: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
    }
    if address:
        document["scrape_configs"] = [{"job_name": JOB, "static_configs": [{"targets": [address]}]}]
    if alertmanager:
        document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    path = folder / ("live.yml" if address else "past.yml")
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@contextmanager
def prometheus(folder: Path, config: Path, *, rules: bool = True) -> Iterator[str]:
    """Prometheus on a free port, with its data in `folder`; gives its URL."""
    if not rules:
        config.write_text("global: {}\n", encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    command: list[str | Path] = [
        find_program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=90d",
        f"--web.listen-address={url.removeprefix('http://')}",
        f"--query.lookback-delta={LOOKBACK}",
        "--web.cors.origin=.*",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    with running(command, f"{url}/-/ready", folder / "prometheus.log"):
        yield url


def _blocks(folder: Path, lines: Iterator[str]) -> None:
    source = folder / "past.om"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    command: list[str | Path] = [find_program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=720h"]
    subprocess.run([*command, "openmetrics", source, folder / "data"], check=True, capture_output=True)
    source.unlink()


def _meanings() -> dict[str, str]:
    """What each recorded series is in terms of what the exporter exposes; a rule names others without a selector."""
    meanings: dict[str, str] = {}
    for group in yaml.safe_load((RULES / "recording.yml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            expression = re.sub("#.*", "", rule["expr"])
            for record, meaning in meanings.items():
                expression = _said(expression, record, meaning)
            meanings[rule["record"]] = expression
    return meanings


def _said(expression: str, record: str, meaning: str) -> str:
    """An expression with a recorded series put in as what it means; a range of it is a subquery then."""
    parts = re.split(rf"{record}(?![\w:])(?:\[(\w+)\])?", expression)
    ranges = [f"[{found}:]" if found else "" for found in parts[1::2]]
    return parts[0] + "".join(f"({meaning}){span}{rest}" for span, rest in zip(ranges, parts[2::2], strict=True))


def _recorded(url: str, start: float, end: float) -> Iterator[str]:
    """What the recording rules would have recorded."""
    for record, meaning in _meanings().items():
        for series in query(url, "query_range", query=meaning, start=start, end=end, step=STEP)["result"]:
            labels = ",".join(
                f'{key}="{_escaped(value)}"' for key, value in series["metric"].items() if key != "__name__"
            )
            for at, value in series["values"]:
                yield f"{record}{{{labels}}} {value} {at}\n"
    yield "# EOF\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _answered(url: str, expression: str) -> bool:
    return bool(query(url, "query", query=expression)["result"])


@contextmanager
def watching(folder: Path, lived: Rehearsal) -> Iterator[str]:
    """Prometheus that knows the past of an exporter and has scraped it some times; gives its URL."""
    _blocks(folder, lived.openmetrics())
    with prometheus(folder, folder / "empty.yml", rules=False) as url:
        past = list(_recorded(url, lived.past[0].then, lived.past[-1].then))
    _blocks(folder, iter(past))
    with prometheus(folder, configuration(folder, lived.address)) as url:
        codes = "count(count by (code) (circleci_exporter_api_requests_total)) == 5"
        # The past has no `up`.
        scrapes = f'sum_over_time(up{{job="{JOB}"}}[1h]) >= {SCRAPES}'
        for needed in (scrapes, "circleci:default_branch:runs", codes):
            wait_until(partial(_answered, url, needed), 5 * PATIENCE, 0.2, why=needed)
        yield url
