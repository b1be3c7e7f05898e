"""The HTTP server: status page, `/metrics`, health, readiness and reload.

It reads what is published and asks nothing of CircleCI. What it needs of the rest stands in `source` and `overview`.
"""
