"""Which requests fail, how, and how often."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from exporter.demo.messages import Json, Reply, json_reply
from tests.circleci.deliveries import held
from tests.circleci.kinds import KINDS, FaultKind


@dataclass(slots=True)
class Fault:
    """A fault that is set. It applies to matching requests after the first `after`, `times` times (None: for ever)."""

    kind: str
    match: re.Pattern[str]
    options: dict[str, Any]
    times: int | None = None
    after: int = 0
    chance: float = 1.0
    runs: tuple[dict[str, Any], ...] = ()
    """Runs that happen as soon as the answer is made, while the client still reads its pages."""
    steps: tuple[tuple[str, dict[str, Any]], ...] = ()
    """What happens to pipelines then, as in `Pipelines.step`."""
    hits: int = field(default=0, init=False)
    _released: threading.Event = field(default_factory=threading.Event, init=False)

    def release(self) -> None:
        """Let what is held back be sent."""
        self._released.set()

    @property
    def row(self) -> FaultKind:
        """Its row in the table of faults."""
        return KINDS[self.kind]

    def apply(self, reply: Reply) -> Reply:
        """Return what becomes of this answer."""
        changed = self.row.apply(reply, **self.options)
        return replace(changed, send=partial(held, until=self._released)) if self.row.holds else changed


class Faults:
    """The faults that are set; the first that matches applies. Safe for threads."""

    def __init__(self, seed: int = 1) -> None:
        """None are set; the seed decides where a fault has a chance below 1."""
        self._lock = threading.Lock()
        self._set: list[Fault] = []
        self._random = Random(seed)  # noqa: S311  nothing secret hangs on it

    def add(
        self,
        kind: str,
        match: str = "",
        *,
        times: int | None = None,
        after: int = 0,
        chance: float = 1.0,
        runs: tuple[dict[str, Any], ...] = (),
        steps: tuple[tuple[str, dict[str, Any]], ...] = (),
        **options: Json,
    ) -> Fault:
        """Set a fault for requests whose raw target contains the expression. Raises ValueError for what is no fault."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        fault = Fault(kind, re.compile(match), options, times, after, chance, tuple(runs), tuple(steps))
        try:
            if fault.row.tried:
                fault.apply(_SPECIMEN)
        except (TypeError, KeyError) as error:
            raise ValueError(f"fault {kind}: {error}") from None
        with self._lock:
            self._set.append(fault)
        return fault

    def clear(self) -> None:
        """Nothing fails any more, and nothing is held back."""
        with self._lock:
            for fault in self._set:
                fault.release()
            self._set.clear()

    def take(self, target: str) -> Fault | None:
        """Return the fault that this request meets, and count it."""
        with self._lock:
            for fault in self._set:
                if not fault.match.search(target) or fault.times == 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.chance < 1.0 and self._random.random() >= fault.chance:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                fault.hits += 1
                return fault
        return None


# A fault is tried on this when it is set, so that a wrong option is an error then and not in the middle of a test.
_SPECIMEN = json_reply({"items": [{"name": "specimen", "metrics": {"total_runs": 1}}], "next_page_token": None})
