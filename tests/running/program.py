"""The exporter as a process of its own: started as an operator starts it, scraped, watched, ended."""

from __future__ import annotations

import base64
import fcntl
import gzip
import http.client
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.running.scrapes import Scrape
from tests.running.starting import COMMAND, Process
from tests.running.waiting import AT_ONCE, PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def unmeasured() -> dict[str, str]:
    """The environment for a process whose coverage is not measured.

    Coverage takes a lock at each call of a function: many busy threads then wait for one another more than they work.
    """
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}


def at_a_terminal(
    arguments: Sequence[str],
    folder: Path,
    *,
    columns: int = 80,
    environ: Mapping[str, str] | None = None,
    seen: Callable[[str], object] = lambda _: None,
) -> tuple[int, str]:
    """Run the command with a terminal so wide as its standard error; returns its exit code and what stood there.

    `seen` is told what stood there so far, each time that there is more.
    """
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with Process([str(COMMAND), *arguments], cwd=folder, stderr=its, stdout=subprocess.DEVNULL, env=environ) as process:
        os.close(its)
        said = b""
        try:
            while piece := os.read(mine, 65536):
                said += piece
                seen(said.decode(errors="replace"))
        except OSError:  # Linux: the other end was closed
            pass
        os.close(mine)
    return process.returncode, said.decode()


class Exporter:
    """One process. Use it as a context: it is ended at the end, and nothing that it wrote may hold its secrets."""

    def __init__(
        self,
        folder: Path,
        config: str | None,
        *flags: str,
        token: str = "",
        environ: Mapping[str, str] | None = None,
        address: str = "127.0.0.1:0",
    ) -> None:
        """Write `config` to the folder and start."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.config_file, self.log_file = folder, folder / "config.yaml", folder / "log.jsonl"
        self.secrets = [token] if token else []
        self.seen: list[str] = []
        if config is not None:
            self.configure(config)
        arguments = [str(COMMAND), "run", "--config.file", str(self.config_file)]
        arguments += ["--log.format", "json", "--log.level", "debug"]
        arguments += ["--web.listen-address", address, *flags]
        environment = {**os.environ, **(environ or {})}
        if token:
            environment.setdefault("CIRCLECI_TOKEN", token)
        with self.log_file.open("ab") as log:
            self._begin = log.tell()
            self.process: Process[bytes] = Process(arguments, stdout=log, stderr=log, env=environment, cwd=folder)

    # ---- life

    def __enter__(self) -> Self:
        try:
            self.wait_for_start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.hold_secrets()

    def wait_for_start(self) -> None:
        """Wait until it serves."""

        def started() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log}"
            return bool(self.events("listening"))

        wait_until(started, PATIENCE, 0.01)
        self.address: str = self.events("listening")[0]["address"]

    @property
    def lives(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code, and the seconds until it."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        return code, time.monotonic() - began

    def end(self) -> None:
        """Whatever it does, it is gone afterwards."""
        if self.lives:
            self.process.terminate()
            try:
                self.process.wait(AT_ONCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as the kernel does that is out of memory."""
        self.process.kill()
        self.process.wait(PATIENCE)

    # ---- configuration

    def configure(self, config: str) -> None:
        """Replace the configuration file at once."""
        new = self.config_file.with_suffix(".new")
        new.write_text(config)
        new.replace(self.config_file)

    def hang_up(self) -> None:
        """Ask for a reload by signal."""
        self.process.send_signal(signal.SIGHUP)

    # ---- what it says

    @property
    def log(self) -> str:
        """All that it wrote to standard error and output so far."""
        with self.log_file.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode()

    def events(self, event: str = "", **fields: object) -> list[dict[str, Any]]:
        """Log lines with this event and these fields, oldest first."""
        found = []
        for line in self.log.splitlines():
            if not line.startswith("{"):
                continue
            try:
                entry = json.loads(line)
            except ValueError:  # the newest line, half written
                continue
            if event in {"", entry.get("event")} and fields.items() <= entry.items():
                found.append(entry)
        return found

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str]:
        """Status and body of a page."""
        status, _, body = self.ask(path, method, **headers)
        return status, body

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and body, unpacked."""
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
        finally:
            connection.close()
        text = body.decode()
        self.seen.append(text)
        del self.seen[:-20]
        return answer.status, answer.headers, text

    def scrape(self) -> Scrape:
        """Scrape it once."""
        status, text = self.get("/metrics")
        assert status == 200, text
        return Scrape(text)

    def until(self, true: Callable[[Scrape], object], why: str, timeout: float = PATIENCE) -> Scrape:
        """Scrape until something is true of it, and return that scrape.

        Its families are read one after the other, so that the first scrape to show an event may show half of what
        the event changed. The next one shows all, unless that is no longer true.
        """

        def found() -> Scrape | None:
            assert self.lives, f"it ended with {self.process.returncode}"
            first = self.scrape()
            if not true(first):
                return None
            later = self.scrape()
            return later if true(later) else first

        found_scrape = wait_until(found, timeout, 0.05, why=why)
        assert found_scrape is not None
        return found_scrape

    # ---- secrets

    def hold_secrets(self) -> None:
        """Nothing that it wrote, served or stored holds its token, in none of the ways in which it is sent."""
        for where, content in self.left_behind().items():
            for form in forms_of(*self.secrets):
                assert form.lower() not in content.lower(), f"{where} holds a secret"

    def left_behind(self) -> dict[str, bytes]:
        """Everything that it wrote to disk, and what it answered last, by place."""
        files = [
            path for path in sorted(self.folder.rglob("*")) if path.is_file() and not path.name.startswith("secret")
        ]
        found = {str(path): path.read_bytes() for path in files}
        return found | {f"answer {number}": text.encode() for number, text in enumerate(self.seen)}


def forms_of(*secrets: str) -> list[bytes]:
    """Each secret as it is, and inside of base64 as basic authentication has it."""
    forms = []
    for secret in secrets:
        forms += [secret, base64.b64encode(f"{secret}:".encode()).decode().rstrip("=")]
    return [form.encode() for form in forms]
