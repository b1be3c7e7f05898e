"""A sender of webhooks as CircleCI is one: bodies, signatures, requests."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import uuid
from contextlib import closing
from typing import Any

from tests.running.waiting import PATIENCE

PATH = "/webhooks/circleci"


def signature(body: bytes, secret: str) -> str:
    """The header of a body."""
    return f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def workflow_completed(workflow: str, slug: str, pipeline: str = "", **more: Any) -> bytes:
    """A body that says that a workflow run has ended."""
    return _body("workflow-completed", workflow, slug, pipeline, **more)


def job_completed(workflow: str, slug: str, pipeline: str = "") -> bytes:
    """A body that says that one of its jobs has ended."""
    return _body("job-completed", workflow, slug, pipeline, job={"id": str(uuid.uuid4()), "status": "success"})


def send(
    address: str, body: bytes, secret: str | None, *, event: str = "workflow-completed", timeout: float = PATIENCE
) -> tuple[int, str]:
    """Send a body, signed with a secret unless that is None; returns the status and the answer's text."""
    headers = {"content-type": "application/json", "circleci-event-type": event}
    if secret is not None:
        headers["circleci-signature"] = signature(body, secret)
    with closing(http.client.HTTPConnection(address, timeout=timeout)) as connection:
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def _body(event: str, workflow: str, slug: str, pipeline: str, **more: Any) -> bytes:
    document = {
        "id": str(uuid.uuid4()),
        "type": event,
        "project": {"id": str(uuid.uuid4()), "name": slug.rpartition("/")[2], "slug": slug},
        "workflow": {"id": workflow, "name": "build"},
        "pipeline": {"id": pipeline or str(uuid.uuid4()), "number": 1},
        **more,
    }
    return json.dumps(document).encode()
