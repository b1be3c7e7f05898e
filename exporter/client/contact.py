"""Whether CircleCI can be asked at all: one light question speaks for every other. Pure.

A failure that every question may meet is no more than a doubt, until the light question has failed too: then contact is
lost, and nothing else is asked before that question is answered again. Moments are of one monotonic clock, in seconds.
"""

from __future__ import annotations

from exporter.errors import PollError, UnauthorizedError

NEVER = float("-inf")


class Contact:
    """Held at first; `doubted` while the light question is asked, `lost` with the failure that it met."""

    def __init__(self) -> None:
        self.doubted = False
        self.lost: PollError | None = None
        self._answered = self._confirmed = NEVER

    @property
    def held(self) -> bool:
        """Whether any question may be asked, not only the light one."""
        return not self.doubted and self.lost is None

    def answered(self, now: float) -> None:
        """CircleCI answered a question."""
        self._answered = now

    def doubt(self, failure: PollError, began: float) -> bool:
        """Whether a failure of a question that began then is to be looked into, by asking the light question now.

        It is not where another question was answered meanwhile. But some answers need no token: a refused one is
        doubted until the light question was answered.
        """
        meanwhile = self._confirmed if isinstance(failure, UnauthorizedError) else self._answered
        if not failure.of_all or not self.held or meanwhile >= began:
            return False
        self.doubted = True
        return True

    def found(self, failure: PollError | None, now: float) -> None:
        """The light question was answered, or met a failure."""
        self.doubted, self.lost = False, failure
        if failure is None:
            self._answered = self._confirmed = now

    def unknown(self) -> None:
        """The light question could not be asked: nothing is known that was not before."""
        self.doubted = False

    def failure(self) -> PollError | None:
        """What a question meets that is not asked, since contact is lost."""
        if self.lost is None:
            return None
        failure = type(self.lost)(str(self.lost))
        failure.held = True
        return failure
