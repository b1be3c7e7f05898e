"""TLS and logins by the programs of the system: curl and openssl."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import bcrypt
import pytest

from exporter.web import server as server_module
from tests.running.waiting import PATIENCE, wait_until
from tests.web.conftest import PATIENT, Certificates, Running, read_until
from tests.web.published import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., Running]
    Program = Callable[[str], Path]

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()
# What curl exits with when the server wants a certificate, or refuses the one it got.
REFUSED = {35, 52, 55, 56, 58}


class Curl:
    """curl against one server, with its CA."""

    def __init__(self, program: Program, running: Running, certificates: Certificates) -> None:
        self.program = program("curl")
        self.url = f"https://localhost:{running.port}/metrics"
        self.ca = certificates.ca

    def __call__(self, *options: str | Path) -> subprocess.CompletedProcess[bytes]:
        fixed = [
            "--silent",
            "--show-error",
            "--max-time",
            str(PATIENCE),
            "--cacert",
            self.ca,
            "--ipv4",
            "--write-out",
            "%{http_code}",
        ]
        command = [self.program, *fixed, *options, self.url]
        return subprocess.run(list(map(str, command)), capture_output=True, check=False)


@pytest.mark.parametrize(
    ("auth_type", "welcome"),
    [
        ("NoClientCert", {"nobody", "client", "stranger"}),
        ("VerifyClientCertIfGiven", {"nobody", "client"}),
        ("RequireAndVerifyClientCert", {"client"}),
    ],
)
def test_each_client_auth_type_lets_in_whom_it_says(
    serve: Serve, certificates: Certificates, program: Program, auth_type: str, welcome: set[str]
) -> None:
    ca = {} if auth_type == "NoClientCert" else {"client_ca_file": "ca.pem"}
    running = serve(web_config=certificates.web_config(client_auth_type=auth_type, **ca))
    curl = Curl(program, running, certificates)
    shown: dict[str, list[str | Path]] = {
        "nobody": [],
        "client": ["--cert", certificates.client],
        "stranger": ["--cert", certificates.stranger],
    }
    for name, options in shown.items():
        done = curl(*options)
        if name in welcome:
            assert (done.returncode, done.stdout) == (0, TEXT + b"200"), done.stderr
        else:
            assert done.returncode in REFUSED, done.stderr
            assert done.stdout == b"000"
    assert set(running.counts) <= {"handshake", "loop"}


def test_a_client_that_knows_another_ca_does_not_trust_this_server(
    serve: Serve, certificates: Certificates, program: Program
) -> None:
    running = serve(web_config=certificates.web_config())
    curl = Curl(program, running, certificates)
    assert curl("--cacert", str(certificates.stranger)).returncode == 60


@pytest.mark.parametrize(
    ("keys", "versions"),
    [
        ({}, {"-tls1_1": False, "-tls1_2": True, "-tls1_3": True}),
        ({"min_version": "TLS13"}, {"-tls1_2": False, "-tls1_3": True}),
        ({"max_version": "TLS12"}, {"-tls1_2": True, "-tls1_3": False}),
    ],
)
def test_openssl_agrees_on_the_versions_that_are_configured(
    serve: Serve, certificates: Certificates, program: Program, keys: dict[str, str], versions: dict[str, bool]
) -> None:
    running = serve(web_config=certificates.web_config(**keys))
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for version, good in versions.items():
        command = [
            program("openssl"),
            "s_client",
            "-connect",
            f"127.0.0.1:{running.port}",
            version,
            "-quiet",
            "-no_ign_eof",
        ]
        command += ["-CAfile", certificates.ca, "-verify_return_error", "-alpn", "h2,http/1.1"]
        client = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with client:
            assert client.stdin is not None
            assert client.stdout is not None
            try:
                client.stdin.write(request)
                client.stdin.flush()
            except BrokenPipeError:
                assert not good
            received = client.stdout.read()
        assert received.endswith(TEXT) == good


def test_plain_http_on_a_tls_port_is_no_trouble(serve: Serve, certificates: Certificates) -> None:
    running = serve(web_config=certificates.web_config())
    with running.connect() as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not sock.recv(100).startswith(b"HTTP/1.1 2")
    wait_until(lambda: running.counts.get("handshake"))


def test_a_handshake_that_is_silent_or_trickles_is_cut_off_at_its_deadline(
    serve: Serve, certificates: Certificates
) -> None:
    running = serve(web_config=certificates.web_config())
    with running.connect() as silent, running.connect() as slow:
        wait_until(lambda: len(running.server._connections) == 2, why="both connections")
        running.drip(slow, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        for sock in (silent, slow):
            with contextlib.suppress(ConnectionError):
                assert sock.recv(10) == b""
    assert running.counts == {"handshake_deadline": 2}


def test_a_renewed_certificate_is_served_without_a_restart_and_old_connections_go_on(
    serve: Serve, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "WATCH_SECONDS", 0.1)
    running = serve(web_config=certificates.web_config())
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def serial() -> bytes | None:
        with context.wrap_socket(running.connect()) as sock:
            return sock.getpeercert(binary_form=True)

    first = serial()
    with context.wrap_socket(running.connect()) as kept:
        certificates.renew("localhost")
        wait_until(lambda: serial() != first)
        kept.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 200 OK")
    new = serial()
    certificates.cert.write_text("broken")
    wait_until(lambda: running.log.events("web configuration not reloaded"))
    assert serial() == new


def test_everything_but_health_and_readiness_needs_the_login(
    serve: Serve, certificates: Certificates, program: Program
) -> None:
    running = serve(web_config=certificates.web_config(f"basic_auth_users: {{alice: {HASH}}}"))
    curl = Curl(program, running, certificates)
    base = f"https://localhost:{running.port}"
    for path, status in {"/": 401, "/metrics": 401, "/nowhere": 401, "/static/page.css": 401, "/-/reload": 401}.items():
        curl.url = base + path
        assert curl().stdout == f"login required\n{status}".encode()
        assert curl("--user", "alice:wrong").stdout.endswith(b"401")
        assert curl("--user", "mallory:right").stdout.endswith(b"401")
        assert not curl("--user", "alice:right").stdout.endswith(b"401")
    for path in ("/-/healthy", "/-/ready"):
        curl.url = base + path
        assert curl().stdout.endswith(b"200")
    curl.url = base + "/metrics"
    done = curl("--user", "alice:right", "--include")
    assert b"WWW-Authenticate" not in done.stdout
    assert b'www-authenticate: Basic realm="CircleCI Insights exporter", charset="UTF-8"' in curl("--include").stdout


def test_headers_of_the_file_replace_the_defaults(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("http_server_config: {headers: {X-Frame-Options: sameorigin, X-XSS-Protection: '0'}}")
    answer = serve(web_config=path).ask(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"x-frame-options: sameorigin" in answer
    assert b"x-xss-protection: 0" in answer


def test_a_silent_tls_peer_can_lose_its_place_to_a_newcomer(serve: Serve, certificates: Certificates) -> None:
    limits = replace(PATIENT, per_peer=5, total=10)
    running = serve(web_config=certificates.web_config(), limits=limits)
    silent = [running.connect() for _ in range(20)]
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with context.wrap_socket(running.connect(), server_hostname="localhost") as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert running.counts == {"evicted": 16}
    wait_until(lambda: sum(map(has_ended, silent)) == 16)
    for peer in silent:
        peer.close()


def has_ended(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_client_can_end_tls_politely_or_not_at_all(serve: Serve, certificates: Certificates) -> None:
    running = serve(web_config=certificates.web_config())
    context = ssl.create_default_context(cafile=str(certificates.ca))
    for polite in (True, False):
        sock = context.wrap_socket(running.connect(), server_hostname="localhost")
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(sock, TEXT)
        if polite:
            sock.unwrap().close()
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            sock.close()
    wait_until(lambda: len(running.server._connections) == 0)
    assert running.counts == {}
