"""Reloads of the configuration file, one at a time. One that fails changes nothing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from exporter.config import Config, load
from exporter.errors import ConfigError, StartError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.process.term import Term
    from exporter.system.logs import Logger


class Reloads:
    """Whether the newest reload succeeded, and when the newest good one was, in Unix seconds; a start is one."""

    def __init__(
        self, file: Path | None, adopt: Callable[[Config], None], leading: Callable[[], Term | None], log: Logger
    ) -> None:
        """`adopt` changes the process, or raises ConfigError, StartError or Stopped; `leading` is what leads then."""
        self._file, self._adopt, self._leading, self._log = file, adopt, leading, log
        self.steady = threading.Lock()
        """Whoever holds it sees no reload."""
        self._asked = threading.Event()
        self.good, self.good_at = True, time.time()

    def reload(self) -> tuple[bool, str]:
        """Read the file and, if it is valid, adopt it; returns whether it is in force, and a line for the caller."""
        with self.steady:
            if self._file is None:
                return False, "there is no configuration file to reload"
            try:
                config = load(self._file)
                self._adopt(config)
            except (ConfigError, StartError) as error:
                problems = error.problems if isinstance(error, ConfigError) else (error,)
                for problem in problems:
                    self._log.error("configuration not reloaded", problem=str(problem))
                return self._failed(str(error))
            except Stopped:
                return False, "the exporter is stopping"
            except Exception as defect:  # noqa: BLE001  a defect ends one reload, not the process
                self._log.exception("unexpected error in a reload")
                return self._failed(f"internal error ({type(defect).__name__}); see the log")
            self.good, self.good_at = True, time.time()
            self._tell(config)
            return True, "configuration reloaded"

    def ask(self) -> None:
        """Have `run` reload; a reload that has not begun yet serves for this too."""
        self._asked.set()

    def run(self, stopping: threading.Event) -> None:
        """Reload when asked, until somebody asks during a stop."""
        while self._asked.wait():
            self._asked.clear()
            if stopping.is_set():
                return
            self.reload()

    def _tell(self, config: Config) -> None:
        term, event = self._leading(), "configuration reloaded"
        if term is None:
            self._log.info(event, organizations=len(config.organizations))
            return
        term.engine.telemetry.reloaded(good=True)
        self._log.info(event, projects=len(term.engine.store.published), organizations=len(config.organizations))
        term.lifecycle_log.adopted(config)

    def _failed(self, why: str) -> tuple[bool, str]:
        self.good = False
        term = self._leading()
        if term is not None:
            term.engine.telemetry.reloaded(good=False)
        return False, why
