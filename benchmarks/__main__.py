"""`python -m benchmarks`: measure everything, print the results and write RESULTS.md. `--print` writes no file."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import backfill, busy, polls, report, scrapes, starts, versions
from benchmarks.compared import Compared
from benchmarks.report import RESULTS

if TYPE_CHECKING:
    from benchmarks.report import Section


def main() -> int:
    """Say at the end which goals were missed; a missed goal is a result, not a failure."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--print", action="store_true", help="print the results, and leave RESULTS.md as it is")
    options.add_argument("--before", default="", metavar="COMMIT", help="the version to compare with")
    options.add_argument("--alone", action="store_true", help="compare with no other version")
    given = options.parse_args()
    began = time.monotonic()
    sections: list[Section] = []

    def done(what: str, new: list[Section]) -> None:
        sections.extend(new)
        print(f"bench: {what} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        commit = "" if given.alone else versions.before(given.before)
        compared = Compared(versions.built(commit, folder) if commit else None, commit)
        scraped, costs, shared = scrapes.run(folder, compared)
        done("scrapes", scraped)
        done("starts", starts.run(folder, compared))
        done("polls", polls.run(costs, shared, compared))
        done("busy", busy.run(folder, compared))
        sections.append(compared.report())
    others = report.kept(RESULTS.read_text(), backfill.TITLE) if RESULTS.exists() else ""
    text = report.markdown(sections, time.monotonic() - began, versions.now(), others)
    print(text)
    if not given.print:
        RESULTS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
