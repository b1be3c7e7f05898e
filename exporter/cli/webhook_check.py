"""What `check` says of webhooks: whether each project has one with the exporter's address and a secret."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Literal

from exporter.client import Client
from exporter.errors import ForbiddenError, NotFoundError, PollError
from exporter.insights.collectors import PIPELINES
from exporter.insights.payloads import items
from exporter.insights.questions import Question

PATIENCE = 60.0
ENDPOINT = "/webhook"
State = Literal["signed", "no secret", "missing", "unknown"]


@dataclass(frozen=True, slots=True)
class Registered:
    """Whether a project has the webhook. `error` says why that is unknown, `make` is the call that makes one."""

    state: State
    error: str = ""
    make: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is known to be wrong."""
        return self.state in {"signed", "unknown"}


def webhook_of(client: Client, slug: str, project_id: str, address: str, api: str) -> Registered:
    """Ask for a project's webhooks, by its UUID; `address` is where they should go. Raises Stopped."""
    if not project_id:
        return Registered("unknown", "CircleCI names no id of the project")
    params = (("scope-id", project_id), ("scope-type", "project"))
    question = Question(PIPELINES, ENDPOINT, slug, params=params)
    try:
        found = [each for page in client.pages(question, deadline=time.monotonic() + PATIENCE) for each in items(page)]
    except (ForbiddenError, NotFoundError):
        return Registered("unknown", "the token may not see the project's webhooks; its user must be a project admin")
    except PollError as error:
        return Registered("unknown", str(error))
    mine = [
        each for each in found if isinstance(each, dict) and str(each.get("url")).rstrip("/") == address.rstrip("/")
    ]
    if not mine:
        return Registered("missing", make=call_to_make(project_id, address, api))
    return Registered("signed" if any(each.get("signing_secret") for each in mine) else "no secret")


def call_to_make(project_id: str, address: str, api: str) -> str:
    """The command that makes the webhook; the secret comes from a variable of the shell."""
    body = {
        "name": "circleci-insights-exporter",
        "url": address,
        "events": ["workflow-completed"],
        "verify_tls": True,
        "signing_secret": "SECRET",
        "scope": {"id": project_id, "type": "project"},
    }
    text = json.dumps(body).replace("SECRET", "'\"$CIRCLECI_WEBHOOK_SECRET\"'")
    headers = "-H \"Circle-Token: $CIRCLECI_TOKEN\" -H 'Content-Type: application/json'"
    return f"curl -X POST {api}/webhook {headers} -d '{text}'"
