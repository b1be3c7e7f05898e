"""A file from whatever host CircleCI names: streamed, without the token, and its URL, a credential, in no error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import requests

from exporter.client import deadline
from exporter.client.failures import CAUGHT, CLASSES, OWN_CLASS, root, translate
from exporter.client.transport import Adapter, Reply, proxy_of
from exporter.client.trust import tls_context
from exporter.config.values import is_loopback
from exporter.errors import ConnectionFailed, PayloadError, PollError, RedirectError, ServerError, StartError

CHUNK = 64 * 1024
"""Bytes that have to come within the timeout, over and over."""
LONGEST = 5 * 3600.0
"""Seconds for a whole file, however fast it comes."""
ENDLESS = 2**62


class Body(NamedTuple):
    """A file's bytes as they come. `bounded` says that its end can be told from a connection that was cut."""

    chunks: Iterator[bytes]
    bounded: bool


class Downloads:
    """Downloads files, each over a connection of its own."""

    def __init__(self, *, ca_file: Path | str | None, timeout: float, version: str, stop: threading.Event) -> None:
        """`timeout` is the seconds in which 64 KiB have to come. Raises StartError when `ca_file` cannot be used."""
        self._context, self._timeout, self._stop = tls_context(ca_file), timeout, stop
        self._headers = {
            "User-Agent": f"circleci-insights-exporter/{version}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }

    @contextmanager
    def open(self, url: str, answered: Callable[[str], None]) -> Iterator[Body]:
        """Ask for a file; `answered` gets the status, or `error`. Raises PollError or Stopped, also from its chunks."""
        parts = _safe(url)
        budget = deadline.Budget(time.monotonic() + self._timeout, ENDLESS, self._stop)
        adapter: Adapter | None = None
        status = "error"
        with budget:
            try:
                adapter, response = self._sent(parts)
                status = str(response.status_code)
            except CAUGHT as error:
                raise _safely(error, parts.netloc, in_body=False) from None
            finally:
                answered(status)
                if status == "error" and adapter is not None:
                    adapter.pool.close()
            try:
                _judge(response)
                yield Body(self._chunks(response, budget, parts.netloc), _is_bounded(response))
            finally:
                response.close()
                adapter.pool.close()

    def _sent(self, parts: SplitResult) -> tuple[Adapter, Reply]:
        origin = f"{parts.scheme}://{parts.netloc}"
        try:
            proxy = proxy_of(origin)
        except StartError as error:
            raise ConnectionFailed(str(error)) from None
        adapter = Adapter(origin, proxy, self._context, 1)
        request = requests.Request("GET", origin, headers=self._headers).prepare()
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"{origin}{parts.path or '/'}{query}"  # set afterwards, so that nothing normalizes it
        return adapter, adapter.sent(request, {parts.scheme: proxy} if proxy else {})

    def _chunks(self, response: Reply, budget: deadline.Budget, host: str) -> Iterator[bytes]:
        ends = time.monotonic() + LONGEST
        while True:
            budget.until = min(time.monotonic() + self._timeout, ends)
            try:
                chunk = response.raw.read(CHUNK, decode_content=False)
            except CAUGHT as error:
                raise _safely(error, host, in_body=True) from None
            if not chunk:
                return
            yield chunk


def _safe(url: str) -> SplitResult:
    """The parts of a URL that a file may be asked from. Raises PayloadError, without a word of the URL."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and "@" not in parts.netloc and (parts.port is None or parts.port > 0)
    except ValueError:
        raise PayloadError("the address of a file of the export is not a URL") from None
    if not named or not url.isascii() or not url.isprintable() or " " in url:
        raise PayloadError("the address of a file of the export is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise PayloadError("the address of a file of the export is not https")
    return parts


def _judge(response: Reply) -> None:
    """Raise what a status stands for. Nothing of the body is told: an object store's has parts of the signature."""
    status = response.status_code
    if status == 200:  # noqa: PLR2004  with any other success there is no whole file
        return
    kind = OWN_CLASS.get(status) or CLASSES.get(status // 100, ServerError)
    if kind is RedirectError:
        raise RedirectError(f"HTTP {status} for a file of the export; redirects are not followed")
    raise (PayloadError if status < 300 else kind)(f"HTTP {status} for a file of the export")  # noqa: PLR2004


def _safely(error: Exception, host: str, *, in_body: bool) -> PollError:
    """Our error for a foreign one, whose words may have the URL in them: only those of the system are told."""
    failure = translate(error, in_body=in_body, host=host)
    if isinstance(error, PollError) or not isinstance(failure, ConnectionFailed):
        return failure
    return failure if isinstance(root(error), OSError) else ConnectionFailed(f"no connection to {host}")


def _is_bounded(response: Reply) -> bool:
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return chunked or "Content-Length" in response.headers
