"""What hostile or broken clients do: counted always, logged once a minute a kind, never with a traceback."""

from __future__ import annotations

import logging
import time
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, get_args

IncidentKind = Literal[
    "accept",
    "defect",
    "evicted",
    "handshake",
    "handshake_deadline",
    "headers_deadline",
    "loop",
    "malformed",
    "refused",
    "response_deadline",
    "server",
    "stall_deadline",
    "web_config_refused",
    "webhook",
]
KINDS: tuple[IncidentKind, ...] = get_args(IncidentKind)
QUIET_SECONDS = 60.0
_FOREIGN_LOGGERS = ("asyncio", "uvicorn.error")


class Log(Protocol):
    """The part of a structlog logger that the web side uses."""

    def info(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401  structlog's
    def warning(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401  structlog's
    def error(self, event: str, **fields: Any) -> Any: ...  # noqa: ANN401  structlog's


class Incidents:
    """Counts by kind. The kinds bound both the counts and the log lines."""

    def __init__(
        self, log: Log, clock: Callable[[], float] = time.monotonic, counted: Callable[[str], None] = lambda _: None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._log, self._counted = log, counted
        self._clock = clock
        self._quiet_until: dict[str, float] = {}

    def count(self, kind: IncidentKind) -> None:
        """Count one incident that is logged elsewhere."""
        self.counts[kind] += 1
        self._counted(kind)

    def note(self, kind: IncidentKind, **fields: Any) -> None:  # noqa: ANN401  whatever a log line takes
        """Count one incident, and log its kind if that was not done within the last minute."""
        self.count(kind)
        now = self._clock()
        if now >= self._quiet_until.get(kind, now):
            self._quiet_until[kind] = now + QUIET_SECONDS
            self._log.warning("web incident", kind=kind, count=self.counts[kind], **fields)

    def from_loop(self, _loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what asyncio would log with a traceback; the signature is that of a loop's exception handler."""
        self.note("loop", message=str(context.get("message")), error=describe(context.get("exception")))

    @contextmanager
    def replacing_foreign_logs(self) -> Iterator[None]:
        """Turn what uvicorn and asyncio log into incidents while this lasts."""
        loggers = [logging.getLogger(name) for name in _FOREIGN_LOGGERS]
        before = [(logger.handlers, logger.propagate) for logger in loggers]
        handler = _Handler(self)
        try:
            for logger in loggers:
                logger.handlers, logger.propagate = [handler], False
            yield
        finally:
            for logger, (handlers, propagate) in zip(loggers, before, strict=True):
                logger.handlers, logger.propagate = handlers, propagate


class _Handler(logging.Handler):
    def __init__(self, incidents: Incidents) -> None:
        super().__init__(logging.WARNING)
        self._incidents = incidents

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._incidents.note("server", message=record.getMessage().strip(), error=describe(error))


def describe(error: BaseException | None) -> str | None:
    """Write an error in one line, with the place where it was raised: enough to find a defect of our own."""
    if error is None:
        return None
    place = ""
    trace = error.__traceback__
    while trace is not None:
        place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return " ".join(f"{type(error).__name__}: {error}".split())[:300] + place
