"""The Dockerfile by hadolint; the image itself is built and run by scripts/image-test.sh."""

from __future__ import annotations

import subprocess

from tests_deploy.conftest import ROOT, tool


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    done = subprocess.run(
        [tool("hadolint"), ROOT / "deploy/docker/Dockerfile"], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (0, "")
