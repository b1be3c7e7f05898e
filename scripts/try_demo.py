"""Run `COMMAND demo` until it serves what it polled: try_demo.py COMMAND. The exit code is 1 if it does not."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request

PATIENCE = 60.0
LISTENING = re.compile(r"event=listening address=(\S+)")


def main(command: str) -> int:
    """Start, scrape, stop; the exit code of the demo once it was scraped."""
    arguments = [command, "demo", "--web.listen-address", "127.0.0.1:0", "--duration", "2m"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.stderr or ()
            address = next((found[1] for line in said if (found := LISTENING.search(line))), None)
            until = time.monotonic() + PATIENCE
            while address and process.poll() is None and time.monotonic() < until:
                if "\ncircleci_insights_workflow_runs{" in scraped(f"http://{address}/metrics"):
                    process.send_signal(signal.SIGTERM)
                    return process.wait(PATIENCE)
                time.sleep(0.2)
        finally:
            process.kill()
            sys.stderr.writelines(process.stderr or ())
    return 1


def scraped(url: str) -> str:
    """The exposition; nothing where there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  on loopback
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
