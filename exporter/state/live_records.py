"""What is known of pipelines as it stands in columns. What is damaged raises an exception of whatever kind."""

from __future__ import annotations

from dataclasses import replace

from exporter.runs.counters import Cell, Distribution, Exemplar, Key
from exporter.runs.live import Live, WatchedPipeline, WatchedRun
from exporter.state.documents import Reader, parse, write
from exporter.state.records import label

_LIVE = Reader[Live](Live, Key, Cell)
_PIPELINE = Reader[WatchedPipeline](WatchedPipeline, WatchedRun)
_CELL = Reader[Cell](Cell, Exemplar)
_LABELS = Reader[tuple[str, ...]](tuple[str, ...])


def write_live(live: Live) -> str:
    """The live side without its pipelines and cells."""
    return write(replace(live, pipelines={}, cells={}, held=frozenset()))


def read_live(written: object) -> Live:
    """The live side without its pipelines and cells."""
    return replace(_LIVE.read(parse(written)), pipelines={}, cells={}, held=frozenset())


def read_pipeline(identifier: object, written: object) -> WatchedPipeline:
    """A watched pipeline."""
    pipeline = _PIPELINE.read(parse(written))
    if pipeline.id != identifier:
        raise ValueError
    return pipeline


def read_cell(family: object, labels: object, written: object, live: Live) -> tuple[Key, Cell]:
    """A counter or histogram; a histogram has the buckets of one kind or the other."""
    key, cell = Key(label(family), _LABELS.read(parse(labels))), _CELL.read(parse(written))
    if cell.held is not None and isinstance(cell.held, Distribution) != isinstance(cell.value, Distribution):
        raise TypeError
    sizes = {len(live.bounds) + 1, len(live.wait_bounds) + 1}
    for value in (cell.value, cell.held):
        if isinstance(value, Distribution):
            if len(value.counts) not in sizes or len(value.exemplars) not in {0, len(value.counts)}:
                raise ValueError
            sizes = {len(value.counts)}
    return key, cell
