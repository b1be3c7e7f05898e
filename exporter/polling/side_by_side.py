"""Questions of one poll side by side: threads wait for the answers, and one thread adds what they say.

A task is a generator. It yields what it asks and is resumed with the answer, so it reads as if it asked one question
after another. Only the thread that advances the tasks runs them, so nothing that they share needs a lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, NamedTuple, TypeVar, cast

from exporter.client import Waiter
from exporter.errors import Stopped

T = TypeVar("T")
Turn = tuple[int, float]
"""Which of the questions that wait goes first: the one with the lower rank, then the one that is due for longer."""
OWN_SHARE, ALL_SHARES = 4, 8
"""How many questions one poll, and all polls, have on their way, in requests in flight: some rest before a retry."""
MOST_POLLS = 250
PATIENCE = 60.0


class Asked(NamedTuple):
    """A question, and its turn."""

    question: Callable[[], object]
    turn: Turn


Task = Generator[Asked, Any, None]


def asked(question: Callable[[], T], turn: Turn = (0, 0.0)) -> Generator[Asked, Any, T]:
    """Ask within a task, which goes on with the answer. Raises what the question raises."""
    return cast("T", (yield Asked(question, turn)))


Answered = Callable[[object, BaseException | None], None]


class Threads:
    """The threads on which all polls of a process ask. One is there for each poll; the others they share."""

    def __init__(self, concurrency: int = 4, waiter: Waiter | None = None) -> None:
        """Share for so many requests in flight; threads are started when they are needed."""
        self.waiter, self.concurrency = waiter or Waiter(), concurrency
        self._lock, self._shared = threading.Lock(), 0
        self._pool: Executor | None = None
        self._closed = False

    def take(self) -> bool:
        """Take a shared thread, if one is free."""
        with self._lock:
            free = self._shared < ALL_SHARES * self.concurrency
            self._shared += free
            return free

    def give_back(self) -> None:
        with self._lock:
            self._shared -= 1

    def ask(self, question: Callable[[], object], answered: Answered) -> None:
        """Ask in a thread, which hands over the answer, or what was raised instead. Raises Stopped after the end."""
        with self._lock:
            if self._closed:
                raise Stopped
            if self._pool is None:
                self._pool = self.waiter.threads(MOST_POLLS + ALL_SHARES * self.concurrency)
            self._pool.submit(_ask, question, answered)

    def close(self) -> None:
        """Start nothing more; what is under way ends with the limiter's stop."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=False)


class SideBySide:
    """The tasks of one poll. Only `wake` may be called from another thread than the one that advances them."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._news = threads.waiter.condition(self._lock)
        self._waiting: list[tuple[Turn, int, Task, Callable[[], object]]] = []
        self._answers: deque[tuple[Task, object, BaseException | None]] = deque()
        self._order = count()
        self._on_their_way = 0
        self._own_is_free, self._woken = True, False

    @property
    def busy(self) -> bool:
        """Whether a task has not ended."""
        return bool(self._waiting or self._on_their_way or self._answers)

    def add(self, task: Task) -> None:
        """Begin a task."""
        self._resume(task, None, None)

    def advance(self, seconds: float = PATIENCE) -> bool:
        """Wait so long for an answer and go on with its task; False where none came, or something woke this up.

        Raises Stopped, and what a task raises.
        """
        self._send()
        with self._lock:
            if not (self._answers or self._woken) and self._on_their_way:
                self._news.wait(seconds)
            self._woken = False
            if not self._answers:
                return False
            task, answer, failure = self._answers.popleft()
            self._on_their_way -= 1
        self._resume(task, answer, failure)
        return True

    def all(self, tasks: Iterable[Task], over: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Run some tasks to their ends, or until it is over; gives control back after each answer.

        A task begins when there is room for what it asks.
        """
        more = iter(tasks)
        try:
            while not over():
                self._begin(more)
                if not self.busy:
                    return
                if self.advance():
                    yield
        finally:
            self.drop([task for _, _, task, _ in self._waiting])

    def _begin(self, tasks: Iterator[Task]) -> None:
        while self._send():
            task = next(tasks, None)
            if task is None:
                return
            self.add(task)

    def waits(self, task: Task) -> bool:
        """Whether what a task asks is not on its way yet."""
        return any(each is task for _, _, each, _ in self._waiting)

    def drop(self, tasks: Collection[Task]) -> None:
        """End tasks that wait for their turn."""
        if tasks:
            gone = {id(task) for task in tasks}
            self._waiting = [each for each in self._waiting if id(each[2]) not in gone]
            heapify(self._waiting)
            for task in tasks:
                task.close()

    def wake(self) -> None:
        """Let the wait for an answer end: there is something else to do."""
        with self._lock:
            self._woken = True
            self._news.notify()

    def _resume(self, task: Task, answer: object, failure: BaseException | None) -> None:
        try:
            wanted = task.send(answer) if failure is None else task.throw(failure)
        except StopIteration:
            return
        heappush(self._waiting, (wanted.turn, next(self._order), task, wanted.question))

    def _send(self) -> bool:
        """Send the questions whose turn it is on their way; returns whether there is room for more."""
        while self._on_their_way < OWN_SHARE * self._threads.concurrency:
            if not self._waiting:
                return True
            own = self._own_is_free
            if not (own or self._threads.take()):
                return False
            self._own_is_free = False
            _, _, task, question = heappop(self._waiting)
            self._on_their_way += 1
            self._threads.ask(question, partial(self._answered, task, own))
        return False

    def _answered(self, task: Task, own: bool, answer: object, failure: BaseException | None) -> None:
        with self._lock:
            if own:
                self._own_is_free = True
            else:
                self._threads.give_back()
            self._answers.append((task, answer, failure))
            self._news.notify()


def _ask(question: Callable[[], object], answered: Answered) -> None:
    try:
        answer = question()
    except BaseException as failure:  # noqa: BLE001  it is raised where the task asked
        answered(None, failure)
    else:
        answered(answer, None)
