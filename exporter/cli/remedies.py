"""What to do about each reason for which a poll fails: for `check` and for docs/troubleshooting.md."""

from __future__ import annotations

REMEDIES = {
    "payload": "The answer differs from CircleCI's documentation, or two of its rows have the same names. "
    "See the page or the log for details. Report it if it persists.",
    "too_large": "An answer is larger than 32 MiB, which CircleCI's never are. "
    "Look for a proxy that answers instead of CircleCI.",
    "pagination": "CircleCI's pages do not end. The next poll tries again. Report it if it persists.",
    "redirect": "`circleci.url` redirects: it is not the final address, or a login page answers. "
    "Use the address that it redirects to.",
    "timeout": "CircleCI took longer than `circleci.timeout`. Raise it, or look for a slow proxy.",
    "connection": "Check DNS, firewall and proxy (`HTTPS_PROXY`), and `ca_file` for a CircleCI server.",
    "truncated": "The connection closed in the middle of an answer. Look for a proxy that limits time or size.",
    "server": "CircleCI has a problem (5xx). Check its status page. The next poll tries again.",
    "client": "CircleCI rejects the request (4xx). Its message is in the log and on the page.",
    "unauthorized": "CircleCI refuses the token: it is wrong, expired or revoked. Make a new personal API token; "
    "project tokens do not work.",
    "forbidden": "The token's user may not see this, or CircleCI's CDN blocks this machine's address.",
    "not_found": "The slug is wrong, or the token's user cannot see the project.",
    "throttled": "CircleCI answers 429: too many requests. Use fewer windows, branches and collectors, "
    "longer intervals, or a lower `requests_per_second`.",
    "deadline": "Run `check` to see whether the API calls fit the rate.",
    "state": "The state cannot be written, so no run is counted. File: check disk space and permissions. "
    "Database: check that it can be reached.",
    "internal": "A bug in the exporter. The log has a traceback; please report it.",
}
"""By the label `reason` of `circleci_exporter_collector_failures_total`."""
