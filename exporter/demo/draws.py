"""Chance that is a pure function of its key: the same key draws the same numbers on every machine."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import NamedTuple

_UNIT = 2.0**-32
_WORDS = struct.Struct("<8I")


class Draw(NamedTuple):
    """Eight numbers in [0, 1) and an id, all from one key."""

    uniform: tuple[float, ...]
    uuid: str


def draw(key: str) -> Draw:
    """Return what chance gives to this key."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=48).digest()
    return Draw(tuple(word * _UNIT for word in _WORDS.unpack(digest[:32])), _uuid(digest[32:].hex()))


def uuid_for(key: str) -> str:
    """Make an id of the form of a random UUID."""
    return _uuid(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest())


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
