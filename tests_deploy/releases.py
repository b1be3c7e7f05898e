"""A release that helm upgrades without a cluster: it keeps the release in memory, and a stand-in tells it a version."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import yaml

from tests_deploy.conftest import tool
from tests_deploy.manifests import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERS = {
    "/version": {"major": "1", "minor": "30", "gitVersion": "v1.30.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
}
"""All that helm asks for a dry run."""
DRY = ("--dry-run=client", "--output", "json")


def upgraded(values: dict[str, Any], *arguments: str, folder: Path, program: str = "helm") -> dict[str, Any]:
    """What a release becomes by `helm upgrade` that keeps these values: its `manifest`, and the notes in its `info`."""
    chart = {"metadata": {"name": CHART.name, "version": "0.0.1", "apiVersion": "v2"}, "values": {}}
    release = {"name": "rel", "version": 1, "namespace": "ci", "info": {"status": "deployed"}, "manifest": ""}
    memory = folder / "releases.yaml"
    memory.write_text(yaml.safe_dump([{**release, "chart": chart, "config": values}]), encoding="utf-8")
    with _stand_in() as address:
        done = subprocess.run(
            [tool(program), "upgrade", "rel", CHART, "--reset-then-reuse-values", *DRY, *arguments],
            env={
                **os.environ,
                "HELM_DRIVER": "memory",
                "HELM_MEMORY_DRIVER_DATA": str(memory),
                "HELM_NAMESPACE": "ci",
                "HELM_KUBEAPISERVER": address,
                "KUBECONFIG": os.devnull,
            },
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    release_after: dict[str, Any] = json.loads(done.stdout)
    return release_after


@contextmanager
def _stand_in() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = json.dumps(ANSWERS[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest would show it."""
