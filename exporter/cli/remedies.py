"""What to do about each reason for which a poll fails: for `check` and for the troubleshooting table of the README."""

from __future__ import annotations

REMEDIES = {
    "payload": "CircleCI's answer has another form than documented, or two rows of it have the same names. "
    "The page and the log have the details; report it if it stays.",
    "too_large": "One answer has more than 32 MiB, which none of CircleCI's should. "
    "Look for a proxy that answers in its place.",
    "pagination": "CircleCI's list of pages does not end. It is tried again at the next poll; report it if it stays.",
    "redirect": "`circleci.url` is not CircleCI's final address, or a login page stands before it. "
    "Use the address that it redirects to.",
    "timeout": "CircleCI was slower than `circleci.timeout`. Raise it, or look for a slow proxy.",
    "connection": "No connection: look at DNS, firewall, proxy (`HTTPS_PROXY`), for a CircleCI server at `ca_file`.",
    "truncated": "The connection broke off in the middle of an answer. Look for a proxy that limits time or size.",
    "server": "A 5xx status: CircleCI has a problem. Look at its status page; it is tried again at the next poll.",
    "client": "CircleCI refuses the question (4xx). Its words are in the log and on the page.",
    "unauthorized": "CircleCI refuses the token: it is wrong, expired or revoked. Make a new personal API token; "
    "project tokens do not work.",
    "forbidden": "The token's user may not see this, or CircleCI's CDN blocks this machine's address.",
    "not_found": "The slug is wrong, or the token's user cannot see the project.",
    "throttled": "CircleCI answers 429. Ask less: fewer windows, branches and collectors, longer intervals, "
    "a lower `requests_per_second`.",
    "deadline": "The poll took longer than its interval and 5 minutes. `check` shows whether the calls fit the rate.",
    "state": "The state file cannot be written, so no run is counted: look at its disk and permissions.",
    "internal": "A defect of the exporter. The log has a traceback; report it.",
}
"""By the label `reason` of `circleci_exporter_collector_failures_total`."""
