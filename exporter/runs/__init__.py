"""Each run of a workflow, counted once: from the rows of recent runs to counters and a histogram. Pure."""

from exporter.runs.asking import FURTHEST, due_names, listing, recent, start_of, sweep_is_due, wanted
from exporter.runs.folding import fold, labels_of, listed, rebucketed, with_credits
from exporter.runs.ledger import Ledger, WorkflowLedger
from exporter.runs.reading import Run, read_page

__all__ = [
    "FURTHEST",
    "Ledger",
    "Run",
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
