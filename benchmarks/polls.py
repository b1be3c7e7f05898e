"""Sections on polls: what a request costs, what a publication costs, what a day asks."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import churn, day, publications
from benchmarks.programs import ROOT, Program, free_port, module, printed
from benchmarks.report import Section, seconds, size, spread, times
from benchmarks.scrapes import COMPARED, GOLANG, OURS, PUSHGATEWAY, PYTHON
from exporter.publishing.blocks import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.compared import Compared
    from benchmarks.scrapes import Costs
    from benchmarks.untimed import Untimed

MOST, GROWTH, CALLS, MINUTE = 1.25, 0.05, 0.15, 60.0
LONGEST, LONGEST_LARGE = 0.002, 0.08
"""Seconds of a publication: of a usual project, and of one with 30,000 series."""
SCRAPES = 240
"""An hour of one scrape each 15 seconds."""
PUBLICATIONS_A_POLL = 2
PACKED_AN_HOUR = BLOCK
"""So often each block is packed again if its projects are polled each hour, one after another."""
PUBLICATION_TURNS = 3
SETTLED_AT = 10
"""Minutes after which memory should stay as it is."""


def run(costs: Costs, untimed: Untimed, compared: Compared) -> list[Section]:
    """Measure all of it that is timed; `costs` are those of scrapes."""
    return [_requests(compared), _publications(costs, compared), _churn(untimed), _day(untimed, compared)]


def _requests(compared: Compared) -> Section:
    section, port = Section("CPU a request"), free_port()
    with Program(module("benchmarks.circleci", port, "--restless"), port):
        both = compared.turns(1, lambda root: printed(root, "benchmarks.polling", f"http://127.0.0.1:{port}"))
    compared.add_each({"whole": "CPU a request of the whole poll path"}, seconds, both)
    compared.add_each({"ratio": "the same, beside a bare loop"}, times, both)
    (found,) = both[ROOT]
    section.say(
        "The whole poll path (limiter, client, reading, packing, rendering, two publications a poll, no state file) of "
        f"projects that nothing is known of, {found['samples']:,} samples in the end, beside a bare loop of "
        "`session.get(url).json()` over the same pages, in turns."
    )
    section.table(
        ("whole path", "bare loop", "ratio"),
        [(spread(found["whole"], seconds), spread(found["bare"], seconds), spread(found["ratio"], times))],
    )
    section.goal(
        "CPU a request of the whole poll path",
        f"{MOST} times a bare loop",
        spread(found["ratio"], times),
        reached=median(found["ratio"]) <= MOST,
    )
    return section


def _publications(costs: Costs, compared: Compared) -> Section:
    section, long = Section("Publications"), compared.turns(1, lambda root: printed(root, "benchmarks.publications"))
    short = compared.turns(
        PUBLICATION_TURNS - 1, lambda root: printed(root, "benchmarks.publications", publications.FEWER)
    )
    both = {root: [*turns, *short[root]] for root, turns in long.items()}
    found = _merged(both[ROOT])
    slower = printed(ROOT, "benchmarks.without_isal", "benchmarks.publications", publications.FEWER)
    section.say(
        "CPU of a publication, and of compressing it, which another thread does after that: of one project of "
        f"{found['samples'] // found['projects']} series, among {found['projects']}, whose polls' outcomes are new "
        f"each time: medians of {PUBLICATION_TURNS} turns, with the first and the last decile. Every number is new in "
        f"{publications.PUBLICATIONS:,} of them, then in {publications.FEWER} a turn, without isal in "
        f"{publications.FEWER}, once."
    )
    kinds = (
        ("every number is new", "changed"),
        ("of that the publication alone", "all"),
        ("the jobs of one workflow of five are new", "one"),
        ("the publication of those jobs alone", "shown"),
        ("no number is new", "unchanged"),
        ("a project of 30,000 series, alone", "large"),
    )
    section.table(
        ("", "CPU", "without isal"), [(what, _spread(found[kind]), _spread(slower[kind])) for what, kind in kinds]
    )
    compared.add_each({kind: f"CPU of a publication: {what}" for what, kind in kinds}, seconds, both)
    compared.add("resident memory after 2,000 publications", size, long, lambda found: found["ended"])
    compared.add("CPU of packing all blocks again", seconds, both, lambda found: found["repacked"])
    what = "publication of a project of {} series, which a thread then compresses"
    for series, kind, longest in (("635", "all", LONGEST), ("30,000", "large", LONGEST_LARGE)):
        section.goal(what.format(series), seconds(longest), _spread(found[kind]), reached=found[kind][1] <= longest)
    section.say(
        f"A gzip scrape has {size(found['loose'])} while every project was published by itself, and "
        f"{size(found['small'])} after all blocks were packed again, which took {seconds(found['repacked'])} of CPU."
    )
    grown = found["ended"] / found["settled"] - 1
    section.say(
        f"Resident memory after {publications.SETTLED:,} publications over a fixed set with scrapes between them: "
        f"{size(found['settled'])}; after {publications.PUBLICATIONS:,}: {size(found['ended'])}."
    )
    section.goal("memory from 200 to 2,000 publications", "within 5 %", f"{grown:+.1%}", reached=abs(grown) <= GROWTH)
    section.say(
        f"CPU an hour at {COMPARED:,} samples with a gzip scrape each 15 seconds, from the figures above. Ours with "
        "two publications a poll of every project, first with every number new each time, then with none. Where all "
        f"is new each hour, blocks are packed {PACKED_AN_HOUR} times, once after each of their projects:"
    )
    packing = PACKED_AN_HOUR * found["repacked"]
    rows = []
    for every, polls, packed in (("an hour", 1, packing), ("a minute", 60, 0.0)):
        published = polls * PUBLICATIONS_A_POLL * found["projects"]
        scraped = SCRAPES * costs[COMPARED, OURS, True].cpu
        cells = [
            seconds(scraped + published * found["changed"][1] + packed),
            seconds(scraped + published * found["unchanged"][1]),
        ]
        peers = [seconds(SCRAPES * costs[COMPARED, name, True].cpu) for name in (PYTHON, GOLANG, PUSHGATEWAY)]
        rows.append((f"one {every}", *cells, *peers))
    section.table(("polls", "ours, all new", "ours, none new", PYTHON, GOLANG, PUSHGATEWAY), rows)
    best = SCRAPES * min(costs[COMPARED, name, True].cpu for name in (GOLANG, PUSHGATEWAY))
    for every, polls, packed in (("hour", 1, packing), ("minute", 60, 0.0)):
        published = polls * PUBLICATIONS_A_POLL * found["projects"] * found["changed"][1]
        hour = SCRAPES * costs[COMPARED, OURS, True].cpu + published + packed
        section.goal(
            f"CPU an hour with polls each {every}, all new, beside the best of Go's",
            f"< {seconds(best)}",
            seconds(hour),
            reached=hour < best,
        )
    section.say(
        f"Of the first, packing takes {seconds(packing)} an hour. It is bounded by a tenth of a core in any case."
    )
    return section


def _merged(turns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the first turn; of what varies the least, the median and the most of all turns."""
    found = dict(turns[0])
    for kind in publications.SPREADS:
        least, middle, most = zip(*[turn[kind] for turn in turns], strict=True)
        found[kind] = min(least), median(middle), max(most)
    found["repacked"] = median([turn["repacked"] for turn in turns])
    return found


def _spread(found: Sequence[float]) -> str:
    least, middle, most = map(seconds, found)
    return f"{middle} ({least} to {most})"


def _churn(untimed: Untimed) -> Section:
    """Memory while everything changes."""
    section, found = Section("Memory under churn"), untimed.churn
    section.say(
        f"An hour of polls each minute, on an injected clock: {churn.PROJECTS} projects, {found[0][2]:,} series; each "
        "minute every workflow, job and branch of a run has another name, and a third of the projects is new. "
        "Gauges and runs, a state file, scrapes in each form. Resident memory:"
    )
    section.table(
        ("minute", *(str(minute) for minute, _, _ in found)), [("", *(size(resident) for _, resident, _ in found))]
    )
    settled = {minute: resident for minute, resident, _ in found}[SETTLED_AT]
    grown = found[-1][1] / settled - 1
    section.goal("memory under churn from minute 10 to 60", "within 5 %", f"{grown:+.1%}", reached=abs(grown) <= GROWTH)
    return section


def _day(untimed: Untimed, compared: Compared) -> Section:
    section, found = Section("A day of API calls"), untimed.day
    compared.add("API calls of the simulated day", "{:,.0f}".format, untimed.calls, float)
    plain, ours = sum(found.plain), sum(found.ours)
    section.say(
        f"{day.PROJECTS} projects of 5 workflows of 8 jobs in 2 windows ({found.samples:,} series), polled each hour "
        "of a simulated day that begins with nothing known; CircleCI refreshes once, when "
        f"{day.RAN:.0%} of the workflows ran. "
        f"Simulated in {found.seconds:.0f} s, while other programs of this benchmark ran on the other cores."
    )
    section.table(
        ("hour", *(str(hour) for hour in range(day.HOURS))),
        [("all asked", *map(str, found.plain)), ("what changed and samples", *map(str, found.ours))],
    )
    section.table(
        ("", "calls a day", "hours in which it shows other values"),
        [("all asked", f"{plain:,}", ""), ("what changed and samples", f"{ours:,}", str(found.different))],
    )
    section.goal(
        "API calls of a day, with the same values",
        "0.15 of a plain poller's",
        f"{ours / plain:.3f}, {found.different} differences",
        reached=ours / plain <= CALLS and not found.different,
    )
    section.goal("the simulated day", "< 1 minute", seconds(found.seconds), reached=found.seconds < MINUTE)
    return section
