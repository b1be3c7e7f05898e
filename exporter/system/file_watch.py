"""Files that are read again when their content changed.

That is noticed also when a mounted ConfigMap or Secret swaps the symbolic link to a file.
"""

from __future__ import annotations

import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Generic, TypeVar

from exporter.errors import ConfigError, StartError

T = TypeVar("T")

LOOK_EVERY = 1.0
# A file written twice within one tick of the file system's clock has the same times, so a young one is read anyway.
YOUNG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was: what `stat` says, and a digest of its content."""

    status: tuple[int, ...]
    young: bool
    digest: bytes


_FORGOTTEN = _Seen((), young=True, digest=b"")


class FileWatch:
    """Says whether files changed since the last look; the first look is at its making, so make it before they are read.

    A missing or unreadable file is no change, and neither is a pipe, which could not be read twice; with `absence`
    they are. Not safe for several threads.
    """

    def __init__(self, *files: Path, absence: bool = False) -> None:
        self._absence = absence
        self._seen = {file: _look(file, None) for file in files}

    def watch(self, *files: Path) -> None:
        """Watch these files instead; those watched already stay as they were seen."""
        self._seen = {file: self._seen[file] if file in self._seen else _look(file, None) for file in files}

    def changed(self) -> bool:
        """Look again. A change is told once."""
        found = False
        for file, before in self._seen.items():
            now = _look(file, before)
            if now is None and not self._absence:
                continue
            found |= (now and now.digest) != (before and before.digest)
            self._seen[file] = now
        return found

    def forget(self) -> None:
        """Call the files changed at the next look, whatever they hold then."""
        self._seen = dict.fromkeys(self._seen, _FORGOTTEN)

    def start(self, changed: Callable[[], None], stop: threading.Event, look_every: float = LOOK_EVERY) -> None:
        """Look in a thread of its own every so many seconds, and call `changed` at each change, until `stop`."""

        def look() -> None:
            while not stop.wait(look_every):
                if self.changed():
                    changed()

        threading.Thread(target=look, name="watch", daemon=True).start()


def _look(file: Path, before: _Seen | None) -> _Seen | None:
    """Return how the file is now, None if it cannot be read. Its content is read where `stat` does not settle it."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            return None
        status = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if before and before.status == status and not before.young:
            return before
        young = abs(time.time() - found.st_mtime) < YOUNG_SECONDS
        return _Seen(status, young, blake2b(file.read_bytes()).digest())
    except OSError:
        return None


class WatchedFile(ABC, Generic[T]):
    """The newest good reading. Safe from any thread.

    A file that is missing, empty or unreadable, as one may be in the middle of a rotation, leaves the last good reading
    in use, and is read again until it is good. What is wrong with it is told once.
    """

    def __init__(self, watch: FileWatch, clock: Callable[[], float] = time.monotonic) -> None:
        """Read what is watched. Raises ConfigError or StartError. `clock` gives seconds that never go back."""
        self._watch, self._clock = watch, clock
        self._lock = threading.Lock()
        self._looked, self._wrong = clock(), ""
        self.newest = self._read()
        """As of the last look."""

    @abstractmethod
    def _read(self) -> T:
        """Raises ConfigError or StartError."""

    def _was_read(self) -> None:
        """Called when the newest reading is another."""

    def _was_refused(self, error: Exception) -> None:
        """Called when the files are wrong in another way than before."""

    def current(self) -> T:
        """The newest good reading, with a look at the files once a second."""
        with self._lock:
            if self._clock() - self._looked >= LOOK_EVERY:
                self._look()
            return self.newest

    def look(self) -> None:
        """Read the files if they have changed."""
        with self._lock:
            self._look()

    def refresh(self) -> bool:
        """Read the files at once. Return whether they say something else now."""
        with self._lock:
            before = self.newest
            self._watch.forget()
            self._look()
            return self.newest != before

    def _look(self) -> None:
        self._looked = self._clock()
        if not self._watch.changed():
            return
        try:
            self.newest = self._read()
        except (ConfigError, StartError) as error:
            self._watch.forget()  # until it is good again
            before, self._wrong = self._wrong, str(error)
            if self._wrong != before:
                self._was_refused(error)
        else:
            self._wrong = ""
            self._was_read()
