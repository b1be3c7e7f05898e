"""How long a Prometheus keeps samples, asked of its HTTP API."""

from __future__ import annotations

import json
import re
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SECONDS = 10.0
UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+(?:ms|[ywdhms]))+")
_PART = re.compile(r"(\d+)(ms|[ywdhms])")
_LOGIN = re.compile(r"://[^/]*@")
LONGEST_ANSWER = 1 << 20


def ask(url: str) -> float | None:
    """The retention by time, in seconds; None where only the size limits it. Raises ValueError with the reason."""
    request = Request(f"{url.rstrip('/')}/api/v1/status/runtimeinfo")  # noqa: S310  checked below
    if request.type not in {"http", "https"}:
        raise ValueError("not an http or https address")
    if "@" in (request.host or ""):
        raise ValueError("an address with a login is not supported")
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  its scheme is checked
            document: Any = json.loads(answer.read(LONGEST_ANSWER))
        written = document["data"]["storageRetention"]
    except HTTPError as error:
        raise ValueError(f"status {error.code}") from None
    except HTTPException as error:
        raise ValueError(str(error) or type(error).__name__) from None
    except (URLError, OSError) as error:
        raise ValueError(str(getattr(error, "reason", error))) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("the answer is not that of a Prometheus") from None
    return seconds(str(written))


def without_login(url: str) -> str:
    """An address as it may be printed."""
    return _LOGIN.sub("://", url)


def seconds(written: str) -> float | None:
    """The time in a retention such as `15d` or `15d or 10GiB`; None without one."""
    for word in written.split():
        if _DURATION.fullmatch(word):
            return sum(int(number) * UNITS.get(unit, 0.001) for number, unit in _PART.findall(word))
    return None
