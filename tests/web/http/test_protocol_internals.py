"""What `protocol` uses of uvicorn beyond its public interface: a release that changes one of these needs a look."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import tomllib
from asyncio import selector_events
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import h11
import pytest
from uvicorn.config import Config
from uvicorn.protocols.http import h11_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from exporter.web.http import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
STATE = {"conn", "cycle", "flow", "headers", "scheme", "scope", "transport"}
"""Attributes of a connection that are read."""
CALLED = {"__init__", "_unset_keepalive_if_required", "connection_lost", "connection_made", "data_received",
          "handle_events", "on_response_complete", "pause_writing", "resume_writing"}  # fmt: skip
"""Methods of uvicorn that are called."""
HOOKS = {"handle_events": "self.handle_events()", "on_response_complete": "on_response=self.on_response_complete",
         "send_400_response": "self.send_400_response(msg)"}  # fmt: skip
"""Methods that are replaced, and how uvicorn calls them."""
CYCLE = {"disconnected", "keep_alive", "message_event"}
FLOW = {"pause_reading"}
CONNECTION = {"our_state", "send", "their_state", "trailing_data"}


@pytest.fixture(name="tree")
def class_tree() -> ast.Module:
    return ast.parse(inspect.getsource(protocol.Protocol))


def attributes(tree: ast.Module, owner: str) -> Iterator[str]:
    """The names that are read of, or set on, what the source writes as `owner`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == owner:
            yield node.attr


def test_the_lists_here_are_what_the_protocol_uses(tree: ast.Module) -> None:
    own = set(vars(protocol.Protocol)) | {
        "_body_bytes",
        "_chunk_lines",
        "_connection",
        "_connections",
        "_limits",
        "_lingers",
    }
    assert set(attributes(tree, "self")) - own == STATE | {"_unset_keepalive_if_required"}
    assert set(attributes(tree, "super()")) == CALLED - {"_unset_keepalive_if_required"}
    assert set(attributes(tree, "self.cycle")) == CYCLE
    assert set(attributes(tree, "self.flow")) == FLOW
    assert set(attributes(tree, "self.conn")) == CONNECTION


def test_uvicorn_has_what_the_protocol_uses() -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        """Never called."""

    async def made() -> H11Protocol:
        config = Config(app, ws="none", interface="asgi3", log_config=None)
        config.load()
        return H11Protocol(config, ServerState(), {}, asyncio.get_running_loop())

    one = asyncio.run(made())
    assert set(vars(one)) >= STATE
    assert vars(one)["cycle"] is None, "no request has come"
    assert isinstance(one.conn, h11.Connection)
    assert all(callable(getattr(H11Protocol, name)) for name in CALLED | set(HOOKS))
    assert all(f"self.{name} = " in inspect.getsource(RequestResponseCycle) for name in CYCLE)
    assert all(callable(getattr(FlowControl, name)) for name in FLOW)
    assert {"connections", "tasks", "default_headers"} <= set(vars(ServerState()))
    assert selector_events._SelectorSocketTransport.max_size == 256 * 1024  # type: ignore[attr-defined]
    assert h11_impl.STATUS_PHRASES[431] == b"Request Header Fields Too Large"


@pytest.mark.parametrize("name", HOOKS)
def test_uvicorn_still_calls_what_the_protocol_replaces(name: str) -> None:
    assert HOOKS[name] in inspect.getsource(H11Protocol)


def test_uvicorn_is_bounded_above_and_the_tested_one_is_within() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [bounds] = [re.fullmatch(r"uvicorn>=(\d+)\.(\d+),<(\d+)\.(\d+)", one) for one in dependencies if "uvicorn" in one]
    assert bounds
    low, high = (int(bounds[1]), int(bounds[2])), (int(bounds[3]), int(bounds[4]))
    assert low <= tuple(map(int, version("uvicorn").split(".")[:2])) < high
