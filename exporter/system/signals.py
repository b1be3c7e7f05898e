"""Signals that are never missed, whichever thread the kernel hands them to.

Python runs a handler in the main thread only, and nothing wakes that one from a wait when another thread took the
signal, as happens while threads come and go. The wake-up descriptor is written wherever a signal arrives.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Mapping


def on_signals(actions: Mapping[int, Callable[[], object]]) -> None:
    """Call an action whenever its signal arrives, from a thread of their own. Call it from the main thread."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in actions:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)

    def watch() -> None:
        with reader:
            while numbers := reader.recv(64):
                for number in numbers:
                    if number in actions:
                        actions[number]()

    threading.Thread(target=watch, name="signals", daemon=True).start()
