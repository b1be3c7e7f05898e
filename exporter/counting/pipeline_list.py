"""What a list of pipelines means for those that are watched. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from exporter.counting.pipeline_book import PipelineBook
from exporter.runs import watching
from exporter.runs.live import Live, WatchedPipeline
from exporter.runs.pipelines import OUTCOMES, ListedPipeline

LISTED_WITHIN = 60.0
"""Seconds from its creation within which a pipeline is listed."""


def met(book: PipelineBook, found: Iterable[ListedPipeline], *, told_by: str, walked: bool = False) -> None:
    """Watch the pipelines of a list; `walked` says that the project's own list was read to where it was known."""
    for pipeline in found:
        known = book.live.pipelines.get(pipeline.id)
        book.met(pipeline.created_at)
        book.watch(book.pipeline(_watched(pipeline, known, book, told_by=told_by, walked=walked)))


def learned(book: PipelineBook, pipeline: ListedPipeline) -> WatchedPipeline:
    """A pipeline that no list has shown, as it would be watched."""
    known = book.live.pipelines.get(pipeline.id)
    return _watched(pipeline, known, book, told_by="pipelines", walked=False)


def is_reached(live: Live, identifier: str, ahead: float = 0.0) -> bool:
    """Whether a walk over the list ends at a pipeline; this machine's clock is `ahead` of CircleCI's by so much.

    One that was new at the walk before does not end it: others that are a little older may have been listed since.
    """
    known = live.pipelines.get(identifier)
    if known is None or not known.listed:
        return False
    return live.listed_at is None or known.created_at < live.listed_at - ahead - LISTED_WITHIN


def forget(book: PipelineBook, lookback: float, now: float) -> None:
    """Watch no longer what has ended, or cannot be looked at, and was created before the lookback."""
    since = now - lookback
    over = (each for each in book.live.pipelines.values() if watching.settled(each) or watching.is_set_aside(each))
    book.forget([each.id for each in over if each.created_at < since], since)


def _watched(
    pipeline: ListedPipeline, known: WatchedPipeline | None, book: PipelineBook, *, told_by: str, walked: bool
) -> WatchedPipeline:
    if known is not None:
        return replace(known, state=pipeline.state, listed=known.listed or walked)
    live = book.live
    before = pipeline.created_at < live.floor or (pipeline.state in OUTCOMES and pipeline.created_at <= live.began)
    return WatchedPipeline(
        pipeline.id,
        pipeline.created_at,
        pipeline.state,
        pipeline.trigger,
        pipeline.branch,
        pipeline.tag,
        pipeline.number,
        listed=walked,
        counted=before,
        wanted_at=book.now,
        told_by=told_by,
        fed_back=pipeline.created_at <= live.began,
    )
