"""Basic authentication against bcrypt hashes, off the event loop.

One check costs some 60 ms of a core on purpose, so: a verified login is remembered, a thread of its own does the work,
and of the logins that wait the newest is checked first and only a few may wait. A flood of wrong ones then delays a
right one by what is under way, not by the whole queue.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

import bcrypt

CHECKS_AT_ONCE = 1
LONGEST_QUEUE = 16
REMEMBERED = 256
# bcrypt itself reads no further; its Python binding refuses more, while htpasswd and Go's cut it off.
LONGEST_PASSWORD = 72
_COST = slice(4, 6)


class Busy(Exception):  # noqa: N818  no error: too many logins wait
    """Too many logins wait, and this one has waited longest."""


class Logins:
    """The users of one web configuration. `verify` is for the event loop, the work is done in `executor`."""

    def __init__(self, users: Mapping[str, str], executor: Executor) -> None:
        self._hashes = {user.encode(): hashed.encode() for user, hashed in users.items()}
        self._executor = executor
        self._key = secrets.token_bytes(32)
        # A login of an unknown user is checked against a hash that costs as much as a real user's.
        self._decoys = [b"$2b$%b$" % hashed[_COST] + b"." * 53 for hashed in self._hashes.values()]
        self._verified: OrderedDict[bytes, None] = OrderedDict()
        self._queue = _NewestFirst()

    def __bool__(self) -> bool:
        return bool(self._hashes)

    async def verify(self, authorization: str) -> bool:
        """Check the value of an Authorization header. Raise Busy when too many wait."""
        login = parse_basic(authorization)
        if login is None:
            return False
        user, password = login
        remembered = hmac.digest(self._key, hashlib.sha256(user).digest() + password, "sha256")
        if remembered in self._verified:
            self._verified.move_to_end(remembered)
            return True
        await self._queue.enter()
        try:
            known = self._hashes.get(user)
            hashed = known or self._decoy(user)
            matches = await asyncio.get_running_loop().run_in_executor(self._executor, _matches, password, hashed)
        finally:
            self._queue.leave()
        if known is None or not matches:
            return False
        self._verified[remembered] = None
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return True

    def _decoy(self, user: bytes) -> bytes:
        # Always the same one for a user, so that no difference in cost tells an unknown user either.
        return self._decoys[int.from_bytes(hmac.digest(self._key, user, "sha256")[:4]) % len(self._decoys)]


def parse_basic(authorization: str) -> tuple[bytes, bytes] | None:
    """Return user and password of a Basic authorization (RFC 7617), or None when it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None


def _matches(password: bytes, hashed: bytes) -> bool:
    return bcrypt.checkpw(password[:LONGEST_PASSWORD], hashed)


@dataclass(slots=True)
class _NewestFirst:
    """Lets a few through at once, the newest of those who wait first; the oldest gives up when too many wait."""

    running: int = 0
    waiting: OrderedDict[asyncio.Future[bool], None] = field(default_factory=OrderedDict)

    async def enter(self) -> None:
        if self.running < CHECKS_AT_ONCE:
            self.running += 1
            return
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting[turn] = None
        if len(self.waiting) > LONGEST_QUEUE:
            oldest, _ = self.waiting.popitem(last=False)
            # No exception in the future: with its traceback it would keep the whole connection until a full collection.
            oldest.set_result(False)
        try:
            granted = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()
            self.waiting.pop(turn, None)
            raise
        if not granted:
            raise Busy

    def leave(self) -> None:
        while self.waiting:
            newest, _ = self.waiting.popitem()
            if not newest.done():
                newest.set_result(True)
                return
        self.running -= 1
