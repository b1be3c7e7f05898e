"""One request and its whole answer, over one pool of connections to one host.

requests' adapter is used without its session: no redirects, cookies, `.netrc`, retries, nor CA files from the
environment. Proxies are taken from the environment, once.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from exporter.client import body, deadline
from exporter.client.failures import CAUGHT, translate
from exporter.client.trust import tls_context
from exporter.errors import ConnectionFailed, PollError, StartError, UnauthorizedError

if TYPE_CHECKING:
    import ssl
    import threading
    from collections.abc import Mapping
    from pathlib import Path

    from urllib3._base_connection import BaseHTTPConnection

    from exporter.config import Secret

LONGEST_IDLE = 30.0
"""Seconds after which a kept connection is not used again: something on the way may have dropped it silently."""
HEAD_SIZE = 1024 * 1024
EXCERPT_SIZE = 64 * 1024
PRINTABLE = re.compile(r"[\x21-\x7e]+")


class TokenAuth(AuthBase):
    """Sets the header at the moment of sending, in the way that `circleci.auth` names.

    An auth callable also keeps requests from asking `.netrc`.
    """

    def __init__(self, kind: str, token: Secret) -> None:
        """`kind` is circle-token, bearer or basic. Raises UnauthorizedError for what no header can hold."""
        if not PRINTABLE.fullmatch(token.reveal()):
            raise UnauthorizedError("the token is empty or contains a space or an invalid character")
        self.kind, self.token = kind, token
        self.header = "Circle-Token" if kind == "circle-token" else "Authorization"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self.header] = self._value(self.token.reveal())
        return request

    def forget(self, request: requests.PreparedRequest) -> None:
        """Take the header away again, so that nothing that keeps the request keeps the token."""
        del request.headers[self.header]

    def _value(self, token: str) -> str:
        match self.kind:
            case "basic":
                return "Basic " + b64encode(f"{token}:".encode()).decode()
            case "bearer":
                return f"Bearer {token}"
            case _:
                return token


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: `status` is None where no answer came, `failure` says why it cannot be used.

    `stale` says that a kept connection turned out to be closed, so that the request never reached anyone.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: PollError | None = None
    stale: bool = False


class _Bounded(HTTPConnection):
    """A connection whose socket keeps to the request's budget, and that does not outlive long idleness."""

    used_at = 0.0

    def _new_conn(self) -> deadline.BoundedSocket:
        self.used_at = time.monotonic()
        return deadline.dial(self.host, self.port, self.socket_options or ())

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self.used_at < LONGEST_IDLE and super().is_connected

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """Wait for the head of the answer. urllib3 returns its own class here too."""
        response = super().getresponse()
        self.used_at = time.monotonic()
        return response


class _BoundedTLS(_Bounded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded

    def _get_conn(self, timeout: float | None = None) -> BaseHTTPConnection:
        """A closed pool keeps no connection, but still serves polls that began with it."""
        return self._new_conn() if self.pool is None else super()._get_conn(timeout)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _BoundedTLS


class Reply:
    """The head of an answer, with the body still to be read."""

    __slots__ = ("headers", "raw", "status_code")

    def __init__(self, raw: urllib3.HTTPResponse) -> None:
        self.raw, self.status_code, self.headers = raw, raw.status, raw.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connection; one whose answer was not read to its end is closed."""
        self.raw.close()
        self.raw.release_conn()


class Adapter(HTTPAdapter):
    """Sends to one host, through the proxy if there is one, with one TLS context."""

    def __init__(self, origin: str, proxy: str | None, context: ssl.SSLContext, size: int) -> None:
        super().__init__(pool_maxsize=size)
        self._origin, self._in_full = origin, bool(proxy) and origin.startswith("http:")
        manager = (
            self.proxy_manager_for(proxy, proxy_ssl_context=context, ssl_context=context)
            if proxy
            else urllib3.PoolManager(maxsize=size, ssl_context=context)
        )
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        self.pool: HTTPConnectionPool = manager.connection_from_url(origin)

    def sent(self, request: requests.PreparedRequest, proxies: Mapping[str, str]) -> Reply:
        """Send a request and wait for the head of its answer."""
        reply: Any = self.send(request, stream=True, proxies=proxies)
        return cast("Reply", reply)

    def request_url(self, request: requests.PreparedRequest, _proxies: object) -> str:
        """What stands in the request line: path and query as they are, with the host only for a proxy that reads it."""
        url = str(request.url)
        return url if self._in_full else url.removeprefix(self._origin)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> HTTPConnectionPool:
        return self.pool

    def build_response(self, _request: requests.PreparedRequest, response: urllib3.HTTPResponse) -> Reply:  # type: ignore[override]
        """Nothing more than what is needed of it: no cookies, no encoding, no history."""
        return Reply(response)

    def cert_verify(self, *_: object, **__: object) -> None:
        """The context verifies; requests would add certifi's authorities to it."""


class Transport:
    """Requests to the host of `api_url`, at most `size` kept connections."""

    def __init__(
        self, api_url: str, *, ca_file: Path | str | None, size: int, version: str, stop: threading.Event
    ) -> None:
        """Resolve the proxy and build the TLS context. Raises StartError when either cannot be used."""
        parts = urlsplit(api_url)
        self._host, self._origin = parts.netloc, f"{parts.scheme}://{parts.netloc}"
        self._stop = stop
        self._headers = {
            "User-Agent": f"circleci-insights-exporter/{version}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        proxy = proxy_of(api_url)
        self._proxies = {parts.scheme: proxy} if proxy else {}
        self._adapter = Adapter(self._origin, proxy, tls_context(ca_file), size)

    def send(self, target: str, auth: TokenAuth, seconds: float, document: object = None) -> Answer:
        """Ask for `target`, path and query as they are to be sent, and read the answer within so many seconds.

        A `document` is posted as JSON. Only Stopped is raised.
        """
        if document is None:
            request = requests.PreparedRequest()  # nothing else of it is sent: to prepare it takes a while
            request.method, request.headers = "GET", CaseInsensitiveDict(self._headers)
        else:
            request = requests.Request("POST", self._origin, headers=self._headers, json=document).prepare()
        request.url = self._origin + target  # set afterwards, so that nothing normalizes it
        auth(request)
        budget = deadline.Budget(time.monotonic() + seconds, body.LIMIT + HEAD_SIZE, self._stop)
        status: int | None = None
        headers: Mapping[str, str] = {}
        content, failure = b"", None
        with budget:
            try:
                with self._adapter.sent(request, self._proxies) as response:
                    status, headers = response.status_code, response.headers
                    content = body.read(response.raw, headers.get("Content-Encoding", ""), limit_of(status))
            except CAUGHT as error:
                failure = translate(error, in_body=status is not None, host=self._host)
            finally:
                auth.forget(request)
        if failure is not None and status is not None and not 200 <= status < 300:  # noqa: PLR2004
            failure = None  # the status says enough
        stale = isinstance(failure, ConnectionFailed) and not (budget.connected or budget.received)
        return Answer(status, headers, content, failure, stale)

    def close(self) -> None:
        """Close the kept connections; whatever is still asked has one of its own, for one request."""
        self._adapter.pool.close()


def limit_of(status: int) -> int:
    """Bytes to read of an answer's body: of an error no more than explains it."""
    return body.LIMIT if 200 <= status < 300 else EXCERPT_SIZE  # noqa: PLR2004


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL. Raises StartError for one that cannot be used."""
    found = select_proxy(url, get_environ_proxies(url))
    if not found:
        return None
    proxy = found if "://" in found else f"http://{found}"
    with suppress(urllib3.exceptions.LocationParseError):  # its text would show a password
        parsed = urllib3.util.parse_url(proxy)
        if parsed.scheme in {"http", "https"} and parsed.host:
            return proxy
    raise StartError("the proxy in the environment is not an http:// or https:// URL with a host")
