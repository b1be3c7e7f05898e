"""Changing a JSON body at a dotted path, also into what no JSON library would write."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.demo.messages import Json, Reply

_RAW = "\x00raw\x00"


def edit(reply: Reply, path: str, change: Callable[[Any, Any], None], *, absent: bool = False) -> Reply:
    """Call `change(container, key)` at every place of the path: `items.0.name`, `items.*.metrics.mttr`.

    With `absent` also where the last key is not there yet.
    """
    document = json.loads(reply.body)
    *way, last = path.split(".")
    places = [document]
    for step in way:
        places = [container[key] for container in places for key in _keys(container, step)]
    for container in places:
        for key in _keys(container, last, absent=absent):
            change(container, key)
    return replace(reply, body=json.dumps(document).encode())


def put(reply: Reply, path: str, value: object) -> Reply:
    """Replace what stands there."""
    return edit(reply, path, lambda container, key: container.__setitem__(key, value), absent=True)


def put_raw(reply: Reply, path: str, text: str) -> Reply:
    """Replace what stands there by text that need not be JSON: NaN, a number of 6,000 digits."""
    marked = put(reply, path, _RAW)
    return replace(marked, body=marked.body.replace(json.dumps(_RAW).encode(), text.encode()))


def drop(reply: Reply, path: str) -> Reply:
    """Take away what stands there."""
    return edit(reply, path, lambda container, key: container.pop(key))


def _keys(container: Json, step: str, *, absent: bool = False) -> Iterator[Any]:
    if isinstance(container, list):
        whole = range(len(container))
        yield from whole if step == "*" else [index for index in whole if str(index) == step]
    elif isinstance(container, dict):
        yield from list(container) if step == "*" else [step] if absent or step in container else []
