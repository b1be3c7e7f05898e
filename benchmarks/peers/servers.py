"""Starting the peers."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.programs import Program, free_port, module

if TYPE_CHECKING:
    from collections.abc import Iterator

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
events {{}}
http {{
    access_log off; default_type "text/plain; version=0.0.4"; sendfile on; gzip_static on; keepalive_requests 100000;
    {temporary}
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def build_golang(folder: Path) -> Path:
    """Build the Go peer against Debian's client_golang."""
    source = folder / "go" / "src" / "peer"
    source.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "client_golang" / "main.go", source)
    program = folder / "client_golang"
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "GO111MODULE": "off",
        "GOPATH": f"{folder}/go:/usr/share/gocode",
    }
    subprocess.run(["go", "build", "-o", program, "peer"], check=True, env=environ)  # noqa: S603, S607  our own
    return program


def client_python(text: Path) -> Program:
    """prometheus_client's WSGI application with a custom collector."""
    port = free_port()
    return Program(module("benchmarks.peers.client_python", port, text), port)


def client_golang(program: Path, text: Path) -> Program:
    """Const metrics in Go."""
    port = free_port()
    return Program([str(program), "serve", str(port), str(text)], port)


@contextmanager
def pushgateway(text: Path) -> Iterator[Program]:
    """The pushgateway, filled by one PUT; what it says of itself it does not take from others."""
    port = free_port()
    with Program(
        ["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], port
    ) as program:
        with text.open("rb") as lines:
            kept = b"".join(line for line in lines if not line.startswith((b"process_", b"python_", b"#")))
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics/job/bench", data=kept, method="PUT")
        urllib.request.urlopen(request, timeout=120).close()  # noqa: S310  loopback
        yield program


@contextmanager
def nginx(text: Path, body: bytes) -> Iterator[Program]:
    """The floor: a file of text, and the same compressed beforehand."""
    with tempfile.TemporaryDirectory(dir=text.parent) as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        shutil.copy(text, folder / "metrics")
        (folder / "metrics.gz").write_bytes(body)
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY)
        (folder / "conf").write_text(NGINX.format(folder=folder, port=port, temporary=temporary))
        command = ["nginx", "-c", f"{folder}/conf", "-e", "stderr", *(["-g", "user root;"] if os.getuid() == 0 else [])]
        with Worker(command, port) as program:
            yield program


class Worker(Program):
    """nginx: its only worker does the work."""

    @property
    def pid(self) -> int:
        """The worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])
