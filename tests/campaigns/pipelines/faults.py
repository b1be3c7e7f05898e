"""Broken answers about pipelines. None of them lies about what it lets through."""

from __future__ import annotations

from typing import Any

LISTS = r"/project/.*/pipeline"
ENDPOINTS = (
    LISTS,
    r"/pipeline/[^/]*/workflow",
    r"/workflow/[^/]*/job",
    r"insights/.*start-date",
    r"/pipeline\?",
    r"/pipeline(\?|/[^/]*/workflow)|/job|start-date",
)
"""Of single pipelines and workflows a 404 is an answer: what Insights alone has told of then counts as told."""
WIRE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("throttle", {"retry_after": 1}),
    ("server_error", {}),
    ("bad_gateway", {}),
    ("unavailable", {}),
    ("unauthorized", {}),
    ("forbidden", {}),
    ("cdn_block", {}),
    ("not_found", {}),
    ("redirect", {"to": "https://example.com/"}),
    ("truncated", {}),
    ("cut_chunk", {}),
    ("gzip", {}),
    ("chunked", {}),
    ("gzip_garbage", {}),
    ("reset", {}),
    ("close", {}),
    ("hang", {"seconds": 3}),
    ("drip_body", {"interval": 0.5}),
    ("delay", {"seconds": 0.4}),
)
FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("html_200", {}),
    ("empty", {}),
    ("invalid_json", {}),
    ("missing_items", {}),
    ("items_object", {}),
    ("row_is_text", {}),
    ("duplicate_rows", {}),
    ("bad_token", {}),
    ("put", {"path": "items.0.id"}),
    ("put", {"path": "items.0.id", "value": "../../me"}),
    ("put", {"path": "items.0.name", "value": 7}),
    ("put", {"path": "items.0.status", "value": {"is": "success"}}),
    ("put", {"path": "items.0.created_at", "value": "yesterday"}),
    ("put", {"path": "items.0.project_slug"}),
    ("put", {"path": "items.0.state", "value": ["created"]}),
)
