"""A changed ConfigMap is taken by the running exporter: the chart restarts no pod for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tests.circleci import Circle
from tests.running.waiting import wait_until
from tests_deploy.manifests import configuration, container, template
from tests_deploy.processes import fetch, free_port, running

if TYPE_CHECKING:
    from pathlib import Path


def publish(folder: Path, version: str, text: str) -> None:
    """Write as the kubelet does: a folder of its own, and one link that is swapped."""
    (folder / version).mkdir()
    (folder / version / "config.yaml").write_text(text, encoding="utf-8")
    (folder / "..new").symlink_to(version)
    (folder / "..new").rename(folder / "..data")
    if not (folder / "config.yaml").is_symlink():
        (folder / "config.yaml").symlink_to("..data/config.yaml")


def test_a_project_that_is_added_to_the_values_is_polled_without_a_restart(tmp_path: Path) -> None:
    mount, token, values = tmp_path / "mount", tmp_path / "token", tmp_path / "values.yaml"
    mount.mkdir()
    address = f"127.0.0.1:{free_port()}"
    with Circle(seed=1) as circle:
        token.write_text(circle.token, encoding="utf-8")

        def render(projects: str) -> tuple[str, list[str]]:
            circleci = f"{{url: '{circle.url}', requests_per_second: 100, burst: 100}}"
            given = f"{{circleci: {circleci}, projects: [{projects}]}}"
            values.write_text(f"token: {{existingSecret: a}}\nconfig: {given}\n", encoding="utf-8")
            objects = template("--values", values)
            text = configuration(objects).replace("/run/secrets/circleci/token", str(token))
            return text, container(objects)["args"]

        first, arguments = render("gh/acme/web")
        publish(mount, "..1", first)
        changed = {
            "--config.file=/etc/circleci-insights-exporter/config.yaml": f"--config.file={mount / 'config.yaml'}",
            "--web.listen-address=:10115": f"--web.listen-address={address}",
        }
        command = [sys.executable, "-m", "exporter", *(changed.get(each, each) for each in arguments)]
        environment = {name: value for name, value in os.environ.items() if name != "CIRCLECI_TOKEN"}
        with running(command, f"http://{address}/-/ready", tmp_path / "log", environment) as process:

            def polled(project: str) -> bool:
                sample = (
                    f'circleci_insights_project_info{{default_branch="main",organization="acme",project="{project}"'
                )
                return sample.encode() in fetch(f"http://{address}/metrics")

            wait_until(lambda: polled("gh/acme/web"))
            assert not polled("gh/acme/api")
            publish(mount, "..2", render("gh/acme/web, gh/acme/api")[0])
            wait_until(lambda: polled("gh/acme/api"))

            assert process.poll() is None
