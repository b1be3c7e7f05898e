"""A scrape is one gzip member put together from pieces of many projects: whoever reads gzip reads all of it."""

from __future__ import annotations

import gzip
import subprocess
import zlib
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from exporter.publishing.blocks import BLOCK
from tests.circleci import Circle
from tests.circleci.fleet import fleet
from tests.running.program import Exporter
from tests.running.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROJECTS = BLOCK + 6
DONE = 'circleci_exporter_collector_success{collector="jobs",'
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """One that has polled more projects than lie together in one block."""
    with Circle(projects=fleet(1, PROJECTS, 1, 1), speed=0) as circle:
        slugs = ", ".join(project.slug for project in circle.organization.projects)
        config = f"circleci: {{url: '{circle.url}', requests_per_second: 1000, burst: 1000}}\nprojects: [{slugs}]\n"
        with Exporter(tmp_path_factory.mktemp("readers"), config, token=circle.token) as running:
            running.until(
                lambda scrape: sum(line.startswith(DONE) for line in scrape.values) == PROJECTS, "the first round"
            )
            yield running


def insights(text: str) -> list[str]:
    """What does not change from one scrape to the next."""
    return [line for line in text.splitlines() if "circleci_insights_" in line]


def packed(exporter: Exporter, accept: str = "text/plain") -> bytes:
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}
    with build_opener(ProxyHandler({})).open(Request(f"http://{exporter.address}/metrics", headers=headers)) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_zlib_finds_one_member_and_nothing_after_it(exporter: Exporter, accept: str) -> None:
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    text = reader.decompress(packed(exporter, accept)).decode()
    assert reader.eof
    assert reader.unused_data == b""
    _, plain = exporter.get("/metrics", Accept=accept)
    assert insights(text) == insights(plain)
    assert len([line for line in insights(text) if line[:1] != "#"]) > PROJECTS * 20


def test_python_and_the_gzip_program_read_it(exporter: Exporter, program: Callable[[str], Path]) -> None:
    body = packed(exporter)
    unpacked = subprocess.run([program("gzip"), "-dc"], input=body, capture_output=True, check=True)
    assert unpacked.stderr == b""
    assert unpacked.stdout == gzip.decompress(body)


def test_curl_reads_it(exporter: Exporter, program: Callable[[str], Path]) -> None:
    options = ["--silent", "--show-error", "--fail", "--compressed", "--noproxy", "*"]
    command = [str(program("curl")), *options, f"http://{exporter.address}/metrics"]
    read = subprocess.run(command, capture_output=True, check=True)
    assert insights(read.stdout.decode()) == insights(exporter.get("/metrics")[1])


def test_prometheus_reads_each_sample_of_it(exporter: Exporter, prometheus_program: Path, tmp_path: Path) -> None:
    samples = [line for line in insights(exporter.get("/metrics")[1]) if line[:1] != "#"]
    with Prometheus(prometheus_program, tmp_path, target=exporter.address, interval="5s") as prometheus:
        prometheus.wait_for_scrape()
        (found,) = prometheus.ask('count({__name__=~"circleci_insights_.*"})')
    assert found.value == len(samples)
