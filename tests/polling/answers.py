"""Answers that are handed over in any order, in one thread."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.running.skipping import Skipping

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from random import Random


@dataclass
class AtOnce(Executor):
    """Asks at once, and keeps the answers."""

    answers: list[Callable[[], object]]

    def submit(self, _ask: object, /, *given: Any, **_named: Any) -> Future[Any]:
        question, answered = given
        try:
            self.answers.append(partial(answered, question(), None))
        except Exception as failure:  # noqa: BLE001  it is handed over
            self.answers.append(partial(answered, None, failure))
        return Future()


@dataclass(eq=False)
class Shuffled(Skipping):
    """What is asked is answered at once, and the answers are handed over in any order; `between` comes before each."""

    chance: Random
    between: Callable[[], None] = lambda: None
    answers: list[Callable[[], object]] = field(default_factory=list)
    skipped: float = 0.0

    def threads(self, most: int) -> Executor:  # noqa: ARG002  none is started
        return AtOnce(self.answers)

    def condition(self, lock: threading.Lock) -> Any:
        return Wait(self, lock)


@dataclass(eq=False)
class Wait:
    """The wait for an answer."""

    on: Shuffled
    lock: threading.Lock

    def wait(self, timeout: float) -> None:
        self.lock.release()
        self.on.between()
        if self.on.answers:
            self.on.answers.pop(self.on.chance.randrange(len(self.on.answers)))()
        else:
            self.on.skipped += timeout
        self.lock.acquire()

    def notify(self) -> None:
        """Nobody else waits."""
