"""The alerts about the exporter, on a real one in real trouble: its metrics do what the rules take for granted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.circleci import Circle
from tests.running.waiting import wait_until
from tests_deploy.processes import free_port, query, running
from tests_deploy.prometheus import configuration, prometheus

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
circleci: {{url: "{url}", requests_per_second: 100, burst: 100, token_file: token}}
defaults: {{interval: 1s, labels: {{team: shop}}}}
projects: [gh/acme/web, gh/acme/gone]
"""
# gh/acme/gone was never there, and nobody asked for run counters.
ALWAYS = {("CircleCIProjectFailing", ""), ("CircleCINoRunCounters", "")}
TROUBLE = {
    ("CircleCITokenRefused", ""),
    ("CircleCIProjectFailing", "shop"),
    ("CircleCIReloadFailed", ""),
}


def test_alerts_fire_when_the_token_is_refused_and_the_configuration_wrong_and_end_with_it(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "config.yaml"
    with Circle(seed=1) as circle:
        right = CONFIGURATION.format(url=circle.url)
        config.write_text(right, encoding="utf-8")
        (tmp_path / "token").write_text(circle.token, encoding="utf-8")
        command: list[str | Path] = [sys.executable, "-m", "exporter", "run", "--config.file", config, "--config.watch"]
        command += ["--web.listen-address", address]
        with (
            running(command, f"http://{address}/-/ready", tmp_path / "exporter.log"),
            prometheus(tmp_path, configuration(tmp_path, address, impatient=True)) as url,
        ):

            def firing() -> set[tuple[str, str]]:
                alerts = query(url, "query", query='ALERTS{alertstate="firing"}')["result"]
                return {
                    (each["metric"]["alertname"], each["metric"].get("team", ""))
                    for each in alerts
                    if each["metric"]["component"] == "exporter"
                }

            wait_until(lambda: firing() == ALWAYS, interval=0.2, why="a project that fails")
            circle.accept("another token")
            config.write_text(right.replace("projects:", "project:"), encoding="utf-8")
            wait_until(lambda: firing() == ALWAYS | TROUBLE, interval=0.2, why="all that the trouble raises")
            circle.accept(circle.token)
            config.write_text(right, encoding="utf-8")
            wait_until(lambda: firing() == ALWAYS, interval=0.2, why="the end of the trouble")
