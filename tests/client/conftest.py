"""A certificate authority of the test's own, and a client with all its parts, aimed at a server of the test."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import trustme

from exporter.client import Client, Limiter
from exporter.client.transport import Transport
from exporter.config import CircleCI, Secret
from exporter.insights.questions import Question
from exporter.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.config.file import Auth
    from exporter.errors import PollError
    from tests.running.clockwork import Clockwork

TOKEN = "CCIPAT_0123456789abcdefABCDEF_rotten-to-the-core"
QUESTION = Question("workflows", "/insights/{slug}/workflows", "gh/acme/web", params=(("all-branches", "true"),))


@dataclass
class Tokens:
    """A source of tokens: `refresh` goes on to the next one."""

    texts: list[str] = field(default_factory=lambda: [TOKEN], repr=False)
    refreshed: int = 0

    def current(self) -> Secret:
        return Secret(self.texts[0])

    def refresh(self) -> bool:
        self.refreshed += 1
        if len(self.texts) > 1:
            del self.texts[0]
            return True
        return False


@dataclass
class Aimed:
    """A client, its parts, and what its metrics say."""

    settings: CircleCI
    client: Client
    limiter: Limiter
    telemetry: Telemetry
    tokens: Tokens
    stop: threading.Event
    clock: Callable[[], float]

    def fetch(self, question: Question = QUESTION, *, seconds: float = 30.0, page_token: str | None = None) -> object:
        return self.client.fetch(question, deadline=self.clock() + seconds, page_token=page_token)

    def pages(self, question: Question = QUESTION, *, seconds: float = 30.0) -> list[dict[str, object]]:
        return list(self.client.pages(question, deadline=self.clock() + seconds))

    def metric(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(f"circleci_exporter_{name}", labels)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    return tls_for(authority, "127.0.0.1", "localhost")


def tls_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
def aim(stop: threading.Event) -> Iterator[Callable[..., Aimed]]:
    """Make a client for a URL; further settings by name."""
    made: list[Aimed] = []

    def make(
        url: str,
        *,
        tokens: Tokens | None = None,
        clockwork: Clockwork | None = None,
        random: float = 0.0,
        rate: float = 1000.0,
        burst: int = 100,
        auth: Auth = "circle-token",
        ca_file: Path | None = None,
        timeout: float = 10.0,
        concurrency: int = 4,
        told: Callable[[PollError | None], None] = lambda _: None,
    ) -> Aimed:
        clock = clockwork.clock if clockwork else time.monotonic
        settings = CircleCI.model_construct(
            url=url,
            token_file=None,
            auth=auth,
            ca_file=ca_file,
            allow_insecure=True,
            timeout=timeout,
            requests_per_second=rate,
            burst=burst,
            concurrency=concurrency,
        )
        telemetry = Telemetry("1.2.3", ("workflows",))
        limiter = Limiter(
            rate,
            burst,
            concurrency,
            stop=stop,
            throttled=telemetry.throttled,
            clock=clock,
            random=lambda: random,
            waiter=clockwork,
        )
        source = tokens or Tokens()
        client = Client(
            settings,
            lambda _: source,  # type: ignore[arg-type, return-value]
            limiter,
            telemetry,
            stop,
            "1.2.3",
            told=told,
            clock=clock,
            random=lambda: random,
        )
        made.append(Aimed(settings, client, limiter, telemetry, source, stop, clock))
        return made[-1]

    yield make
    for aimed in made:
        aimed.client.close()


@pytest.fixture
def transport(stop: threading.Event) -> Iterator[Callable[..., Transport]]:
    """Make a transport for a URL."""
    made: list[Transport] = []

    def make(url: str, *, ca_file: Path | None = None) -> Transport:
        made.append(Transport(f"{url}/api/v2", ca_file=ca_file, size=4, version="1.2.3", stop=stop))
        return made[-1]

    yield make
    for one in made:
        one.close()
