"""Hold objects (a JSON array on standard input) to the schemas of three versions of Kubernetes; print what is refused.

Runs in the environment of deploy/, not in the one of the tests.
"""

from __future__ import annotations

import json
import sys

import kubernetes_validate
from kubernetes_validate.utils import all_versions

KNOWN = list(all_versions())
VERSIONS = (KNOWN[0], KNOWN[len(KNOWN) // 2], KNOWN[-1])


def main() -> None:
    """Print a line for each object and version that do not fit."""
    for each in json.load(sys.stdin):
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except (
                kubernetes_validate.ValidationError,
                kubernetes_validate.SchemaNotFoundError,
                kubernetes_validate.InvalidSchemaError,
            ) as error:
                said = (str(error).splitlines() or [type(error).__name__])[0]
                sys.stdout.write(f"{version} {each['kind']} {each['metadata']['name']}: {said}\n")


if __name__ == "__main__":
    main()
