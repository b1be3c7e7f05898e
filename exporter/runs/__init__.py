"""Each run of a workflow, counted once: from the rows of recent runs to counters and a histogram. Pure."""

from exporter.runs.asking import FURTHEST, NAMES_EVERY, due_names, listing, recent, start_of, sweep_is_due, wanted
from exporter.runs.folding import fold, labels_of, listed, rebucketed, with_credits
from exporter.runs.ledger import OTHER_BRANCHES, STATUSES, BranchCounters, Ledger, Newest, Tally, WorkflowLedger
from exporter.runs.reading import Run, read_page

__all__ = [
    "FURTHEST",
    "NAMES_EVERY",
    "OTHER_BRANCHES",
    "STATUSES",
    "BranchCounters",
    "Ledger",
    "Newest",
    "Run",
    "Tally",
    "WorkflowLedger",
    "due_names",
    "fold",
    "labels_of",
    "listed",
    "listing",
    "read_page",
    "rebucketed",
    "recent",
    "start_of",
    "sweep_is_due",
    "wanted",
    "with_credits",
]
