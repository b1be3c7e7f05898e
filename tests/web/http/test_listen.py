"""Addresses and sockets."""

from __future__ import annotations

import errno
import socket

import pytest

from exporter.errors import ConfigError, StartError
from exporter.web.http.listen import Address, listen, listening


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":10115", "", 10115),
        (":0", "", 0),
        ("127.0.0.1:9100", "127.0.0.1", 9100),
        ("localhost:65535", "localhost", 65535),
        ("[::1]:9100", "::1", 9100),
        ("[::]:9100", "::", 9100),
        ("[fe80::1%eth0]:9100", "fe80::1%eth0", 9100),
    ],
)
def test_an_address_is_read_and_written_the_same(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10115",
        "localhost",
        "::1:9100",
        "::",
        "[::1]",
        "[::1",
        "[localhost]:9100",
        "localhost:",
        "localhost:http",
        "localhost:65536",
        "localhost:-1",
        "localhost:٣",
        "localhost: 9100",
        " localhost:9100",
        "http://localhost:9100",
        "user@localhost:9100",
        "[::1]]:9100",
        "localhost:000000000000080",
    ],
)
def test_anything_else_is_a_mistake_that_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Address.parse(text)
    assert str(caught.value).startswith(f"--web.listen-address: found {text!r}; expected [HOST]:PORT")


def test_port_zero_becomes_a_real_port() -> None:
    with listen(Address.parse("127.0.0.1:0")) as sock:
        host, _, port = listening(sock).rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0


def test_an_empty_host_takes_ipv4_and_ipv6() -> None:
    with listen(Address.parse(":0")) as sock:
        port = sock.getsockname()[1]
        assert listening(sock) == f"[::]:{port}"
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), 2).close()


def test_an_ipv6_address_takes_ipv6_alone() -> None:
    with listen(Address.parse("[::1]:0")) as sock:
        assert listening(sock) == f"[::1]:{sock.getsockname()[1]}"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sock.getsockname()[1]), 2)


def test_a_name_is_resolved_to_one_address() -> None:
    with listen(Address.parse("localhost:0")) as sock:
        assert listening(sock).startswith("127.0.0.1:")


def test_a_taken_port_is_a_clear_error_at_once() -> None:
    with listen(Address.parse("127.0.0.1:0")) as sock:
        address = listening(sock)
        with pytest.raises(StartError) as caught:
            listen(Address.parse(address))
    assert str(caught.value) == f"cannot listen on {address}: address already in use"


def test_a_port_that_is_taken_everywhere_is_one_too() -> None:
    with listen(Address.parse(":0")) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(StartError) as caught:
            listen(Address.parse(f":{port}"))
    assert str(caught.value) == f"cannot listen on :{port}: address already in use"


@pytest.mark.parametrize(
    "text", ["192.0.2.1:0", "no-such-host.invalid:0", "x" * 300 + ":0", "a..b:0", "[2001:db8::1]:0"]
)
def test_an_address_that_is_not_here_is_a_clear_error(text: str) -> None:
    with pytest.raises(StartError, match=r"^cannot listen on .*: .+"):
        listen(Address.parse(text))


def test_asyncio_will_see_a_tcp_socket_and_switch_nagles_algorithm_off() -> None:
    with listen(Address.parse("127.0.0.1:0")) as sock:
        assert sock.proto == socket.IPPROTO_TCP
        assert not sock.getblocking()


class NoIPv6(socket.socket):
    """The socket module of a kernel without IPv6."""

    def __init__(self, family: int = -1, *arguments: int) -> None:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        super().__init__(family, *arguments)


def test_without_ipv6_an_empty_host_takes_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", NoIPv6)
    with listen(Address.parse(":0")) as sock:
        assert listening(sock).startswith("0.0.0.0:")
